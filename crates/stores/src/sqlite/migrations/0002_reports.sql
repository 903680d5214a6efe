-- What the end of a run owes to others, and the tokens that a provider had cached.

ALTER TABLE runs ADD COLUMN report TEXT           -- NULL: nothing is owed
    CHECK (report = 'wanted' OR report = 'owed');
ALTER TABLE runs ADD COLUMN cached_tokens INTEGER; -- of the input tokens; NULL: 0

CREATE INDEX runs_owing ON runs (run_no) WHERE report = 'owed';
