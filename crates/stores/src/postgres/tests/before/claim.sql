-- Locks the most urgent ready threads; those that another transaction works on are passed over.
-- The array keeps the plan: the inner query walks the index and stops, whatever statistics say.
-- name: lock_ready
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT thread_no FROM postroom.threads
    WHERE ready_agent IS NOT NULL
    ORDER BY ready_priority, ready_since, thread_no
    LIMIT $1::bigint
    FOR NO KEY UPDATE SKIP LOCKED
));

-- The same where some agents are passed over ($2): from agent to agent along the index, so that
-- what waits for those costs nothing. It may lock as many threads for each of the others.
-- name: lock_ready_except
WITH RECURSIVE agents (agent_id) AS (
    (SELECT ready_agent FROM postroom.threads
     WHERE ready_agent IS NOT NULL ORDER BY ready_agent LIMIT 1)
    UNION ALL
    SELECT (SELECT ready_agent FROM postroom.threads
            WHERE ready_agent > agents.agent_id ORDER BY ready_agent LIMIT 1)
    FROM agents WHERE agents.agent_id IS NOT NULL
)
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT ready.thread_no
    FROM agents CROSS JOIN LATERAL (
        SELECT thread_no FROM postroom.threads
        WHERE ready_agent = agents.agent_id AND agents.agent_id <> ALL($2::text[])
        ORDER BY ready_priority, ready_since, thread_no
        LIMIT $1::bigint
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS ready
));

-- Idle threads with work that has become due.
-- name: lock_due
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT thread_no FROM postroom.threads
    WHERE delayed_until IS NOT NULL AND delayed_until <= {server_time}
    ORDER BY delayed_until
    LIMIT $2::bigint
    FOR NO KEY UPDATE SKIP LOCKED
));

-- name: next_due
SELECT delayed_until FROM postroom.threads
WHERE delayed_until IS NOT NULL AND delayed_until > $1::bigint
ORDER BY delayed_until
LIMIT 1;

-- Threads whose claim has expired; with $3, all that are claimed.
-- name: lock_leased
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT thread_no FROM postroom.claims
    WHERE $3::boolean OR lease_until < {server_time}
    ORDER BY lease_until, dispatch_id
    LIMIT $2::bigint
))
ORDER BY t.id
FOR NO KEY UPDATE SKIP LOCKED;
