-- All of a batch's rows of one kind in one statement, a column an array. The arrays are taken apart in
-- the list of what is selected, where they go on side by side: `FROM unnest(…, …)` copies each array
-- into a store of its own first, which costs five times as much for a handful of rows.

-- name: threads_insert
INSERT INTO postroom.threads (
    thread_no, version, id, parent_id, created_at, metadata,
    epoch, claim_number, claimed_dispatch_id, active_run_id, open_run_id, latest_run_id,
    ended_run_id, message_seq, event_seq, dispatch_ordinal, pending_position, queued, pending,
    readiness, ready_agent, ready_priority, ready_since, delayed_until, updated_at, tenant
)
SELECT
    unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]),
    unnest($5::bigint[]), unnest($6::text[])::json, unnest($7::bigint[]), unnest($8::bigint[]),
    unnest($9::uuid[]), unnest($10::text[]), unnest($11::text[]), unnest($12::text[]), unnest($13::text[]),
    unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::bigint[]),
    unnest($18::bigint[]), unnest($19::bigint[]), unnest($20::text[]), unnest($21::text[]),
    unnest($22::bigint[]), unnest($23::bigint[]), unnest($24::bigint[]), unnest($25::bigint[]),
    unnest($26::text[]);

-- A thread is written over only as it was read.
-- name: threads_update
UPDATE postroom.threads AS t SET
    version = u.version,
    epoch = u.epoch, claim_number = u.claim_number, claimed_dispatch_id = u.claimed_dispatch_id,
    active_run_id = u.active_run_id, open_run_id = u.open_run_id, latest_run_id = u.latest_run_id,
    ended_run_id = u.ended_run_id, message_seq = u.message_seq, event_seq = u.event_seq,
    dispatch_ordinal = u.dispatch_ordinal, pending_position = u.pending_position, queued = u.queued,
    pending = u.pending, readiness = u.readiness, ready_agent = u.ready_agent,
    ready_priority = u.ready_priority, ready_since = u.ready_since, delayed_until = u.delayed_until,
    updated_at = u.updated_at
FROM (
    SELECT
        unnest($1::bigint[]) AS thread_no, unnest($2::bigint[]) AS version, unnest($3::bigint[]) AS epoch,
        unnest($4::bigint[]) AS claim_number, unnest($5::uuid[]) AS claimed_dispatch_id,
        unnest($6::text[]) AS active_run_id, unnest($7::text[]) AS open_run_id,
        unnest($8::text[]) AS latest_run_id, unnest($9::text[]) AS ended_run_id,
        unnest($10::bigint[]) AS message_seq, unnest($11::bigint[]) AS event_seq,
        unnest($12::bigint[]) AS dispatch_ordinal, unnest($13::bigint[]) AS pending_position,
        unnest($14::bigint[]) AS queued, unnest($15::bigint[]) AS pending, unnest($16::text[]) AS readiness,
        unnest($17::text[]) AS ready_agent, unnest($18::bigint[]) AS ready_priority,
        unnest($19::bigint[]) AS ready_since, unnest($20::bigint[]) AS delayed_until,
        unnest($21::bigint[]) AS updated_at, unnest($22::bigint[]) AS version_read
) AS u
WHERE t.thread_no = u.thread_no AND t.version = u.version_read;

-- Divides by zero, and so undoes the transaction before it is committed, unless so many threads
-- were written as were to be.
-- name: all_as_read
(SELECT 1 / ((SELECT count(*) FROM threads) = $1::bigint)::int);

-- name: threads_update_alone
WITH threads AS ({threads_update+} RETURNING 1) SELECT {all_as_read+};

-- Apart, because they seldom change and can be large.
-- name: threads_update_metadata
UPDATE postroom.threads AS t SET metadata = u.metadata::json
FROM (SELECT unnest($1::bigint[]) AS thread_no, unnest($2::text[]) AS metadata) AS u
WHERE t.thread_no = u.thread_no;

