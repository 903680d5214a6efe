-- The mailboxes: threads, and all that belongs to them.
--
-- Ids are text as the API shows it. Within the file a thread is a number (thread_no): rows that are
-- kept by the hundred for each thread are clustered by it, and so are their keys. Times are Unix
-- milliseconds. What is JSON says so. The CHECKs repeat the core's invariants: it keeps them, they
-- catch a defect before it is written. They and the indexes say `a OR b` and never `IN (…)`: for
-- a list of three words SQLite builds a table in memory at every insert and update.
--
-- The order of the columns matters: rows are read in it (decode.rs). First the key, then what never
-- changes, then what does.

CREATE TABLE threads (
    thread_no           INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    parent_id           TEXT,
    created_at          INTEGER NOT NULL,
    metadata            TEXT,             -- JSON object; NULL: empty
    epoch               INTEGER NOT NULL,
    claim_number        INTEGER NOT NULL,
    claimed_dispatch_id TEXT,
    active_run_id       TEXT,
    open_run_id         TEXT,
    latest_run_id       TEXT,
    ended_run_id        TEXT,
    message_seq         INTEGER NOT NULL,
    event_seq           INTEGER NOT NULL,
    dispatch_ordinal    INTEGER NOT NULL,
    pending_position    INTEGER NOT NULL,
    queued              INTEGER NOT NULL CHECK (queued >= 0),
    pending             INTEGER NOT NULL CHECK (pending >= 0),
    readiness           TEXT    NOT NULL CHECK (readiness = 'idle' OR readiness = 'busy'
                                                OR readiness = 'ready'
                                                OR readiness = 'delayed'),
    ready_agent         TEXT,
    ready_priority      INTEGER,
    ready_since         INTEGER,
    delayed_until       INTEGER,
    updated_at          INTEGER NOT NULL,
    CHECK ((readiness = 'ready') = (ready_agent IS NOT NULL)),
    CHECK ((readiness = 'ready') = (ready_priority IS NOT NULL)),
    CHECK ((readiness = 'ready') = (ready_since IS NOT NULL)),
    CHECK ((readiness = 'delayed') = (delayed_until IS NOT NULL)),
    CHECK ((readiness = 'busy') = (claimed_dispatch_id IS NOT NULL))
) STRICT;

-- Finding work: the heads of ready threads, agent by agent, so that an agent a node has no room for
-- is passed over in one step, however much waits for it.
CREATE INDEX threads_ready ON threads (ready_agent, ready_priority, ready_since)
    WHERE ready_agent IS NOT NULL;
CREATE INDEX threads_delayed ON threads (delayed_until) WHERE delayed_until IS NOT NULL;
CREATE INDEX threads_queued ON threads (id) WHERE queued > 0;

CREATE TABLE runs (
    run_no              INTEGER PRIMARY KEY,
    thread_no           INTEGER NOT NULL,
    id                  TEXT    NOT NULL UNIQUE,
    origin              TEXT    NOT NULL CHECK (origin = 'user' OR origin = 'a2a'
                                                OR origin = 'internal'
                                                OR origin = 'schedule'),
    parent_run_id       TEXT,
    spec                TEXT,             -- JSON object; NULL: all by default
    events_after        INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    agent_id            TEXT    NOT NULL,
    agent_version       TEXT,
    input               TEXT    NOT NULL, -- JSON array of [first, last]
    status              TEXT    NOT NULL
                        CHECK (status = 'created' OR status = 'running'
                               OR status = 'waiting' OR status = 'done'),
    wait_reason         TEXT,
    wait_tasks          TEXT,             -- JSON array of ids; NULL: none
    termination         TEXT,
    termination_code    TEXT,
    termination_message TEXT,
    finished_at         INTEGER,
    dispatch_id         TEXT,
    tickets             TEXT,             -- JSON array; NULL: none
    ended_tasks         TEXT,             -- JSON array of ids; NULL: none
    stop_requested      INTEGER NOT NULL CHECK (stop_requested = 0 OR stop_requested = 1),
    hidden              INTEGER NOT NULL CHECK (hidden = 0 OR hidden = 1),
    output              TEXT,
    error               TEXT,
    input_tokens        INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    steps               INTEGER NOT NULL,
    attempt             INTEGER NOT NULL,
    started_at          INTEGER,
    state               TEXT,             -- JSON, the agent's own; last, because it can be large
    CHECK ((status = 'waiting') = (wait_reason IS NOT NULL)),
    CHECK ((status = 'done') = (termination IS NOT NULL)),
    CHECK ((status = 'done') = (finished_at IS NOT NULL))
) STRICT;

