-- name: depth
SELECT queued, claimed, acked, cancelled, superseded, dead_letter FROM depth WHERE one = 1;

-- name: tenant_depth
SELECT queued, claimed, acked, cancelled, superseded, dead_letter FROM tenant_depth
WHERE tenant = ?1;

-- All tenants but the default one: they are few.
-- name: tenants_depth
SELECT coalesce(sum(queued), 0), coalesce(sum(claimed), 0), coalesce(sum(acked), 0),
    coalesce(sum(cancelled), 0), coalesce(sum(superseded), 0), coalesce(sum(dead_letter), 0)
FROM tenant_depth WHERE tenant > '';

-- name: tenant_depth_seen
INSERT INTO tenant_depth (tenant) VALUES (?1) ON CONFLICT (tenant) DO NOTHING;

-- name: tenant_depth_add
UPDATE tenant_depth SET
    queued = queued + ?2, claimed = claimed + ?3, acked = acked + ?4, cancelled = cancelled + ?5,
    superseded = superseded + ?6, dead_letter = dead_letter + ?7
WHERE tenant = ?1;

-- name: depth_add
UPDATE depth SET
    queued = queued + ?1, claimed = claimed + ?2, acked = acked + ?3, cancelled = cancelled + ?4,
    superseded = superseded + ?5, dead_letter = dead_letter + ?6
WHERE one = 1;
