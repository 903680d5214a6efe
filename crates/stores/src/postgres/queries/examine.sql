-- What the server is, and what it is set to. $1: the schema.
SELECT
    current_setting('server_version') AS version,
    CASE WHEN EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)
         THEN (SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
               FROM pg_namespace WHERE nspname = $1)
         ELSE has_database_privilege(current_database(), 'CREATE')
    END AS may_migrate,
    pg_is_in_recovery() AS is_standby,
    current_setting('max_connections')::bigint
        - current_setting('superuser_reserved_connections')::bigint AS connections_max,
    (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS connections,
    current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('enable_seqscan') AS enable_seqscan,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms;
