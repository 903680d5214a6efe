-- Drops the events' partitions of the days before {day} (counted from 1970), the oldest first: at once,
-- whatever is in them, without a dead row. Not many at a time, and one node at a time: the lock is these
-- events' own, for a database may have those of others in other schemas. A partition goes only with
-- nobody at the events: whoever is, is waited for a moment, and else it is left for later, for what
-- comes meanwhile waits behind.
DO $$
DECLARE
    old regclass;
BEGIN
    -- An object's number has 32 bits without a sign, half of the lock's key has 32 with one.
    IF pg_try_advisory_xact_lock(1886352244, ('postroom.events'::regclass::oid::bigint - 2147483648)::integer) THEN
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