CREATE INDEX runs_of_thread ON runs (thread_no);
CREATE INDEX runs_of_agent ON runs (agent_id);
CREATE INDEX runs_of_parent ON runs (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (status) WHERE status <> 'done';

CREATE TABLE dispatches (
    dispatch_no         INTEGER PRIMARY KEY,
    thread_no           INTEGER NOT NULL,
    id                  TEXT    NOT NULL UNIQUE,
    run_id              TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    agent_id            TEXT    NOT NULL,
    priority            INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 255),
    ordinal             INTEGER NOT NULL,
    dedupe_key          TEXT,
    epoch               INTEGER NOT NULL,
    status              TEXT    NOT NULL
                        CHECK (status = 'queued' OR status = 'claimed' OR status = 'acked'
                               OR status = 'cancelled' OR status = 'superseded'
                               OR status = 'dead_letter'),
    due                 INTEGER CHECK (due = 0 OR due = 1),
    claim_number        INTEGER,
    claimed_by          TEXT,
    lease_until         INTEGER,
    requeued_as         TEXT,
    available_at        INTEGER NOT NULL,
    attempt_count       INTEGER NOT NULL,
    max_attempts        INTEGER NOT NULL,
    last_error          TEXT,
    instance_id         TEXT,
    run_status          TEXT,
    termination         TEXT,
    termination_code    TEXT,
    termination_message TEXT,
    run_response        TEXT,
    run_error           TEXT,
    completed_at        INTEGER,
    updated_at          INTEGER NOT NULL,
    CHECK (attempt_count <= max_attempts),
    CHECK ((status = 'queued') = (due IS NOT NULL)),
    CHECK ((status = 'claimed') = (claim_number IS NOT NULL)),
    CHECK ((status = 'claimed') = (claimed_by IS NOT NULL)),
    CHECK ((status = 'claimed') = (lease_until IS NOT NULL)),
    CHECK (requeued_as IS NULL OR status = 'dead_letter'),
    CHECK ((instance_id IS NULL) = (run_status IS NULL))
) STRICT;

-- At most one claimed dispatch for each thread, and one unfinished one for each key.
CREATE UNIQUE INDEX dispatches_claimed ON dispatches (thread_no) WHERE status = 'claimed';
CREATE UNIQUE INDEX dispatches_keyed ON dispatches (thread_no, dedupe_key)
    WHERE dedupe_key IS NOT NULL AND (status = 'queued' OR status = 'claimed');
-- A thread's queue: what is due, in its order; what is not, by its time.
CREATE INDEX dispatches_due ON dispatches (thread_no, priority, ordinal) WHERE due = 1;
CREATE INDEX dispatches_delayed ON dispatches (thread_no, available_at, ordinal) WHERE due = 0;
CREATE INDEX dispatches_leased ON dispatches (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX dispatches_of_thread ON dispatches (thread_no);
CREATE INDEX dispatches_unacked ON dispatches (dispatch_no) WHERE status <> 'acked';
CREATE INDEX dispatches_terminal ON dispatches (status, updated_at)
    WHERE status <> 'queued' AND status <> 'claimed';

CREATE TABLE messages (
    thread_no           INTEGER NOT NULL,
    seq                 INTEGER NOT NULL CHECK (seq > 0),
    run_id              TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    message_id          TEXT    NOT NULL,
    role                TEXT    NOT NULL CHECK (role = 'user' OR role = 'assistant'
                                                OR role = 'system' OR role = 'tool'),
    visibility          TEXT    NOT NULL CHECK (visibility = 'all'
                                                OR visibility = 'internal'),
    text                TEXT,             -- the content, where it is one text
    blocks              TEXT,             -- JSON array: the content, where it is not
    tool_calls          TEXT,             -- JSON array; NULL: none
    metadata            TEXT,             -- JSON object; NULL: empty
    PRIMARY KEY (thread_no, seq),
    -- The id first: those that we make grow, so that they all go to the same page of the index.
    UNIQUE (message_id, thread_no),
    CHECK ((text IS NULL) <> (blocks IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE pending (
    thread_no           INTEGER NOT NULL,
    position            INTEGER NOT NULL,
    boundary            TEXT    NOT NULL
                        CHECK (boundary = 'next_step' OR boundary = 'on_natural_end'
                               OR boundary = 'new_run'),
    granularity         TEXT    NOT NULL CHECK (granularity = 'one' OR granularity = 'batch'),
    barrier             INTEGER NOT NULL CHECK (barrier = 0 OR barrier = 1),
    target_run_id       TEXT,
    created_at          INTEGER NOT NULL,
    message_id          TEXT    NOT NULL,
    role                TEXT    NOT NULL CHECK (role = 'user' OR role = 'assistant'
                                                OR role = 'system' OR role = 'tool'),
    visibility          TEXT    NOT NULL CHECK (visibility = 'all'
                                                OR visibility = 'internal'),
    text                TEXT,             -- as in messages
    blocks              TEXT,
    tool_calls          TEXT,
    metadata            TEXT,
    PRIMARY KEY (thread_no, message_id),
    CHECK ((text IS NULL) <> (blocks IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    thread_no           INTEGER NOT NULL,
    seq                 INTEGER NOT NULL CHECK (seq > 0),
    run_id              TEXT,
    at                  INTEGER NOT NULL,
    type                TEXT    NOT NULL,
    data                TEXT    NOT NULL, -- JSON
    PRIMARY KEY (thread_no, seq)
) STRICT, WITHOUT ROWID;

-- The answers to submissions that may be repeated.
CREATE TABLE submissions (
    thread_no           INTEGER NOT NULL,
    key                 TEXT    NOT NULL,
    answer              TEXT    NOT NULL, -- JSON object
    created_at          INTEGER NOT NULL,
    PRIMARY KEY (thread_no, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX submissions_by_age ON submissions (created_at);

-- How many dispatches are in each state: one row, kept up to date by every transaction.
CREATE TABLE depth (
    one                 INTEGER PRIMARY KEY CHECK (one = 1),
    queued              INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
    claimed             INTEGER NOT NULL DEFAULT 0 CHECK (claimed >= 0),
    acked               INTEGER NOT NULL DEFAULT 0 CHECK (acked >= 0),
    cancelled           INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    superseded          INTEGER NOT NULL DEFAULT 0 CHECK (superseded >= 0),
    dead_letter         INTEGER NOT NULL DEFAULT 0 CHECK (dead_letter >= 0)
) STRICT;

INSERT INTO depth (one) VALUES (1);
