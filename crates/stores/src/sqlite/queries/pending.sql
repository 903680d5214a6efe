-- A thread has few of them, by its limit: they are put in their order once they are read.
-- name: pending
SELECT * FROM pending WHERE thread_no = ?1;

-- name: pending_message
SELECT * FROM pending WHERE thread_no = ?1 AND message_id = ?2;

-- name: pending_put
INSERT OR REPLACE INTO pending (
    thread_no, position, boundary, granularity, barrier, target_run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14);

-- name: pending_remove
DELETE FROM pending WHERE thread_no = ?1 AND message_id = ?2;

-- name: pending_delete
DELETE FROM pending WHERE thread_no = ?1;

-- name: pending_read
SELECT * FROM pending WHERE thread_no = (SELECT thread_no FROM threads WHERE id = ?1);
