-- Tenants, and who may call.
--
-- What is of the default tenant has no tenant here: the columns are NULL and take no room, and none of
-- its rows is in one of these indexes. A version that does not know the columns makes rows of the default
-- tenant, and leaves others' as they are.

ALTER TABLE postroom.threads ADD COLUMN tenant text COLLATE "C";
ALTER TABLE postroom.runs ADD COLUMN tenant text COLLATE "C";
ALTER TABLE postroom.dispatches ADD COLUMN tenant text COLLATE "C";

CREATE INDEX threads_of_tenant ON postroom.threads (tenant, created_no) WHERE tenant IS NOT NULL;
CREATE INDEX runs_of_tenant ON postroom.runs (tenant, run_no) WHERE tenant IS NOT NULL;
CREATE INDEX dispatches_of_tenant ON postroom.dispatches (tenant, dispatch_no)
    WHERE tenant IS NOT NULL;
CREATE INDEX dispatches_unconsumed_of_tenant
    ON postroom.dispatches (tenant, unconsumed, dispatch_no)
    WHERE tenant IS NOT NULL AND unconsumed IS NOT NULL;
CREATE INDEX dispatches_queued_of_tenant ON postroom.dispatches (tenant, queued_no)
    WHERE tenant IS NOT NULL AND queued_no IS NOT NULL;

-- As `depth`, of each tenant but the default one, which has the rest.
CREATE TABLE postroom.tenant_depth (
    slot                smallint NOT NULL,
    queued              bigint  NOT NULL DEFAULT 0,
    claimed             bigint  NOT NULL DEFAULT 0,
    acked               bigint  NOT NULL DEFAULT 0,
    cancelled           bigint  NOT NULL DEFAULT 0,
    superseded          bigint  NOT NULL DEFAULT 0,
    dead_letter         bigint  NOT NULL DEFAULT 0,
    tenant              text    NOT NULL COLLATE "C",
    PRIMARY KEY (tenant, slot)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);

-- API keys. Of a secret only its SHA-256 is kept, in hexadecimal digits.
CREATE TABLE postroom.keys (
    key_no              bigint  NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    created_at          bigint  NOT NULL,
    expires_at          bigint,
    revoked_at          bigint,
    last_used_at        bigint,
    id                  text    NOT NULL COLLATE "C" PRIMARY KEY,
    tenant              text    COLLATE "C",    -- NULL: the default one
    scope               text    NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    label               text    NOT NULL,
    secret              text    NOT NULL CHECK (length(secret) = 64)
);

-- What all nodes must know and nobody else: 32 bytes in hexadecimal digits.
CREATE TABLE postroom.secrets (
    name                text    NOT NULL COLLATE "C" PRIMARY KEY,
    secret              text    NOT NULL CHECK (length(secret) = 64)
);
