-- Threads that are ready, named after $name: $size of the default tenant, as many of "other", and one
-- each of as many tenants; some for an agent that is busy.
INSERT INTO postroom.threads (
    thread_no, version, id, created_at, epoch, claim_number, message_seq, event_seq, dispatch_ordinal,
    pending_position, queued, pending, readiness, ready_agent, ready_priority, ready_since, updated_at,
    tenant
)
SELECT $first + n * 3 + kind.no, 1, '$name ' || kind.no || ' ' || n, 0, 0, 1, 1, 1, 1,
    0, 1, 0, 'ready', CASE WHEN n % 2 = 0 THEN 'busy' ELSE 'default' END, 128, n, 0,
    CASE kind.no WHEN 1 THEN 'other' WHEN 2 THEN '$name ' || n END
FROM generate_series(1, $size) AS n, generate_series(0, 2) AS kind (no);
