-- Locks the default tenant's most urgent ready threads; those that another transaction works on are
-- passed over. The array keeps the plan: the inner query walks the index and stops, whatever
-- statistics say. To be ordered by the tenant too is what the planner needs to see that the index is
-- in that order: `IS NULL` does not tell it that there is but one.
-- name: lock_ready
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT thread_no FROM postroom.threads
    WHERE tenant IS NULL AND ready_since IS NOT NULL
    ORDER BY tenant, ready_priority, ready_since, thread_no
    LIMIT $1::bigint
    FOR NO KEY UPDATE SKIP LOCKED
));

-- The same where some agents are passed over ($2): from agent to agent along the index, so that
-- what waits for those costs nothing. It may lock as many threads for each of the others.
-- name: lock_ready_except
WITH RECURSIVE agents (agent_id) AS (
    (SELECT ready_agent FROM postroom.threads
     WHERE tenant IS NULL AND ready_agent IS NOT NULL
     ORDER BY tenant, ready_agent, ready_priority LIMIT 1)
    UNION ALL
    SELECT (SELECT ready_agent FROM postroom.threads
            WHERE tenant IS NULL AND ready_agent > agents.agent_id
            ORDER BY tenant, ready_agent, ready_priority LIMIT 1)
    FROM agents WHERE agents.agent_id IS NOT NULL
)
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT ready.thread_no
    FROM agents CROSS JOIN LATERAL (
        SELECT thread_no FROM postroom.threads
        WHERE tenant IS NULL AND ready_agent = agents.agent_id
          AND agents.agent_id <> ALL($2::text[])
        ORDER BY tenant, ready_agent, ready_priority, ready_since, thread_no
        LIMIT $1::bigint
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS ready
));

-- The other tenants that have something ready, up to $2 that come after $1, and as many from the
-- first one to $1: from tenant to tenant along the index, however many threads each has.
-- name: ready_tenants
WITH RECURSIVE later (tenant, place) AS (
    (SELECT tenant, 1::bigint FROM postroom.threads
     WHERE tenant > $1::text AND ready_since IS NOT NULL
     ORDER BY tenant, ready_priority LIMIT 1)
    UNION ALL
    SELECT next.tenant, later.place + 1
    FROM later CROSS JOIN LATERAL (
        SELECT tenant FROM postroom.threads
        WHERE tenant > later.tenant AND ready_since IS NOT NULL
        ORDER BY tenant, ready_priority LIMIT 1
    ) AS next
    WHERE later.place < $2::bigint
), earlier (tenant, place) AS (
    (SELECT tenant, 1::bigint FROM postroom.threads
     WHERE tenant > '' AND tenant <= $1::text AND ready_since IS NOT NULL
     ORDER BY tenant, ready_priority LIMIT 1)
    UNION ALL
    SELECT next.tenant, earlier.place + 1
    FROM earlier CROSS JOIN LATERAL (
        SELECT tenant FROM postroom.threads
        WHERE tenant > earlier.tenant AND tenant <= $1::text AND ready_since IS NOT NULL
        ORDER BY tenant, ready_priority LIMIT 1
    ) AS next
    WHERE earlier.place < $2::bigint
)
SELECT tenant FROM later UNION ALL SELECT tenant FROM earlier;

-- Locks the most urgent ready threads of each of the tenants $1, so many of each as $2 says.
-- name: lock_ready_of
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT ready.thread_no
    FROM unnest($1::text[], $2::bigint[]) AS wanted (tenant, most) CROSS JOIN LATERAL (
        SELECT thread_no FROM postroom.threads
        WHERE tenant = wanted.tenant AND ready_since IS NOT NULL
        ORDER BY tenant, ready_priority, ready_since, thread_no
        LIMIT wanted.most
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS ready
));

-- The same where some agents are passed over ($3).
-- name: lock_ready_of_except
WITH RECURSIVE agents (tenant, most, agent_id) AS (
    SELECT wanted.tenant, wanted.most, first.ready_agent
    FROM unnest($1::text[], $2::bigint[]) AS wanted (tenant, most) CROSS JOIN LATERAL (
        SELECT ready_agent FROM postroom.threads
        WHERE tenant = wanted.tenant AND ready_agent IS NOT NULL
        ORDER BY tenant, ready_agent, ready_priority LIMIT 1
    ) AS first
    UNION ALL
    SELECT agents.tenant, agents.most, next.ready_agent
    FROM agents CROSS JOIN LATERAL (
        SELECT ready_agent FROM postroom.threads
        WHERE tenant = agents.tenant AND ready_agent > agents.agent_id
        ORDER BY tenant, ready_agent, ready_priority LIMIT 1
    ) AS next
)
SELECT {thread_columns}
FROM postroom.threads AS t
WHERE t.thread_no = ANY(ARRAY(
    SELECT ready.thread_no
    FROM agents CROSS JOIN LATERAL (
        SELECT thread_no FROM postroom.threads
        WHERE tenant = agents.tenant AND ready_agent = agents.agent_id
          AND agents.agent_id <> ALL($3::text[])
        ORDER BY tenant, ready_agent, ready_priority, ready_since, thread_no
        LIMIT agents.most
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
