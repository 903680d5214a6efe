-- To find old events that are in no day's partition: they lie about in the order of their age.

CREATE INDEX events_other_at ON postroom.events_other USING brin (at)
    WITH (pages_per_range = 32, autosummarize = on);
