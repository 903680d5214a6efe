-- Tenants, and who may call.
--
-- What is of the default tenant has no tenant here: nothing is written for it, and none of its rows is
-- in one of these indexes.

ALTER TABLE threads ADD COLUMN tenant TEXT;
ALTER TABLE runs ADD COLUMN tenant TEXT;
ALTER TABLE dispatches ADD COLUMN tenant TEXT;

CREATE INDEX threads_of_tenant ON threads (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX runs_of_tenant ON runs (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX dispatches_of_tenant ON dispatches (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX dispatches_unacked_of_tenant ON dispatches (tenant, dispatch_no)
    WHERE tenant IS NOT NULL AND status <> 'acked';
CREATE INDEX dispatches_terminal_of_tenant ON dispatches (tenant, status, updated_at)
    WHERE tenant IS NOT NULL AND status <> 'queued' AND status <> 'claimed';

-- As `depth`, of each tenant but the default one, which has the rest.
CREATE TABLE tenant_depth (
    tenant              TEXT    NOT NULL PRIMARY KEY,
    queued              INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
    claimed             INTEGER NOT NULL DEFAULT 0 CHECK (claimed >= 0),
    acked               INTEGER NOT NULL DEFAULT 0 CHECK (acked >= 0),
    cancelled           INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    superseded          INTEGER NOT NULL DEFAULT 0 CHECK (superseded >= 0),
    dead_letter         INTEGER NOT NULL DEFAULT 0 CHECK (dead_letter >= 0)
) STRICT, WITHOUT ROWID;

-- API keys. Of a secret only its SHA-256 is kept, in hexadecimal digits.
CREATE TABLE keys (
    key_no              INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    tenant              TEXT,             -- NULL: the default one
    scope               TEXT    NOT NULL
                        CHECK (scope = 'read' OR scope = 'write' OR scope = 'admin'),
    label               TEXT    NOT NULL,
    secret              TEXT    NOT NULL CHECK (length(secret) = 64),
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    revoked_at          INTEGER,
    last_used_at        INTEGER
) STRICT;

-- What all nodes must know and nobody else: 32 bytes in hexadecimal digits.
CREATE TABLE secrets (
    name                TEXT    NOT NULL PRIMARY KEY,
    secret              TEXT    NOT NULL CHECK (length(secret) = 64)
) STRICT, WITHOUT ROWID;
