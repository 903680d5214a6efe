-- name: dispatch
SELECT * FROM dispatches WHERE id = ?1;

-- name: dispatches_due
SELECT * FROM dispatches WHERE due = 1 AND thread_no = ?1 ORDER BY priority, ordinal LIMIT ?2;

-- name: dispatches_delayed
SELECT * FROM dispatches WHERE due = 0 AND thread_no = ?1 ORDER BY available_at, ordinal;

-- name: dispatches_queued
SELECT * FROM dispatches INDEXED BY dispatches_due WHERE due = 1 AND thread_no = ?1
UNION ALL
SELECT * FROM dispatches INDEXED BY dispatches_delayed WHERE due = 0 AND thread_no = ?1;

-- name: key_holder
SELECT id FROM dispatches
WHERE thread_no = ?1 AND dedupe_key = ?2 AND (status = 'queued' OR status = 'claimed');

-- name: dispatch_insert
INSERT INTO dispatches (
    thread_no, id, run_id, created_at,
    agent_id, priority, ordinal, dedupe_key, epoch, status, due, claim_number, claimed_by,
    lease_until, requeued_as, available_at, attempt_count, max_attempts, last_error,
    instance_id, run_status, termination, termination_code, termination_message, run_response,
    run_error, completed_at, updated_at, tenant
) VALUES (
    ?1, ?2, ?3, ?4,
    ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
    ?25, ?26, ?27, ?28, ?29
);

-- name: dispatch_update
UPDATE dispatches SET
    agent_id = ?2, priority = ?3, ordinal = ?4, dedupe_key = ?5, epoch = ?6, status = ?7, due = ?8,
    claim_number = ?9, claimed_by = ?10, lease_until = ?11, requeued_as = ?12, available_at = ?13,
    attempt_count = ?14, max_attempts = ?15, last_error = ?16, instance_id = ?17, run_status = ?18,
    termination = ?19, termination_code = ?20, termination_message = ?21, run_response = ?22,
    run_error = ?23, completed_at = ?24, updated_at = ?25
WHERE id = ?1;

-- name: dispatches_delete
DELETE FROM dispatches WHERE thread_no = ?1 RETURNING status, tenant;

-- name: dispatches_purge
DELETE FROM dispatches WHERE dispatch_no IN (
    SELECT dispatch_no FROM dispatches
    WHERE status = ?1 AND status <> 'queued' AND status <> 'claimed' AND updated_at < ?2
    ORDER BY updated_at
    LIMIT ?3
)
RETURNING tenant;

-- The default tenant has no index of its own: others' are passed over.
-- name: dispatches_purge_default
DELETE FROM dispatches WHERE dispatch_no IN (
    SELECT dispatch_no FROM dispatches
    WHERE status = ?1 AND status <> 'queued' AND status <> 'claimed' AND updated_at < ?2
      AND tenant IS NULL
    ORDER BY updated_at
    LIMIT ?3
)
RETURNING tenant;

-- name: dispatches_purge_of_tenant
DELETE FROM dispatches WHERE dispatch_no IN (
    SELECT dispatch_no FROM dispatches INDEXED BY dispatches_terminal_of_tenant
    WHERE tenant = ?4 AND status = ?1 AND status <> 'queued' AND status <> 'claimed'
      AND updated_at < ?2
    ORDER BY updated_at
    LIMIT ?3
)
RETURNING tenant;

-- name: dispatch_read
SELECT t.id, d.* FROM dispatches AS d CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.id = ?1;

-- name: dispatches_newest
SELECT t.id, d.* FROM dispatches AS d CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.dispatch_no < ?1
ORDER BY d.dispatch_no DESC;

-- name: dispatches_of_tenant
SELECT t.id, d.* FROM dispatches AS d INDEXED BY dispatches_of_tenant
CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.tenant = ?2 AND d.dispatch_no < ?1
ORDER BY d.dispatch_no DESC;

-- name: dispatches_unacked_of_tenant
SELECT t.id, d.* FROM dispatches AS d INDEXED BY dispatches_unacked_of_tenant
CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.tenant = ?2 AND d.status <> 'acked' AND d.dispatch_no < ?1
ORDER BY d.dispatch_no DESC;

-- name: dispatches_of_thread
SELECT t.id, d.* FROM dispatches AS d CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.thread_no = (SELECT thread_no FROM threads WHERE id = ?2) AND d.dispatch_no < ?1
ORDER BY d.dispatch_no DESC;

-- name: dispatches_unacked
SELECT t.id, d.* FROM dispatches AS d INDEXED BY dispatches_unacked
CROSS JOIN threads AS t ON t.thread_no = d.thread_no
WHERE d.status <> 'acked' AND d.dispatch_no < ?1
ORDER BY d.dispatch_no DESC;
