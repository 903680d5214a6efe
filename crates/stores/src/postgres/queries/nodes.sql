-- Seen now; since when it works is worked out when it is first seen, from for how long it does. It
-- learns how many others were seen in the $9 milliseconds before.
-- name: node_beat
INSERT INTO postroom.nodes AS n (
    id, version, address, started_at, seen_at, active_runs, max_concurrent_runs, is_draining
)
SELECT $2::text, $3::text, $4::text, seen.at - $5::bigint, seen.at, $6::bigint, $7::bigint,
    $8::boolean
FROM (SELECT {server_time} AS at) AS seen
ON CONFLICT (id) DO UPDATE SET
    version = excluded.version, address = excluded.address, seen_at = excluded.seen_at,
    active_runs = excluded.active_runs, max_concurrent_runs = excluded.max_concurrent_runs,
    is_draining = excluded.is_draining
RETURNING (SELECT count(*) FROM postroom.nodes AS o
           WHERE o.id <> n.id AND o.seen_at > n.seen_at - $9::bigint);

-- name: nodes
SELECT id, version, address, started_at, seen_at, active_runs, max_concurrent_runs, is_draining
FROM postroom.nodes
ORDER BY id;

-- name: node_forget
DELETE FROM postroom.nodes WHERE id = $1::text;

-- name: nodes_forget
DELETE FROM postroom.nodes WHERE seen_at < $1::bigint;
