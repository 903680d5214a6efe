-- Locks the mailboxes of a batch, in the order of their ids, so that no two batches wait for each
-- other in a circle.
-- name: lock_threads
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.id = ANY($1::text[])
ORDER BY t.id
FOR NO KEY UPDATE;

-- The same where all of them are known: only what tells whether they are still as they are known.
-- name: lock_known
SELECT t.version, t.thread_no, t.id
FROM postroom.threads AS t
WHERE t.id = ANY($1::text[])
ORDER BY t.id
FOR NO KEY UPDATE;

-- Threads that were locked, and are not as they were known.
-- name: threads
SELECT {thread_columns} FROM postroom.threads AS t WHERE t.thread_no = ANY($1::bigint[]);

-- What a submission looks at in threads that were just locked: the runs that they point to, and what is
-- claimed in them. A statement of its own, which sees what was written while the lock was waited for.
-- name: runs_pointed
SELECT t.id, {run_columns}
FROM postroom.threads AS t
JOIN postroom.runs AS r
  ON r.id = ANY(ARRAY[t.active_run_id, t.open_run_id, t.latest_run_id, t.ended_run_id])
WHERE t.id = ANY($1::text[]);

-- name: dispatches_claimed
SELECT t.id, {dispatch_columns}
FROM postroom.threads AS t
JOIN postroom.dispatches AS d ON d.id = t.claimed_dispatch_id
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
WHERE t.id = ANY($1::text[]);

-- After the locks: what it says decides about leases.
-- name: now
SELECT {server_time};

-- name: runs
SELECT t.id, {run_columns}
FROM postroom.runs AS r JOIN postroom.threads AS t ON t.thread_no = r.thread_no
WHERE r.id = ANY($1::text[]);

-- name: dispatches
SELECT t.id, {dispatch_columns}
FROM postroom.dispatches AS d
JOIN postroom.threads AS t ON t.thread_no = d.thread_no
LEFT JOIN postroom.claims AS c ON c.thread_no = d.thread_no AND c.dispatch_id = d.id
WHERE d.id = ANY($1::uuid[]);

-- The front of several queues: what is due, so many of each as $2 says.
-- name: dispatches_due
SELECT t.id, {dispatch_columns}
FROM unnest($1::bigint[], $2::bigint[]) AS wanted (thread_no, most)
JOIN postroom.threads AS t ON t.thread_no = wanted.thread_no
CROSS JOIN LATERAL (
    SELECT * FROM postroom.dispatches
    WHERE due AND thread_no = wanted.thread_no
    ORDER BY priority, ordinal
    LIMIT wanted.most
) AS d
CROSS JOIN (SELECT NULL::bigint, NULL::text, NULL::bigint) AS c (claim_number, claimed_by, lease_until);

-- What is not yet known to be due: all that has become so by $2, and the first $3 after it.
-- name: dispatches_delayed
SELECT t.id, {dispatch_columns}
FROM unnest($1::bigint[]) AS wanted (thread_no)
JOIN postroom.threads AS t ON t.thread_no = wanted.thread_no
CROSS JOIN LATERAL (
    (SELECT * FROM postroom.dispatches
     WHERE NOT due AND thread_no = wanted.thread_no AND available_at <= $2::bigint)
    UNION ALL
    (SELECT * FROM postroom.dispatches
     WHERE NOT due AND thread_no = wanted.thread_no AND available_at > $2::bigint
     ORDER BY available_at, ordinal
     LIMIT $3::bigint)
) AS d
CROSS JOIN (SELECT NULL::bigint, NULL::text, NULL::bigint) AS c (claim_number, claimed_by, lease_until);

