-- Makes the events' partition of one day (counted from 1970), if it is not there. Nodes that do it at
-- the same time take turns. A day for which events came before its partition keeps them where they
-- are: then it has none of its own.
DO $$
BEGIN
    IF to_regclass('postroom.events_{day}') IS NULL THEN
        PERFORM pg_advisory_xact_lock(1886352244, {day});
        IF to_regclass('postroom.events_{day}') IS NULL
           AND NOT EXISTS (SELECT FROM postroom.events_other WHERE at >= {from} AND at < {to}) THEN
            CREATE TABLE postroom.events_{day} PARTITION OF postroom.events
                FOR VALUES FROM ({from}) TO ({to});
        END IF;
    END IF;
END
$$;
