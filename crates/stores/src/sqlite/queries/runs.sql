-- name: run
SELECT * FROM runs WHERE id = ?1;

-- name: run_insert
INSERT INTO runs (
    thread_no, id, origin, parent_run_id, spec, events_after, created_at,
    agent_id, agent_version, input, status, wait_reason, wait_tasks,
    termination, termination_code, termination_message, finished_at,
    dispatch_id, tickets, ended_tasks, stop_requested, hidden, output, error,
    input_tokens, output_tokens, steps, attempt, started_at, state,
    report, cached_tokens, tenant
) VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7,
    ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,
    ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33
);

-- The agent is left out, for the sake of its index: a run keeps it.
-- name: run_update
UPDATE runs SET
    agent_version = ?2, input = ?3, status = ?4, wait_reason = ?5, wait_tasks = ?6,
    termination = ?7, termination_code = ?8, termination_message = ?9, finished_at = ?10,
    dispatch_id = ?11, tickets = ?12, ended_tasks = ?13, stop_requested = ?14, hidden = ?15,
    output = ?16, error = ?17, input_tokens = ?18, output_tokens = ?19, steps = ?20,
    attempt = ?21, started_at = ?22, state = ?23, report = ?24, cached_tokens = ?25
WHERE id = ?1;

-- name: runs_delete
DELETE FROM runs WHERE thread_no = ?1;

-- name: run_delete
DELETE FROM runs WHERE id = ?1;

-- The next runs, and whether each ended before a moment and nothing needs it: only the core says so
-- for sure.
-- name: old_runs
SELECT r.run_no, r.created_at, t.id, r.id,
    r.status = 'done' AND r.finished_at < ?3 AND r.hidden = 0 AND r.report IS NOT 'owed'
    AND r.id IS NOT t.active_run_id AND r.id IS NOT t.open_run_id
    AND r.id IS NOT t.latest_run_id AND r.id IS NOT t.ended_run_id
    AND NOT EXISTS (SELECT 1 FROM dispatches AS d WHERE d.id = r.dispatch_id)
    AND NOT EXISTS (SELECT 1 FROM runs AS parent
                    WHERE parent.id = r.parent_run_id AND parent.status <> 'done')
    AND NOT EXISTS (SELECT 1 FROM runs AS child
                    WHERE child.parent_run_id = r.id AND child.status <> 'done')
FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.run_no > ?1
ORDER BY r.run_no
LIMIT ?2;

-- name: run_read
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.id = ?1;

-- name: runs_newest
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.run_no < ?1
ORDER BY r.run_no DESC;

-- name: runs_of_tenant
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.tenant = ?2 AND r.run_no < ?1
ORDER BY r.run_no DESC;

-- name: runs_of_thread
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.thread_no = (SELECT thread_no FROM threads WHERE id = ?2) AND r.run_no < ?1
ORDER BY r.run_no DESC;

-- name: runs_of_agent
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.agent_id = ?2 AND r.run_no < ?1
ORDER BY r.run_no DESC;

-- name: runs_of_parent
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.parent_run_id = ?2 AND r.run_no < ?1
ORDER BY r.run_no DESC;

-- name: runs_unfinished
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.status = ?2 AND r.status <> 'done' AND r.run_no < ?1
ORDER BY r.run_no DESC;

-- Passes over runs that wait for something else: it is asked once, when the service starts.
-- name: runs_waiting_for_tasks
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.status = 'waiting' AND r.status <> 'done' AND r.wait_reason = 'background_tasks'
  AND r.run_no > coalesce((SELECT run_no FROM runs WHERE id = ?1), 0)
ORDER BY r.run_no
LIMIT ?2;

-- name: runs_owing_reports
SELECT t.id, r.* FROM runs AS r CROSS JOIN threads AS t ON t.thread_no = r.thread_no
WHERE r.report = 'owed'
  AND r.run_no > coalesce((SELECT run_no FROM runs WHERE id = ?1), 0)
ORDER BY r.run_no
LIMIT ?2;
