-- Notes that a migration was done.
CREATE TABLE IF NOT EXISTS postroom.migrations (
    number  bigint      NOT NULL PRIMARY KEY,
    done_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO postroom.migrations (number) VALUES ({number});
