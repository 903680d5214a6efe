-- name: messages_range
SELECT * FROM messages WHERE thread_no = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq;

-- name: message_run
SELECT run_id FROM messages WHERE thread_no = ?1 AND message_id = ?2;

-- name: message_insert
INSERT INTO messages (
    thread_no, seq, run_id, created_at,
    message_id, role, visibility, text, blocks, tool_calls, metadata
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11);

-- name: messages_delete
DELETE FROM messages WHERE thread_no = ?1;

-- name: messages_read
SELECT * FROM messages
WHERE thread_no = (SELECT thread_no FROM threads WHERE id = ?1) AND seq > ?2
ORDER BY seq
LIMIT ?3;

-- LEFT JOIN keeps the planner to this order: along the log, each message's run by its id. One that
-- was collected had ended, and was not hidden.
-- name: prompt
SELECT m.* FROM messages AS m LEFT JOIN runs AS r ON r.id = m.run_id AND r.thread_no = m.thread_no
WHERE m.thread_no = (SELECT thread_no FROM threads WHERE id = ?1)
  AND r.hidden IS NOT 1 AND r.status IS NOT 'created'
ORDER BY m.seq;

-- name: event_insert
INSERT INTO events (thread_no, seq, run_id, at, type, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: events_delete
DELETE FROM events WHERE thread_no = ?1;

-- name: events_read
SELECT * FROM events
WHERE thread_no = (SELECT thread_no FROM threads WHERE id = ?1) AND seq > ?2
ORDER BY seq
LIMIT ?3;

-- The threads from a number on, to be gone through for old events.
-- name: events_threads
SELECT thread_no FROM threads WHERE thread_no >= ?1 ORDER BY thread_no LIMIT ?2;

-- A thread's oldest events.
-- name: events_oldest
SELECT seq, at FROM events WHERE thread_no = ?1 ORDER BY seq LIMIT ?2;

-- name: events_purge
DELETE FROM events WHERE thread_no = ?1 AND seq <= ?2;
