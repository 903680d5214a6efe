-- name: thread_read
SELECT {thread_columns} FROM postroom.threads AS t WHERE t.id = $1::text;

-- name: dispatches_purge
WITH old AS (
    SELECT id FROM postroom.dispatches
    WHERE created_at < $2::bigint AND status = $1::text AND status NOT IN ('queued', 'claimed')
      AND updated_at < $2::bigint
    LIMIT $3::bigint
    FOR UPDATE SKIP LOCKED
)
DELETE FROM postroom.dispatches AS d USING old WHERE d.id = old.id;

-- name: submissions_purge
DELETE FROM postroom.submissions AS s
USING (SELECT thread_no, key FROM postroom.submissions
       WHERE created_at < $1::bigint
       ORDER BY created_at
       LIMIT $2::bigint
       FOR UPDATE SKIP LOCKED) AS old
WHERE s.thread_no = old.thread_no AND s.key = old.key;

-- What is in no day's partition.
-- name: events_purge
DELETE FROM postroom.events_other
WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM postroom.events_other WHERE at < $1::bigint LIMIT $2::bigint
));

-- name: threads_newest
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.created_no < $1::bigint
ORDER BY t.created_no DESC
LIMIT $2::bigint;

-- name: queued_thread_ids
SELECT id FROM postroom.threads
WHERE id > $1::text AND has_queue
ORDER BY id
LIMIT $2::bigint;

-- name: runs_newest
SELECT r.run_no, t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.run_no < $1::bigint
ORDER BY r.run_no DESC
LIMIT $2::bigint;

-- name: runs_of_thread
SELECT r.run_no, $3::text, {run_columns}
FROM postroom.runs AS r
WHERE r.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $3::text)
  AND r.run_no < $1::bigint
ORDER BY r.run_no DESC
LIMIT $2::bigint;

-- name: runs_of_parent
SELECT r.run_no, t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.parent_run_id = $3::text AND r.run_no < $1::bigint
ORDER BY r.run_no DESC
LIMIT $2::bigint;

-- Passes over runs that wait for something else: it is asked once, when the service starts.
-- name: runs_waiting_for_tasks
SELECT t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.wait_reason = 'background_tasks'
  AND r.run_no > coalesce((SELECT run_no FROM postroom.runs WHERE id = $1::text), 0)
ORDER BY r.run_no
LIMIT $2::bigint;

-- name: runs_owing_reports
SELECT t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.report = 'owed'
  AND r.run_no > coalesce((SELECT run_no FROM postroom.runs WHERE id = $1::text), 0)
ORDER BY r.run_no
LIMIT $2::bigint;

-- name: messages_read
SELECT {message_columns}
FROM postroom.messages AS m
WHERE m.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $1::text)
  AND m.seq > $2::bigint
ORDER BY m.seq
LIMIT $3::bigint;

-- The messages of runs that have started and are not hidden.
-- name: prompt
SELECT {message_columns}
FROM postroom.messages AS m JOIN postroom.runs AS r ON r.id = m.run_id
WHERE m.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $1::text)
  AND NOT r.hidden AND r.status <> 'created'
ORDER BY m.seq;

-- name: events_read
SELECT e.thread_no, e.last_seq, e.run_id, e.at, e.events
FROM postroom.events AS e
WHERE e.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $1::text)
  AND e.last_seq > $2::bigint
ORDER BY e.last_seq
LIMIT $3::bigint;

-- name: pending_read
SELECT {pending_columns}
FROM postroom.pending AS p
WHERE p.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $1::text)
ORDER BY p.position;

-- name: depth
SELECT sum(queued)::bigint, sum(claimed)::bigint, sum(acked)::bigint, sum(cancelled)::bigint,
    sum(superseded)::bigint, sum(dead_letter)::bigint
FROM postroom.depth;

-- name: dispatches_newest
SELECT d.dispatch_no, t.id, {dispatch_columns}
FROM postroom.dispatches AS d
JOIN postroom.threads AS t ON t.thread_no = d.thread_no
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
WHERE d.dispatch_no < $1::bigint
ORDER BY d.dispatch_no DESC
LIMIT $2::bigint;

-- name: dispatches_of_thread
SELECT d.dispatch_no, $3::text, {dispatch_columns}
FROM postroom.dispatches AS d
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
WHERE d.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $3::text)
  AND d.dispatch_no < $1::bigint
ORDER BY d.dispatch_no DESC
LIMIT $2::bigint;

-- Those that ended otherwise than by being consumed, those that are claimed, and those that are queued:
-- each along what it is found by.
-- name: dispatches_unacked
SELECT d.dispatch_no, t.id, {dispatch_columns}
FROM (
    (SELECT * FROM postroom.dispatches
     WHERE unconsumed = ANY($3::text[]) AND unconsumed IS NOT NULL AND dispatch_no < $1::bigint
     ORDER BY dispatch_no DESC
     LIMIT $2::bigint)
    UNION ALL
    (SELECT found.* FROM postroom.claims AS held
     JOIN postroom.dispatches AS found ON found.id = held.dispatch_id
     WHERE 'claimed' = ANY($3::text[]) AND found.dispatch_no < $1::bigint)
    UNION ALL
    (SELECT found.* FROM postroom.dispatches AS found
     WHERE 'queued' = ANY($3::text[]) AND found.queued_no < $1::bigint
     ORDER BY found.queued_no DESC
     LIMIT $2::bigint)
) AS d
JOIN postroom.threads AS t ON t.thread_no = d.thread_no
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
ORDER BY d.dispatch_no DESC
LIMIT $2::bigint;

-- name: runs_waiting
SELECT r.run_no, t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.wait_reason IS NOT NULL AND r.run_no < $1::bigint
ORDER BY r.run_no DESC
LIMIT $2::bigint;

-- A run that is created or running has a dispatch that is queued or claimed: it is found by that.
-- name: runs_under_way
SELECT r.run_no, t.id, {run_columns}
FROM (
    SELECT run_id FROM postroom.dispatches WHERE queued_no IS NOT NULL
    UNION
    SELECT d.run_id FROM postroom.claims AS held JOIN postroom.dispatches AS d ON d.id = held.dispatch_id
) AS live
JOIN postroom.runs AS r ON r.id = live.run_id
JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.run_no < $1::bigint
ORDER BY r.run_no DESC
LIMIT $2::bigint;
