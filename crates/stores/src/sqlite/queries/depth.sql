-- name: depth
SELECT queued, claimed, acked, cancelled, superseded, dead_letter FROM depth WHERE one = 1;

-- name: depth_add
UPDATE depth SET
    queued = queued + ?1, claimed = claimed + ?2, acked = acked + ?3, cancelled = cancelled + ?4,
    superseded = superseded + ?5, dead_letter = dead_letter + ?6
WHERE one = 1;
