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
DELETE FROM postroom.dispatches AS d USING old WHERE d.id = old.id RETURNING d.tenant;

-- The default tenant has no index of its own: others' are passed over.
-- name: dispatches_purge_default
WITH old AS (
    SELECT id FROM postroom.dispatches
    WHERE created_at < $2::bigint AND status = $1::text AND status NOT IN ('queued', 'claimed')
      AND updated_at < $2::bigint AND tenant IS NULL
    LIMIT $3::bigint
    FOR UPDATE SKIP LOCKED
)
DELETE FROM postroom.dispatches AS d USING old WHERE d.id = old.id RETURNING d.tenant;

-- name: dispatches_purge_of_tenant
WITH old AS (
    SELECT id FROM postroom.dispatches
    WHERE tenant = $4::text AND status = $1::text AND status NOT IN ('queued', 'claimed')
      AND created_at < $2::bigint AND updated_at < $2::bigint
    ORDER BY dispatch_no
    LIMIT $3::bigint
    FOR UPDATE SKIP LOCKED
)
DELETE FROM postroom.dispatches AS d USING old WHERE d.id = old.id RETURNING d.tenant;

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

-- A text is looked for in so many threads at once, whatever is found.
-- name: threads_mentioning
SELECT {thread_columns}
FROM (
    SELECT * FROM postroom.threads
    WHERE created_no < $1::bigint
    ORDER BY created_no DESC
    LIMIT 100000
) AS t
WHERE position($3::text IN lower(t.id)) > 0
   OR position($3::text IN lower(t.metadata::text COLLATE "C")) > 0
ORDER BY t.created_no DESC
LIMIT $2::bigint;

-- The last of the threads that `threads_mentioning` looks through, if there are so many.
-- name: threads_looked_through
SELECT created_no
FROM postroom.threads
WHERE created_no < $1::bigint
ORDER BY created_no DESC
OFFSET 99999
LIMIT 1;

-- name: threads_newest
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.created_no < $1::bigint
ORDER BY t.created_no DESC
LIMIT $2::bigint;

-- name: threads_of_tenant
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.tenant = $3::text AND t.created_no < $1::bigint
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

-- name: runs_of_tenant
SELECT r.run_no, t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.tenant = $3::text AND r.run_no < $1::bigint
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

-- The next runs, and whether each ended before a moment and nothing needs it: only the core says so
-- for sure. With subqueries that give a value: one that asks whether there is a row may be answered
-- by going through all of them once.
-- name: old_runs
SELECT r.run_no, r.created_at, t.id, r.id,
    r.status = 'done' AND r.finished_at < $3::bigint AND NOT r.hidden
    AND r.report IS DISTINCT FROM 'owed'
    AND r.id IS DISTINCT FROM t.active_run_id AND r.id IS DISTINCT FROM t.open_run_id
    AND r.id IS DISTINCT FROM t.latest_run_id AND r.id IS DISTINCT FROM t.ended_run_id
    AND (SELECT true FROM postroom.dispatches AS d WHERE d.id = r.dispatch_id) IS NULL
    AND (SELECT true FROM postroom.runs AS parent
         WHERE parent.id = r.parent_run_id AND parent.status <> 'done') IS NULL
    AND (SELECT true FROM postroom.runs AS child
         WHERE child.parent_run_id = r.id AND child.status <> 'done' LIMIT 1) IS NULL
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.run_no > $1::bigint
ORDER BY r.run_no
LIMIT $2::bigint;

-- name: messages_read
SELECT {message_columns}
FROM postroom.messages AS m
WHERE m.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $1::text)
  AND m.seq > $2::bigint
ORDER BY m.seq
LIMIT $3::bigint;

-- The messages of runs that have started and are not hidden. One that was collected had ended, and
-- was not hidden.
-- name: prompt
SELECT {message_columns}
FROM postroom.messages AS m
LEFT JOIN postroom.runs AS r ON r.id = m.run_id AND r.thread_no = m.thread_no
WHERE m.thread_no = (SELECT thread_no FROM postroom.threads WHERE id = $1::text)
  AND r.hidden IS NOT TRUE AND r.status IS DISTINCT FROM 'created'
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

-- name: tenant_depth
SELECT coalesce(sum(queued), 0)::bigint, coalesce(sum(claimed), 0)::bigint,
    coalesce(sum(acked), 0)::bigint, coalesce(sum(cancelled), 0)::bigint,
    coalesce(sum(superseded), 0)::bigint, coalesce(sum(dead_letter), 0)::bigint
FROM postroom.tenant_depth WHERE tenant = $1::text;

-- All tenants but the default one: they are few.
-- name: tenants_depth
SELECT coalesce(sum(queued), 0)::bigint, coalesce(sum(claimed), 0)::bigint,
    coalesce(sum(acked), 0)::bigint, coalesce(sum(cancelled), 0)::bigint,
    coalesce(sum(superseded), 0)::bigint, coalesce(sum(dead_letter), 0)::bigint
FROM postroom.tenant_depth;

-- name: dispatches_of_tenant
SELECT d.dispatch_no, t.id, {dispatch_columns}
FROM postroom.dispatches AS d
JOIN postroom.threads AS t ON t.thread_no = d.thread_no
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
WHERE d.tenant = $3::text AND d.dispatch_no < $1::bigint
ORDER BY d.dispatch_no DESC
LIMIT $2::bigint;

-- As dispatches_unacked, of one tenant.
-- name: dispatches_unacked_of_tenant
SELECT d.dispatch_no, t.id, {dispatch_columns}
FROM (
    (SELECT found.* FROM unnest($3::text[]) AS wanted (state) CROSS JOIN LATERAL (
         SELECT * FROM postroom.dispatches
         WHERE tenant = $4::text AND unconsumed = wanted.state AND unconsumed IS NOT NULL
           AND dispatch_no < $1::bigint
         ORDER BY dispatch_no DESC
         LIMIT $2::bigint
     ) AS found)
    UNION ALL
    -- The LIMIT keeps the plan: from what is claimed to its dispatch, not through all the tenant has.
    (SELECT found.* FROM postroom.claims AS held CROSS JOIN LATERAL (
         SELECT * FROM postroom.dispatches WHERE id = held.dispatch_id LIMIT 1
     ) AS found
     WHERE 'claimed' = ANY($3::text[]) AND found.tenant = $4::text
       AND found.dispatch_no < $1::bigint)
    UNION ALL
    (SELECT found.* FROM postroom.dispatches AS found
     WHERE 'queued' = ANY($3::text[]) AND found.tenant = $4::text AND found.queued_no < $1::bigint
     ORDER BY found.queued_no DESC
     LIMIT $2::bigint)
) AS d
JOIN postroom.threads AS t ON t.thread_no = d.thread_no
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
ORDER BY d.dispatch_no DESC
LIMIT $2::bigint;

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
