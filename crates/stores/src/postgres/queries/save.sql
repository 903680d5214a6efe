-- All of a batch's rows of one kind in one statement, a column an array.

-- name: threads_insert
INSERT INTO postroom.threads (
    thread_no, version, id, parent_id, created_at, metadata,
    epoch, claim_number, claimed_dispatch_id, active_run_id, open_run_id, latest_run_id,
    ended_run_id, message_seq, event_seq, dispatch_ordinal, pending_position, queued, pending,
    readiness, ready_agent, ready_priority, ready_since, delayed_until, updated_at, tenant
)
SELECT u.thread_no, u.version, u.id, u.parent_id, u.created_at, u.metadata::json,
    u.epoch, u.claim_number, u.claimed_dispatch_id, u.active_run_id, u.open_run_id, u.latest_run_id,
    u.ended_run_id, u.message_seq, u.event_seq, u.dispatch_ordinal, u.pending_position, u.queued,
    u.pending, u.readiness, u.ready_agent, u.ready_priority, u.ready_since, u.delayed_until,
    u.updated_at, u.tenant
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[],
    $7::bigint[], $8::bigint[], $9::uuid[], $10::text[], $11::text[], $12::text[],
    $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[],
    $19::bigint[], $20::text[], $21::text[], $22::bigint[], $23::bigint[], $24::bigint[],
    $25::bigint[], $26::text[]
) AS u (
    thread_no, version, id, parent_id, created_at, metadata,
    epoch, claim_number, claimed_dispatch_id, active_run_id, open_run_id, latest_run_id,
    ended_run_id, message_seq, event_seq, dispatch_ordinal, pending_position, queued, pending,
    readiness, ready_agent, ready_priority, ready_since, delayed_until, updated_at, tenant
);

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
FROM unnest(
    $1::bigint[], $2::bigint[],
    $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::bigint[], $16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::bigint[],
    $21::bigint[], $22::bigint[]
) AS u (
    thread_no, version,
    epoch, claim_number, claimed_dispatch_id, active_run_id, open_run_id, latest_run_id,
    ended_run_id, message_seq, event_seq, dispatch_ordinal, pending_position, queued, pending,
    readiness, ready_agent, ready_priority, ready_since, delayed_until, updated_at, version_read
)
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
FROM unnest($1::bigint[], $2::text[]) AS u (thread_no, metadata)
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
SELECT u.thread_no, u.id, u.origin, u.parent_run_id, u.spec::json, u.events_after, u.created_at,
    u.agent_id, u.agent_version, u.input::json, u.status, u.wait_reason, u.wait_tasks::json,
    u.termination, u.termination_code, u.termination_message, u.finished_at,
    u.dispatch_id, u.tickets::json, u.ended_tasks::json, u.stop_requested, u.hidden, u.output,
    u.error, u.input_tokens, u.output_tokens, u.steps, u.attempt, u.started_at, u.state::json,
    u.report, u.cached_tokens, u.tenant
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::text[], $15::text[], $16::text[], $17::bigint[],
    $18::uuid[], $19::text[], $20::text[], $21::boolean[], $22::boolean[], $23::text[], $24::text[],
    $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::text[],
    $31::text[], $32::bigint[], $33::text[]
) AS u (
    thread_no, id, origin, parent_run_id, spec, events_after, created_at,
    agent_id, agent_version, input, status, wait_reason, wait_tasks,
    termination, termination_code, termination_message, finished_at,
    dispatch_id, tickets, ended_tasks, stop_requested, hidden, output, error,
    input_tokens, output_tokens, steps, attempt, started_at, state,
    report, cached_tokens, tenant
);

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
FROM unnest(
    $1::text[],
    $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::text[], $9::text[], $10::bigint[],
    $11::uuid[], $12::text[], $13::text[], $14::boolean[], $15::boolean[], $16::text[], $17::text[],
    $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::text[],
    $24::text[], $25::bigint[]
) AS u (
    id,
    agent_version, input, status, wait_reason, wait_tasks,
    termination, termination_code, termination_message, finished_at,
    dispatch_id, tickets, ended_tasks, stop_requested, hidden, output, error,
    input_tokens, output_tokens, steps, attempt, started_at, state,
    report, cached_tokens
)
WHERE r.id = u.id;

