-- Tenants take turns: what is ready, by tenant.
--
-- They take the place of the indexes over all tenants, so that a thread that becomes ready is written
-- into as many as before. A version that asks for what is ready over all tenants sorts it.
--
-- The conditions differ, though they hold for the same rows, so that neither index is taken for the
-- other one's statements.

CREATE INDEX threads_ready_of_tenant
    ON postroom.threads (tenant, ready_priority, ready_since, thread_no)
    WHERE ready_since IS NOT NULL;
CREATE INDEX threads_ready_of_tenant_agent
    ON postroom.threads (tenant, ready_agent, ready_priority, ready_since, thread_no)
    WHERE ready_agent IS NOT NULL;

DROP INDEX postroom.threads_ready;
DROP INDEX postroom.threads_ready_of_agent;