-- name: runs_insert
INSERT INTO postroom.runs (
    thread_no, id, origin, parent_run_id, spec, events_after, created_at,
    agent_id, agent_version, input, status, wait_reason, wait_tasks,
    termination, termination_code, termination_message, finished_at,
    dispatch_id, tickets, ended_tasks, stop_requested, hidden, output, error,
    input_tokens, output_tokens, steps, attempt, started_at, state,
    report, cached_tokens, tenant
)
SELECT
    unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),
    unnest($5::text[])::json, unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::text[]),
    unnest($9::text[]), unnest($10::text[])::json, unnest($11::text[]), unnest($12::text[]),
    unnest($13::text[])::json, unnest($14::text[]), unnest($15::text[]), unnest($16::text[]),
    unnest($17::bigint[]), unnest($18::uuid[]), unnest($19::text[])::json, unnest($20::text[])::json,
    unnest($21::boolean[]), unnest($22::boolean[]), unnest($23::text[]), unnest($24::text[]),
    unnest($25::bigint[]), unnest($26::bigint[]), unnest($27::bigint[]), unnest($28::bigint[]),
    unnest($29::bigint[]), unnest($30::text[])::json, unnest($31::text[]), unnest($32::bigint[]),
    unnest($33::text[]);

-- What never changes is left out: a run keeps its agent.
-- name: runs_update
UPDATE postroom.runs AS r SET
    agent_version = u.agent_version, input = u.input::json, status = u.status,
    wait_reason = u.wait_reason, wait_tasks = u.wait_tasks::json,
    termination = u.termination, termination_code = u.termination_code,
    termination_message = u.termination_message, finished_at = u.finished_at,
    dispatch_id = u.dispatch_id, tickets = u.tickets::json, ended_tasks = u.ended_tasks::json,
    stop_requested = u.stop_requested, hidden = u.hidden, output = u.output, error = u.error,
    input_tokens = u.input_tokens, output_tokens = u.output_tokens, steps = u.steps,
    attempt = u.attempt, started_at = u.started_at, state = u.state::json,
    report = u.report, cached_tokens = u.cached_tokens
FROM (
    SELECT
        unnest($1::text[]) AS id, unnest($2::text[]) AS agent_version, unnest($3::text[]) AS input,
        unnest($4::text[]) AS status, unnest($5::text[]) AS wait_reason, unnest($6::text[]) AS wait_tasks,
        unnest($7::text[]) AS termination, unnest($8::text[]) AS termination_code,
        unnest($9::text[]) AS termination_message, unnest($10::bigint[]) AS finished_at,
        unnest($11::uuid[]) AS dispatch_id, unnest($12::text[]) AS tickets,
        unnest($13::text[]) AS ended_tasks, unnest($14::boolean[]) AS stop_requested,
        unnest($15::boolean[]) AS hidden, unnest($16::text[]) AS output, unnest($17::text[]) AS error,
        unnest($18::bigint[]) AS input_tokens, unnest($19::bigint[]) AS output_tokens,
        unnest($20::bigint[]) AS steps, unnest($21::bigint[]) AS attempt,
        unnest($22::bigint[]) AS started_at, unnest($23::text[]) AS state, unnest($24::text[]) AS report,
        unnest($25::bigint[]) AS cached_tokens
) AS u
WHERE r.id = u.id;

-- name: dispatches_insert
INSERT INTO postroom.dispatches (
    thread_no, id, run_id, created_at,
    agent_id, priority, ordinal, dedupe_key, epoch, status, due, requeued_as, available_at,
    attempt_count, max_attempts, last_error, instance_id, run_status, termination,
    termination_code, termination_message, run_response, run_error, completed_at, updated_at, tenant
)
SELECT
    unnest($1::bigint[]), unnest($2::uuid[]), unnest($3::text[]), unnest($4::bigint[]), unnest($5::text[]),
    unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::text[]), unnest($9::bigint[]),
    unnest($10::text[]), unnest($11::boolean[]), unnest($12::uuid[]), unnest($13::bigint[]),
    unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::text[]), unnest($17::uuid[]),
    unnest($18::text[]), unnest($19::text[]), unnest($20::text[]), unnest($21::text[]), unnest($22::text[]),
    unnest($23::text[]), unnest($24::bigint[]), unnest($25::bigint[]), unnest($26::text[]);

