-- name: key_columns
k.id, k.tenant, k.scope, k.label, k.secret, k.created_at, k.expires_at, k.revoked_at, k.last_used_at;

-- name: key_add
INSERT INTO postroom.keys (
    id, tenant, scope, label, secret, created_at, expires_at, revoked_at, last_used_at
)
SELECT u.id, u.tenant, u.scope, u.label, u.secret, u.created_at, u.expires_at, u.revoked_at,
    u.last_used_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
    $8::bigint[], $9::bigint[]
) AS u (id, tenant, scope, label, secret, created_at, expires_at, revoked_at, last_used_at)
ON CONFLICT (id) DO NOTHING;

-- name: key
SELECT {key_columns} FROM postroom.keys AS k WHERE k.id = $1::text;

-- All of them: they are few.
-- name: keys
SELECT {key_columns} FROM postroom.keys AS k WHERE k.key_no > 0 ORDER BY k.key_no;

-- name: key_revoke
UPDATE postroom.keys SET revoked_at = coalesce(revoked_at, $2::bigint) WHERE id = $1::text;

-- name: keys_used
UPDATE postroom.keys AS k SET last_used_at = u.at
FROM unnest($1::text[], $2::bigint[]) AS u (id, at)
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at);

-- name: secret
SELECT secret FROM postroom.secrets WHERE name = $1::text;

-- name: secret_add
INSERT INTO postroom.secrets (name, secret) VALUES ($1::text, $2::text)
ON CONFLICT (name) DO NOTHING;
