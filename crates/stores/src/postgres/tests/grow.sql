-- Much of everything that a store collects, beside what is there already, named after $name: $size
-- threads that are blocked by a claim, as many delayed ones, and on the thread "deep" $size runs of long
-- ago with their messages, events and dispatches, one in each of the states $states.
CREATE TEMPORARY TABLE numbers AS SELECT generate_series(1, $size) AS n;

INSERT INTO postroom.threads (
    thread_no, version, id, created_at, epoch, claim_number, claimed_dispatch_id, message_seq,
    event_seq, dispatch_ordinal, pending_position, queued, pending, readiness, delayed_until, updated_at
)
SELECT $first + n, 1, '$name blocked ' || n, 0, 0, 1, gen_random_uuid(), 1, 1, 1, 0, 1, 0, 'busy', NULL, 0
FROM numbers
UNION ALL
SELECT $first + $size + n, 1, '$name delayed ' || n, 0, 0, 1, NULL, 1, 1, 1, 0, 1, 0, 'delayed', 9e15::bigint, 0
FROM numbers;

INSERT INTO postroom.claims (thread_no, claim_number, lease_until, dispatch_id, claimed_by)
SELECT thread_no, 1, 9e15::bigint, claimed_dispatch_id, 'another'
FROM postroom.threads WHERE id LIKE '$name blocked %';

INSERT INTO postroom.runs (
    id, thread_no, created_at, events_after, finished_at, input_tokens, output_tokens, steps, attempt,
    stop_requested, hidden, status, origin, agent_id, input, termination
)
SELECT '$name ' || n, (SELECT thread_no FROM postroom.threads WHERE id = 'deep'), 0, 0, 1, 0, 0, 0, 1,
    false, false, 'done', 'user', 'default', '[]', 'natural_end'
FROM numbers;

INSERT INTO postroom.dispatches (
    id, thread_no, created_at, updated_at, available_at, ordinal, epoch, attempt_count, max_attempts,
    priority, status, due, run_id, agent_id
)
SELECT gen_random_uuid(), t.thread_no, 9e14::bigint, 9e14::bigint, 0, $first + n, 0, 0, 5, 128, kind.status,
    CASE WHEN kind.status = 'queued' THEN true END, '$name ' || n, 'default'
FROM numbers, postroom.threads AS t, unnest('{$states}'::text[]) AS kind (status)
WHERE t.id = 'deep';

INSERT INTO postroom.messages (
    thread_no, seq, created_at, run_id, message_id, role, visibility, text
)
SELECT t.thread_no, $first + n, 0, '$name ' || n, '$name ' || n, 'user', 'all', 'hello'
FROM numbers, postroom.threads AS t WHERE t.id = 'deep';

INSERT INTO postroom.events (thread_no, last_seq, at, run_id, events)
SELECT t.thread_no, $first + n, 0, '$name ' || n, '[]'
FROM numbers, postroom.threads AS t WHERE t.id = 'deep';

INSERT INTO postroom.submissions (thread_no, created_at, key, answer)
SELECT t.thread_no, 9e14::bigint, '$name ' || n, '{}'
FROM numbers, postroom.threads AS t WHERE t.id = 'deep';

DROP TABLE numbers;

-- As autovacuum does, which comes at a time of its own.
SELECT brin_summarize_new_values('postroom.dispatches_made');