-- Whole queues, for an interrupt.
-- name: dispatches_queued
SELECT t.id, {dispatch_columns}
FROM unnest($1::bigint[]) AS wanted (thread_no)
JOIN postroom.threads AS t ON t.thread_no = wanted.thread_no
CROSS JOIN LATERAL (
    SELECT * FROM postroom.dispatches WHERE due AND thread_no = wanted.thread_no
    UNION ALL
    SELECT * FROM postroom.dispatches WHERE NOT due AND thread_no = wanted.thread_no
) AS d
CROSS JOIN (SELECT NULL::bigint, NULL::text, NULL::bigint) AS c (claim_number, claimed_by, lease_until);

-- name: pending
SELECT {pending_columns} FROM postroom.pending AS p WHERE p.thread_no = ANY($1::bigint[]);

-- The runs that messages of the log belong to.
-- name: message_runs
SELECT m.thread_no, m.message_id, m.run_id
FROM unnest($1::bigint[], $2::text[]) AS wanted (thread_no, message_id)
JOIN postroom.messages AS m
  ON m.message_id = wanted.message_id AND m.thread_no = wanted.thread_no;

-- name: messages_ranges
SELECT {message_columns}
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS wanted (thread_no, first, last)
JOIN postroom.messages AS m
  ON m.thread_no = wanted.thread_no AND m.seq BETWEEN wanted.first AND wanted.last;

-- name: key_holders
SELECT d.thread_no, d.key_in_use, d.id
FROM unnest($1::bigint[], $2::text[]) AS wanted (thread_no, key)
JOIN postroom.dispatches AS d
  ON d.thread_no = wanted.thread_no AND d.key_in_use = wanted.key AND d.key_in_use IS NOT NULL;

-- name: submissions
SELECT s.thread_no, s.key, s.answer
FROM unnest($1::bigint[], $2::text[]) AS wanted (thread_no, key)
JOIN postroom.submissions AS s ON s.thread_no = wanted.thread_no AND s.key = wanted.key;

-- name: thread_numbers
SELECT nextval('postroom.thread_numbers');

-- The runs of the first in each queue, and what those runs were given: what claims begin with.
-- name: runs_due
SELECT t.id, {run_columns}
FROM unnest($1::bigint[], $2::bigint[]) AS wanted (thread_no, most)
JOIN postroom.threads AS t ON t.thread_no = wanted.thread_no
CROSS JOIN LATERAL (
    SELECT run_id FROM postroom.dispatches
    WHERE due AND thread_no = wanted.thread_no
    ORDER BY priority, ordinal
    LIMIT wanted.most
) AS head
JOIN postroom.runs AS r ON r.id = head.run_id;

-- name: inputs_due
-- Message by message, from each run's first to its last: `OFFSET` keeps the planner from looking for
-- a thread's messages before it knows which.
SELECT {message_columns}
FROM unnest($1::bigint[], $2::bigint[]) AS wanted (thread_no, most)
CROSS JOIN LATERAL (
    SELECT run_id FROM postroom.dispatches
    WHERE due AND thread_no = wanted.thread_no
    ORDER BY priority, ordinal
    LIMIT wanted.most
) AS head
JOIN postroom.runs AS r ON r.id = head.run_id
CROSS JOIN LATERAL (
    SELECT * FROM postroom.messages
    WHERE thread_no = wanted.thread_no
      AND seq BETWEEN (r.input -> 0 ->> 0)::bigint AND (r.input -> 0 ->> 1)::bigint
    OFFSET 0
) AS m;

-- The runs of whole queues, for an interrupt.
-- name: runs_queued
SELECT t.id, {run_columns}
FROM unnest($1::bigint[]) AS wanted (thread_no)
JOIN postroom.threads AS t ON t.thread_no = wanted.thread_no
CROSS JOIN LATERAL (
    SELECT run_id FROM postroom.dispatches WHERE due AND thread_no = wanted.thread_no
    UNION ALL
    SELECT run_id FROM postroom.dispatches WHERE NOT due AND thread_no = wanted.thread_no
) AS queued
JOIN postroom.runs AS r ON r.id = queued.run_id;
