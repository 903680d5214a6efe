-- The mailboxes: threads, and all that belongs to them.
--
-- The schema is named `postroom` in this file; where another name is configured, it is put in its
-- place. Within the database a thread is a number (thread_no): rows that are kept by the hundred for
-- each thread carry it instead of the id. Times are Unix milliseconds. `json` keeps a text as it was
-- given, which `jsonb` does not. The CHECKs repeat the core's invariants: it keeps them, they catch a
-- defect before it is written.
--
-- What changes with every run (a thread's counters, a run's and a dispatch's state) is in no index
-- and in no index's condition, so that such an update writes one row version and no index (HOT).
-- What must be found by its state is found by columns that are NULL in the common life of a row.

CREATE SCHEMA IF NOT EXISTS postroom;

-- Numbers for new threads, taken by the block: a thread's rows can then be written in one go.
CREATE SEQUENCE postroom.thread_numbers INCREMENT BY 256;

CREATE TABLE postroom.threads (
    thread_no           bigint  NOT NULL PRIMARY KEY,
    -- In the order in which threads were made, which the numbers by the block are not.
    created_no          bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- Grows with every change of the mailbox: who remembers its rows knows by it whether they are
    -- still the same.
    version             bigint  NOT NULL,
    created_at          bigint  NOT NULL,
    updated_at          bigint  NOT NULL,
    epoch               bigint  NOT NULL,
    claim_number        bigint  NOT NULL,
    message_seq         bigint  NOT NULL,
    event_seq           bigint  NOT NULL,
    dispatch_ordinal    bigint  NOT NULL,
    pending_position    bigint  NOT NULL,
    queued              bigint  NOT NULL CHECK (queued >= 0),
    pending             bigint  NOT NULL CHECK (pending >= 0),
    ready_since         bigint,
    delayed_until       bigint,
    ready_priority      smallint,
    readiness           text    NOT NULL CHECK (readiness IN ('idle', 'busy', 'ready', 'delayed')),
    id                  text    NOT NULL COLLATE "C" UNIQUE,
    claimed_dispatch_id uuid,
    ready_agent         text    COLLATE "C",
    active_run_id       text,
    open_run_id         text,
    latest_run_id       text,
    ended_run_id        text,
    parent_id           text,
    metadata            json,             -- an object; NULL: empty
    -- For the index: that a second dispatch is queued changes nothing in it.
    has_queue           boolean GENERATED ALWAYS AS (CASE WHEN queued > 0 THEN true END) STORED,
    CHECK ((readiness = 'ready') = (ready_agent IS NOT NULL)),
    CHECK ((readiness = 'ready') = (ready_priority IS NOT NULL)),
    CHECK ((readiness = 'ready') = (ready_since IS NOT NULL)),
    CHECK ((readiness = 'delayed') = (delayed_until IS NOT NULL)),
    CHECK ((readiness = 'busy') = (claimed_dispatch_id IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);

-- Finding work. By urgency over all agents; and agent by agent, so that an agent a node has no room
-- for is passed over in one step, however much waits for it.
CREATE INDEX threads_ready ON postroom.threads (ready_priority, ready_since, thread_no)
    WHERE ready_agent IS NOT NULL;
CREATE INDEX threads_ready_of_agent
    ON postroom.threads (ready_agent, ready_priority, ready_since, thread_no)
    WHERE ready_agent IS NOT NULL;
CREATE INDEX threads_delayed ON postroom.threads (delayed_until) WHERE delayed_until IS NOT NULL;
CREATE INDEX threads_queued ON postroom.threads (id) WHERE has_queue;
CREATE UNIQUE INDEX threads_by_age ON postroom.threads (created_no);

CREATE TABLE postroom.runs (
    run_no              bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    thread_no           bigint  NOT NULL,
    created_at          bigint  NOT NULL,
    events_after        bigint  NOT NULL,
    started_at          bigint,
    finished_at         bigint,
    input_tokens        bigint  NOT NULL,
    output_tokens       bigint  NOT NULL,
    steps               bigint  NOT NULL,
    attempt             bigint  NOT NULL,
    stop_requested      boolean NOT NULL,
    hidden              boolean NOT NULL,
    dispatch_id         uuid,
    status              text    NOT NULL CHECK (status IN ('created', 'running', 'waiting', 'done')),
    id                  text    NOT NULL COLLATE "C" PRIMARY KEY,
    origin              text    NOT NULL CHECK (origin IN ('user', 'a2a', 'internal', 'schedule')),
    agent_id            text    NOT NULL COLLATE "C",
    agent_version       text,
    parent_run_id       text    COLLATE "C",
    input               json    NOT NULL, -- an array of [first, last]
    wait_reason         text,
    wait_tasks          json,             -- an array of ids; NULL: none
    termination         text,
    termination_code    text,
    termination_message text,
    output              text,
    error               text,
    spec                json,             -- an object; NULL: all by default
    tickets             json,             -- an array; NULL: none
    ended_tasks         json,             -- an array of ids; NULL: none
    state               json,             -- the agent's own
    CHECK ((status = 'waiting') = (wait_reason IS NOT NULL)),
    CHECK ((status = 'done') = (termination IS NOT NULL)),
    CHECK ((status = 'done') = (finished_at IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_insert_scale_factor = 0.2);

CREATE INDEX runs_of_thread ON postroom.runs (thread_no, run_no);
CREATE UNIQUE INDEX runs_by_age ON postroom.runs (run_no);
CREATE INDEX runs_of_parent ON postroom.runs (parent_run_id, run_no)
    WHERE parent_run_id IS NOT NULL;
-- A run that is submitted and claimed at once never waits. By what it waits for, and for lists.
CREATE INDEX runs_waiting_for ON postroom.runs (wait_reason, run_no) WHERE wait_reason IS NOT NULL;
CREATE INDEX runs_waiting ON postroom.runs (run_no) WHERE wait_reason IS NOT NULL;

CREATE TABLE postroom.dispatches (
    dispatch_no         bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    thread_no           bigint  NOT NULL,
    created_at          bigint  NOT NULL,
    updated_at          bigint  NOT NULL,
    available_at        bigint  NOT NULL,
    ordinal             bigint  NOT NULL,
    epoch               bigint  NOT NULL,
    attempt_count       bigint  NOT NULL,
    max_attempts        bigint  NOT NULL,
    completed_at        bigint,
    id                  uuid    NOT NULL PRIMARY KEY,
    requeued_as         uuid,
    instance_id         uuid,
    priority            smallint NOT NULL CHECK (priority BETWEEN 0 AND 255),
    due                 boolean,
    status              text    NOT NULL CHECK (status IN ('queued', 'claimed', 'acked', 'cancelled',
                                                           'superseded', 'dead_letter')),
    run_id              text    NOT NULL,
    agent_id            text    NOT NULL,
    dedupe_key          text    COLLATE "C",
    last_error          text,
    run_status          text,
    termination         text,
    termination_code    text,
    termination_message text,
    run_response        text,
    run_error           text,
    -- For the indexes below: NULL unless it waits in the queue, there is a key that is in use, or its
    -- end is rare.
    queued_no           bigint  GENERATED ALWAYS AS
                        (CASE WHEN status = 'queued' THEN dispatch_no END) STORED,
    key_in_use          text    COLLATE "C" GENERATED ALWAYS AS
                        (CASE WHEN status IN ('queued', 'claimed') THEN dedupe_key END) STORED,
    unconsumed          text    COLLATE "C" GENERATED ALWAYS AS
                        (CASE WHEN status IN ('cancelled', 'superseded', 'dead_letter')
                              THEN status END) STORED,
    CHECK (attempt_count <= max_attempts),
    CHECK ((status = 'queued') = (due IS NOT NULL)),
    CHECK (requeued_as IS NULL OR status = 'dead_letter'),
    CHECK ((instance_id IS NULL) = (run_status IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- One unfinished dispatch for each key.
CREATE UNIQUE INDEX dispatches_keyed ON postroom.dispatches (thread_no, key_in_use)
    WHERE key_in_use IS NOT NULL;
-- A thread's queue: what is due, in its order; what is not, by its time.
CREATE INDEX dispatches_due ON postroom.dispatches (thread_no, priority, ordinal) WHERE due;
CREATE INDEX dispatches_delayed ON postroom.dispatches (thread_no, available_at, ordinal)
    WHERE NOT due;
-- All queues, for lists. That a row is due does not say to the planner that it is in here: while hardly
-- anything is queued, it would look for one thread's queue among all.
CREATE INDEX dispatches_queued ON postroom.dispatches (queued_no) WHERE queued_no IS NOT NULL;
CREATE INDEX dispatches_of_thread ON postroom.dispatches (thread_no, dispatch_no);
CREATE UNIQUE INDEX dispatches_by_age ON postroom.dispatches (dispatch_no);
-- To find what is old enough to be deleted: rows lie about in the order of their age, so that a few
-- words for every stretch of pages will do.
CREATE INDEX dispatches_made ON postroom.dispatches USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX dispatches_unconsumed ON postroom.dispatches (unconsumed, dispatch_no)
    WHERE unconsumed IS NOT NULL;

-- The claims that are held: at most one for each thread, which the primary key enforces. Apart from
-- the dispatches, so that claiming and consuming one touches none of their indexes. There are as many
-- as runs execute: the sweep looks at all of them.
CREATE TABLE postroom.claims (
    thread_no           bigint  NOT NULL PRIMARY KEY,
    claim_number        bigint  NOT NULL,
    lease_until         bigint  NOT NULL,
    dispatch_id         uuid    NOT NULL,
    claimed_by          text    NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE postroom.messages (
    thread_no           bigint  NOT NULL,
    seq                 bigint  NOT NULL CHECK (seq > 0),
    created_at          bigint  NOT NULL,
    run_id              text    NOT NULL,
    message_id          text    NOT NULL COLLATE "C",
    role                text    NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
    visibility          text    NOT NULL CHECK (visibility IN ('all', 'internal')),
    text                text,             -- the content, where it is one text
    blocks              json,             -- an array: the content, where it is not
    tool_calls          json,             -- an array; NULL: none
    metadata            json,             -- an object; NULL: empty
    PRIMARY KEY (thread_no, seq),
    CHECK ((text IS NULL) <> (blocks IS NULL))
);

-- The id first: those that we make grow, so that they all go to the same page of the index.
CREATE UNIQUE INDEX messages_by_id ON postroom.messages (message_id, thread_no);

CREATE TABLE postroom.pending (
    thread_no           bigint  NOT NULL,
    position            bigint  NOT NULL,
    created_at          bigint  NOT NULL,
    boundary            text    NOT NULL CHECK (boundary IN ('next_step', 'on_natural_end', 'new_run')),
    granularity         text    NOT NULL CHECK (granularity IN ('one', 'batch')),
    barrier             boolean NOT NULL,
    target_run_id       text,
    message_id          text    NOT NULL COLLATE "C",
    role                text    NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
    visibility          text    NOT NULL CHECK (visibility IN ('all', 'internal')),
    text                text,             -- as in messages
    blocks              json,
    tool_calls          json,
    metadata            json,
    PRIMARY KEY (thread_no, message_id),
    CHECK ((text IS NULL) <> (blocks IS NULL))
);

-- What a command brought about is a row: events that follow one another, of one run and one moment,
-- numbered up to last_seq.
-- By the day, so that old days are dropped whole.
CREATE TABLE postroom.events (
    thread_no           bigint  NOT NULL,
    last_seq            bigint  NOT NULL CHECK (last_seq > 0),
    at                  bigint  NOT NULL,
    run_id              text,
    events              json    NOT NULL, -- an array of {"type", "data"}, not empty
    PRIMARY KEY (thread_no, last_seq, at)
) PARTITION BY RANGE (at);

-- What no day was made for: nothing is refused because a day is missing.
CREATE TABLE postroom.events_other PARTITION OF postroom.events DEFAULT;

-- The answers to submissions that may be repeated.
CREATE TABLE postroom.submissions (
    thread_no           bigint  NOT NULL,
    created_at          bigint  NOT NULL,
    key                 text    NOT NULL COLLATE "C",
    answer              json    NOT NULL,
    PRIMARY KEY (thread_no, key)
);

CREATE INDEX submissions_by_age ON postroom.submissions (created_at);

-- The nodes, as they last said of themselves.
CREATE TABLE postroom.nodes (
    started_at          bigint  NOT NULL,
    seen_at             bigint  NOT NULL,
    active_runs         bigint  NOT NULL,
    max_concurrent_runs bigint  NOT NULL,
    is_draining         boolean NOT NULL,
    id                  text    NOT NULL COLLATE "C" PRIMARY KEY,
    version             text    NOT NULL,
    address             text
) WITH (fillfactor = 50);

-- How many dispatches are in each state: the sum over all rows. A transaction adds to the row of its
-- connection, so that two seldom wait for each other.
CREATE TABLE postroom.depth (
    slot                smallint NOT NULL PRIMARY KEY,
    queued              bigint  NOT NULL DEFAULT 0,
    claimed             bigint  NOT NULL DEFAULT 0,
    acked               bigint  NOT NULL DEFAULT 0,
    cancelled           bigint  NOT NULL DEFAULT 0,
    superseded          bigint  NOT NULL DEFAULT 0,
    dead_letter         bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);

INSERT INTO postroom.depth (slot) SELECT generate_series(0, 63);
