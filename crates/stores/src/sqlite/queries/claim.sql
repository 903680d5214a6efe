-- The next tenant of which some thread is ready, but for the default one. It must not go through
-- all threads of a tenant, by another index.
-- name: ready_tenant
SELECT tenant FROM threads INDEXED BY threads_ready
WHERE tenant > ?1 AND ready_agent IS NOT NULL
ORDER BY tenant
LIMIT 1;

-- The next agent for which some thread of the tenant is ready.
-- name: ready_agent
SELECT ready_agent FROM threads WHERE tenant IS ?1 AND ready_agent > ?2 ORDER BY ready_agent LIMIT 1;

-- name: ready_threads
SELECT id, thread_no, tenant, ready_priority, ready_since FROM threads
WHERE tenant IS ?1 AND ready_agent = ?2
ORDER BY ready_priority, ready_since, thread_no
LIMIT ?3;

-- Idle threads with work that has become due, under the priority of what became due first.
-- name: due_threads
SELECT t.id, t.thread_no, t.tenant,
       coalesce((SELECT d.priority FROM dispatches AS d
                 WHERE d.due = 0 AND d.thread_no = t.thread_no
                 ORDER BY d.available_at, d.ordinal
                 LIMIT 1), 128),
       t.delayed_until
FROM threads AS t
WHERE t.delayed_until <= ?1
ORDER BY t.delayed_until
LIMIT ?2;

-- name: next_due
SELECT delayed_until FROM threads WHERE delayed_until > ?1 ORDER BY delayed_until LIMIT 1;

-- name: leased_threads
SELECT t.id FROM dispatches AS d CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.lease_until < ?1
ORDER BY d.lease_until
LIMIT ?2;
