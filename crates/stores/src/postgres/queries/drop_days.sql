-- Drops the events' partitions of the days before {day} (counted from 1970), the oldest first: at once,
-- whatever is in them, without a dead row. Not many at a time, and one node at a time. A partition goes
-- only with nobody at the events: whoever is, is waited for a moment, and else it is left for later,
-- for what comes meanwhile waits behind.
DO $$
DECLARE
    old regclass;
BEGIN
    IF pg_try_advisory_xact_lock(1886352244, -1) THEN
        PERFORM set_config('lock_timeout', '250ms', true);
        FOR old IN
            SELECT c.oid
            FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'postroom.events'::regclass
              AND c.relname ~ '^events_\d+$' AND substr(c.relname, 8)::bigint < {day}
            ORDER BY substr(c.relname, 8)::bigint
            LIMIT 16
        LOOP
            EXECUTE 'DROP TABLE ' || old;
        END LOOP;
    END IF;
END
$$;
