-- The columns of each noun, in the order in which they are read. Other statements name them in braces.
-- name: thread_columns
t.version, t.thread_no, t.id, t.parent_id, t.created_at, t.metadata,
t.epoch, t.claim_number, t.claimed_dispatch_id, t.active_run_id, t.open_run_id, t.latest_run_id,
t.ended_run_id, t.message_seq, t.event_seq, t.dispatch_ordinal, t.pending_position, t.queued,
t.pending, t.readiness, t.ready_agent, t.ready_priority, t.ready_since, t.delayed_until,
t.updated_at, t.tenant, t.created_no;

-- name: run_columns
r.id, r.origin, r.parent_run_id, r.spec, r.events_after, r.created_at,
r.agent_id, r.agent_version, r.input, r.status, r.wait_reason, r.wait_tasks,
r.termination, r.termination_code, r.termination_message, r.finished_at,
r.dispatch_id, r.tickets, r.ended_tasks, r.stop_requested, r.hidden, r.output, r.error,
r.input_tokens, r.output_tokens, r.steps, r.attempt, r.started_at, r.state,
r.report, r.cached_tokens, r.tenant;

-- A dispatch `d` beside its claim `c`, which is there only while it is claimed.
-- name: dispatch_columns
d.id, d.run_id, d.created_at,
d.agent_id, d.priority, d.ordinal, d.dedupe_key, d.epoch, d.status, d.due,
c.claim_number, c.claimed_by, c.lease_until,
d.requeued_as, d.available_at, d.attempt_count, d.max_attempts, d.last_error,
d.instance_id, d.run_status, d.termination, d.termination_code, d.termination_message,
d.run_response, d.run_error, d.completed_at, d.updated_at, d.tenant;

-- name: message_columns
m.thread_no, m.seq, m.run_id, m.created_at,
m.message_id, m.role, m.visibility, m.text, m.blocks, m.tool_calls, m.metadata;

-- name: pending_columns
p.thread_no, p.position, p.boundary, p.granularity, p.barrier, p.target_run_id, p.created_at,
p.message_id, p.role, p.visibility, p.text, p.blocks, p.tool_calls, p.metadata;

-- The server's time, read when the statement runs: `now()` would stand still while it waits for a
-- lock. A subquery, so that it is read once and an index can be searched by it. Where the caller
-- tells the time ($1), that is it.
-- name: server_time
(SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint));
