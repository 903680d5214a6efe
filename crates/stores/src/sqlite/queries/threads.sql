-- name: thread
SELECT * FROM threads WHERE id = ?1;

-- name: thread_no
SELECT thread_no FROM threads WHERE id = ?1;

-- name: thread_id
SELECT id FROM threads WHERE thread_no = ?1;

-- name: thread_insert
INSERT INTO threads (
    id, parent_id, created_at, metadata,
    epoch, claim_number, claimed_dispatch_id, active_run_id, open_run_id, latest_run_id,
    ended_run_id, message_seq, event_seq, dispatch_ordinal, pending_position, queued, pending,
    readiness, ready_agent, ready_priority, ready_since, delayed_until, updated_at, tenant
) VALUES (
    ?1, ?2, ?3, ?4,
    ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24
);

-- name: thread_update
UPDATE threads SET
    epoch = ?2, claim_number = ?3, claimed_dispatch_id = ?4, active_run_id = ?5, open_run_id = ?6,
    latest_run_id = ?7, ended_run_id = ?8, message_seq = ?9, event_seq = ?10,
    dispatch_ordinal = ?11, pending_position = ?12, queued = ?13, pending = ?14,
    readiness = ?15, ready_agent = ?16, ready_priority = ?17, ready_since = ?18,
    delayed_until = ?19, updated_at = ?20
WHERE thread_no = ?1;

-- Apart, because it seldom changes and can be large.
-- name: thread_update_metadata
UPDATE threads SET metadata = ?2 WHERE thread_no = ?1;

-- name: thread_delete
DELETE FROM threads WHERE thread_no = ?1;

-- name: threads_newest
SELECT * FROM threads WHERE thread_no < ?1 ORDER BY thread_no DESC;

-- name: threads_of_tenant
SELECT * FROM threads WHERE tenant = ?2 AND thread_no < ?1 ORDER BY thread_no DESC;

-- name: queued_thread_ids
SELECT id FROM threads WHERE queued > 0 AND id > ?1 ORDER BY id LIMIT ?2;
