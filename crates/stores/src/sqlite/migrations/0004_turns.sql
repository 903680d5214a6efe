-- Tenants take turns: the heads of ready threads by tenant, then by agent.

DROP INDEX threads_ready;
CREATE INDEX threads_ready ON threads (tenant, ready_agent, ready_priority, ready_since)
    WHERE ready_agent IS NOT NULL;
