-- name: key_add
INSERT INTO keys (
    id, tenant, scope, label, secret, created_at, expires_at, revoked_at, last_used_at
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (id) DO NOTHING;

-- name: key
SELECT id, tenant, scope, label, secret, created_at, expires_at, revoked_at, last_used_at
FROM keys WHERE id = ?1;

-- name: keys
SELECT id, tenant, scope, label, secret, created_at, expires_at, revoked_at, last_used_at
FROM keys WHERE key_no > 0 ORDER BY key_no;

-- name: key_revoke
UPDATE keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1;

-- name: key_used
UPDATE keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2);

-- name: secret
SELECT secret FROM secrets WHERE name = ?1;

-- name: secret_add
INSERT INTO secrets (name, secret) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING;