-- name: dispatches_update
UPDATE postroom.dispatches AS d SET
    agent_id = u.agent_id, priority = u.priority, ordinal = u.ordinal, dedupe_key = u.dedupe_key,
    epoch = u.epoch, status = u.status, due = u.due, requeued_as = u.requeued_as,
    available_at = u.available_at, attempt_count = u.attempt_count, max_attempts = u.max_attempts,
    last_error = u.last_error, instance_id = u.instance_id, run_status = u.run_status,
    termination = u.termination, termination_code = u.termination_code,
    termination_message = u.termination_message, run_response = u.run_response,
    run_error = u.run_error, completed_at = u.completed_at, updated_at = u.updated_at
FROM (
    SELECT
        unnest($1::uuid[]) AS id, unnest($2::text[]) AS agent_id, unnest($3::bigint[]) AS priority,
        unnest($4::bigint[]) AS ordinal, unnest($5::text[]) AS dedupe_key, unnest($6::bigint[]) AS epoch,
        unnest($7::text[]) AS status, unnest($8::boolean[]) AS due, unnest($9::uuid[]) AS requeued_as,
        unnest($10::bigint[]) AS available_at, unnest($11::bigint[]) AS attempt_count,
        unnest($12::bigint[]) AS max_attempts, unnest($13::text[]) AS last_error,
        unnest($14::uuid[]) AS instance_id, unnest($15::text[]) AS run_status,
        unnest($16::text[]) AS termination, unnest($17::text[]) AS termination_code,
        unnest($18::text[]) AS termination_message, unnest($19::text[]) AS run_response,
        unnest($20::text[]) AS run_error, unnest($21::bigint[]) AS completed_at,
        unnest($22::bigint[]) AS updated_at
) AS u
WHERE d.id = u.id;

-- The primary key refuses a second claim of the same thread.
-- name: claims_insert
INSERT INTO postroom.claims (thread_no, dispatch_id, claim_number, claimed_by, lease_until)
SELECT
    unnest($1::bigint[]), unnest($2::uuid[]), unnest($3::bigint[]), unnest($4::text[]), unnest($5::bigint[]);

-- A claim that goes on, or gives way to another of its thread.
-- name: claims_update
UPDATE postroom.claims AS c SET
    dispatch_id = u.dispatch_id, claim_number = u.claim_number, claimed_by = u.claimed_by,
    lease_until = u.lease_until
FROM (
    SELECT
        unnest($1::bigint[]) AS thread_no, unnest($2::uuid[]) AS dispatch_read,
        unnest($3::uuid[]) AS dispatch_id, unnest($4::bigint[]) AS claim_number,
        unnest($5::text[]) AS claimed_by, unnest($6::bigint[]) AS lease_until
) AS u
WHERE c.thread_no = u.thread_no AND c.dispatch_id = u.dispatch_read;

-- name: claims_remove
DELETE FROM postroom.claims AS c
USING (SELECT unnest($1::bigint[]) AS thread_no, unnest($2::uuid[]) AS dispatch_id) AS u
WHERE c.thread_no = u.thread_no AND c.dispatch_id = u.dispatch_id;

-- name: runs_remove
DELETE FROM postroom.runs AS r USING (SELECT unnest($1::text[]) AS id) AS u WHERE r.id = u.id;

-- name: messages_insert
INSERT INTO postroom.messages (
    thread_no, seq, run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
)
SELECT
    unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bigint[]),
    unnest($5::text[]), unnest($6::text[]), unnest($7::text[]), unnest($8::text[]),
    unnest($9::text[])::json, unnest($10::text[])::json, unnest($11::text[])::json;

-- name: pending_put
INSERT INTO postroom.pending (
    thread_no, position, boundary, granularity, barrier, target_run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
)
SELECT
    unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]),
    unnest($5::boolean[]), unnest($6::text[]), unnest($7::bigint[]), unnest($8::text[]), unnest($9::text[]),
    unnest($10::text[]), unnest($11::text[]), unnest($12::text[])::json, unnest($13::text[])::json,
    unnest($14::text[])::json
