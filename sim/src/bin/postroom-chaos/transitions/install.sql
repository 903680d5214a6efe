-- Notes every change of a mailbox's state, in the transaction that makes it. Only the chaos command
-- installs this.
CREATE SCHEMA chaos;

CREATE TABLE chaos.transitions (
    no      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    txid    bigint      NOT NULL DEFAULT txid_current(),
    writer  text        NOT NULL DEFAULT current_setting('application_name'),
    kind    text        NOT NULL,
    was     jsonb,
    becomes jsonb
);

-- The columns of a row that the checker looks at; each trigger names them.
CREATE FUNCTION chaos.kept(row_given jsonb, columns text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(name, row_given -> name) FROM unnest(columns) AS name
$$;

CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.transitions (kind, was, becomes) VALUES (
        TG_TABLE_NAME,
        CASE WHEN TG_OP <> 'INSERT' THEN chaos.kept(to_jsonb(OLD), TG_ARGV) END,
        CASE WHEN TG_OP <> 'DELETE' THEN chaos.kept(to_jsonb(NEW), TG_ARGV) END
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON postroom.threads FOR EACH ROW
EXECUTE FUNCTION chaos.note('thread_no', 'epoch', 'claim_number', 'claimed_dispatch_id',
    'active_run_id', 'open_run_id', 'queued', 'readiness');

CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON postroom.runs FOR EACH ROW
EXECUTE FUNCTION chaos.note('thread_no', 'id', 'status', 'dispatch_id', 'attempt');

CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON postroom.dispatches FOR EACH ROW
EXECUTE FUNCTION chaos.note('thread_no', 'id', 'run_id', 'status', 'epoch', 'attempt_count',
    'max_attempts', 'instance_id', 'last_error', 'requeued_as');

CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON postroom.claims FOR EACH ROW
EXECUTE FUNCTION chaos.note('thread_no', 'claim_number', 'lease_until', 'dispatch_id', 'claimed_by');

CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON postroom.messages FOR EACH ROW
EXECUTE FUNCTION chaos.note('thread_no', 'seq', 'run_id', 'role');
