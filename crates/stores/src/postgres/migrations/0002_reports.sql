-- What the end of a run owes to others, and the tokens that a provider had cached.
--
-- Hardly a run owes anything: both columns are NULL then and take no room, and the index has no entry.
-- A version that does not know the columns leaves them as they are.

ALTER TABLE postroom.runs
    ADD COLUMN report        text CHECK (report IN ('wanted', 'owed')), -- NULL: nothing is owed
    ADD COLUMN cached_tokens bigint;                                    -- of the input tokens; NULL: 0

CREATE INDEX runs_owing ON postroom.runs (run_no) WHERE report = 'owed';