ON CONFLICT (thread_no, message_id) DO UPDATE SET
    position = excluded.position, boundary = excluded.boundary,
    granularity = excluded.granularity, barrier = excluded.barrier,
    target_run_id = excluded.target_run_id, created_at = excluded.created_at,
    role = excluded.role, visibility = excluded.visibility, text = excluded.text,
    blocks = excluded.blocks, tool_calls = excluded.tool_calls, metadata = excluded.metadata;

-- name: pending_remove
DELETE FROM postroom.pending AS p
USING (SELECT unnest($1::bigint[]) AS thread_no, unnest($2::text[]) AS message_id) AS u
WHERE p.thread_no = u.thread_no AND p.message_id = u.message_id;

-- name: events_insert
INSERT INTO postroom.events (thread_no, last_seq, run_id, at, events)
SELECT
    unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bigint[]),
    unnest($5::text[])::json;

-- name: submissions_insert
INSERT INTO postroom.submissions (thread_no, key, answer, created_at)
SELECT
    unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[])::json, unnest($4::bigint[]);

-- name: depth_add
UPDATE postroom.depth SET
    queued = queued + $1::bigint, claimed = claimed + $2::bigint, acked = acked + $3::bigint,
    cancelled = cancelled + $4::bigint, superseded = superseded + $5::bigint,
    dead_letter = dead_letter + $6::bigint
WHERE slot = pg_backend_pid() % 64;

-- name: tenant_depth_add
INSERT INTO postroom.tenant_depth AS d (
    tenant, slot, queued, claimed, acked, cancelled, superseded, dead_letter
)
SELECT
    unnest($1::text[]), (pg_backend_pid() % 64)::smallint, unnest($2::bigint[]), unnest($3::bigint[]),
    unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::bigint[])
ON CONFLICT (tenant, slot) DO UPDATE SET
    queued = d.queued + excluded.queued, claimed = d.claimed + excluded.claimed,
    acked = d.acked + excluded.acked, cancelled = d.cancelled + excluded.cancelled,
    superseded = d.superseded + excluded.superseded,
    dead_letter = d.dead_letter + excluded.dead_letter;

-- What most transactions write, as one statement: a good deal cheaper, on both sides, than one for each
-- kind of row. `{name+}` is that statement, its values numbered on from those before. The threads
-- come first: where one is not as it was read, nothing else waits for a lock.
-- name: save_together
WITH threads AS ({threads_update+} RETURNING 1),
     dispatches AS ({dispatches_update+} RETURNING 1),
     runs AS ({runs_update+} RETURNING 1),
     claims AS ({claims_update+} RETURNING 1),
     old_claims AS ({claims_remove+} RETURNING 1),
     new_dispatches AS ({dispatches_insert+}),
     new_claims AS ({claims_insert+}),
     new_runs AS ({runs_insert+}),
     new_messages AS ({messages_insert+}),
     new_events AS ({events_insert+}),
     depth AS ({depth_add+})
SELECT {all_as_read+},
    {in_time+},
    (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint),
    (SELECT count(*) FROM dispatches),
    (SELECT count(*) FROM runs),
    (SELECT count(*) FROM claims),
    (SELECT count(*) FROM old_claims);

-- The same for the time for which it was decided, where that was not the server's (else it is 0):
-- it is off by no more than $2 milliseconds.
-- name: in_time
(SELECT 1 / ($1::bigint = 0
    OR abs((extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint) <= $2::bigint)::int);

-- name: thread_delete
WITH gone AS (DELETE FROM postroom.threads WHERE thread_no = $1::bigint),
     runs_gone AS (DELETE FROM postroom.runs WHERE thread_no = $1::bigint),
     messages_gone AS (DELETE FROM postroom.messages WHERE thread_no = $1::bigint),
     pending_gone AS (DELETE FROM postroom.pending WHERE thread_no = $1::bigint),
     events_gone AS (DELETE FROM postroom.events WHERE thread_no = $1::bigint),
     submissions_gone AS (DELETE FROM postroom.submissions WHERE thread_no = $1::bigint)
DELETE FROM postroom.dispatches WHERE thread_no = $1::bigint RETURNING status, tenant;