-- name: dispatches_insert
INSERT INTO postroom.dispatches (
    thread_no, id, run_id, created_at,
    agent_id, priority, ordinal, dedupe_key, epoch, status, due, requeued_as, available_at,
    attempt_count, max_attempts, last_error, instance_id, run_status, termination,
    termination_code, termination_message, run_response, run_error, completed_at, updated_at, tenant
)
SELECT *
FROM unnest(
    $1::bigint[], $2::uuid[], $3::text[], $4::bigint[],
    $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::boolean[],
    $12::uuid[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[], $17::uuid[], $18::text[],
    $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::bigint[], $25::bigint[],
    $26::text[]
);

-- name: dispatches_update
UPDATE postroom.dispatches AS d SET
    agent_id = u.agent_id, priority = u.priority, ordinal = u.ordinal, dedupe_key = u.dedupe_key,
    epoch = u.epoch, status = u.status, due = u.due, requeued_as = u.requeued_as,
    available_at = u.available_at, attempt_count = u.attempt_count, max_attempts = u.max_attempts,
    last_error = u.last_error, instance_id = u.instance_id, run_status = u.run_status,
    termination = u.termination, termination_code = u.termination_code,
    termination_message = u.termination_message, run_response = u.run_response,
    run_error = u.run_error, completed_at = u.completed_at, updated_at = u.updated_at
FROM unnest(
    $1::uuid[],
    $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::boolean[],
    $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::uuid[], $15::text[],
    $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::bigint[]
) AS u (
    id,
    agent_id, priority, ordinal, dedupe_key, epoch, status, due, requeued_as, available_at,
    attempt_count, max_attempts, last_error, instance_id, run_status, termination,
    termination_code, termination_message, run_response, run_error, completed_at, updated_at
)
WHERE d.id = u.id;

-- The primary key refuses a second claim of the same thread.
-- name: claims_insert
INSERT INTO postroom.claims (thread_no, dispatch_id, claim_number, claimed_by, lease_until)
SELECT u.thread_no, u.dispatch_id, u.claim_number, u.claimed_by, u.lease_until
FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::bigint[])
    AS u (thread_no, dispatch_id, claim_number, claimed_by, lease_until);

-- A claim that goes on, or gives way to another of its thread.
-- name: claims_update
UPDATE postroom.claims AS c SET
    dispatch_id = u.dispatch_id, claim_number = u.claim_number, claimed_by = u.claimed_by,
    lease_until = u.lease_until
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::bigint[])
    AS u (thread_no, dispatch_read, dispatch_id, claim_number, claimed_by, lease_until)
WHERE c.thread_no = u.thread_no AND c.dispatch_id = u.dispatch_read;

-- name: claims_remove
DELETE FROM postroom.claims AS c
USING unnest($1::bigint[], $2::uuid[]) AS u (thread_no, dispatch_id)
WHERE c.thread_no = u.thread_no AND c.dispatch_id = u.dispatch_id;

-- name: runs_remove
DELETE FROM postroom.runs AS r USING unnest($1::text[]) AS u (id) WHERE r.id = u.id;

-- name: messages_insert
INSERT INTO postroom.messages (
    thread_no, seq, run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
)
SELECT u.thread_no, u.seq, u.run_id, u.created_at, u.message_id, u.role, u.visibility, u.text,
    u.blocks::json, u.tool_calls::json, u.metadata::json
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::bigint[],
    $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]
) AS u (
    thread_no, seq, run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
);

-- name: pending_put
INSERT INTO postroom.pending (
    thread_no, position, boundary, granularity, barrier, target_run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
)
SELECT u.thread_no, u.position, u.boundary, u.granularity, u.barrier, u.target_run_id, u.created_at,
    u.message_id, u.role, u.visibility, u.text, u.blocks::json, u.tool_calls::json, u.metadata::json
FROM unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::bigint[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]
) AS u (
    thread_no, position, boundary, granularity, barrier, target_run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
)
ON CONFLICT (thread_no, message_id) DO UPDATE SET
    position = excluded.position, boundary = excluded.boundary,
    granularity = excluded.granularity, barrier = excluded.barrier,
    target_run_id = excluded.target_run_id, created_at = excluded.created_at,
    role = excluded.role, visibility = excluded.visibility, text = excluded.text,
    blocks = excluded.blocks, tool_calls = excluded.tool_calls, metadata = excluded.metadata;

-- name: pending_remove
DELETE FROM postroom.pending AS p
USING unnest($1::bigint[], $2::text[]) AS u (thread_no, message_id)
WHERE p.thread_no = u.thread_no AND p.message_id = u.message_id;

-- name: events_insert
INSERT INTO postroom.events (thread_no, last_seq, run_id, at, events)
SELECT u.thread_no, u.last_seq, u.run_id, u.at, u.events::json
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])
    AS u (thread_no, last_seq, run_id, at, events);

-- name: submissions_insert
INSERT INTO postroom.submissions (thread_no, key, answer, created_at)
SELECT u.thread_no, u.key, u.answer::json, u.created_at
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
    AS u (thread_no, key, answer, created_at);

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
SELECT u.tenant, (pg_backend_pid() % 64)::smallint, u.queued, u.claimed, u.acked, u.cancelled,
    u.superseded, u.dead_letter
FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]
) AS u (tenant, queued, claimed, acked, cancelled, superseded, dead_letter)
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
-- it is the server's within a second.
-- name: in_time
(SELECT 1 / ($1::bigint = 0
    OR abs((extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint) <= 1000)::int);

-- name: thread_delete
WITH gone AS (DELETE FROM postroom.threads WHERE thread_no = $1::bigint),
     runs_gone AS (DELETE FROM postroom.runs WHERE thread_no = $1::bigint),
     messages_gone AS (DELETE FROM postroom.messages WHERE thread_no = $1::bigint),
     pending_gone AS (DELETE FROM postroom.pending WHERE thread_no = $1::bigint),
     events_gone AS (DELETE FROM postroom.events WHERE thread_no = $1::bigint),
     submissions_gone AS (DELETE FROM postroom.submissions WHERE thread_no = $1::bigint)
DELETE FROM postroom.dispatches WHERE thread_no = $1::bigint RETURNING status, tenant;
