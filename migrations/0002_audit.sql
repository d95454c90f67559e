-- The audit record: append-only, hash-chained. docs/audit.md gives the encoding byte for byte.

CREATE TABLE dbopt.audit_record (
    sequence bigint PRIMARY KEY CHECK (sequence > 0),
    time timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text,
    details text NOT NULL,
    previous bytea NOT NULL CHECK (octet_length(previous) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);

COMMENT ON TABLE dbopt.audit_record IS 'What dbopt did, append-only: each record holds the hash of the one before it';
COMMENT ON COLUMN dbopt.audit_record.sequence IS 'Number of the record, from 1 without gaps';
COMMENT ON COLUMN dbopt.audit_record.time IS 'When it was appended, by the server''s clock';
COMMENT ON COLUMN dbopt.audit_record.actor IS 'Who acted: a role or a program, not a person''s name';
COMMENT ON COLUMN dbopt.audit_record.action IS 'What was done, such as apply.create-index';
COMMENT ON COLUMN dbopt.audit_record.subject IS 'Whom it was about, as a keyed pseudonym';
COMMENT ON COLUMN dbopt.audit_record.details IS 'Canonical JSON object, kept as text because its bytes are hashed; no personal data';
COMMENT ON COLUMN dbopt.audit_record.previous IS 'Hash of the record before, or 32 zero bytes in the first';
COMMENT ON COLUMN dbopt.audit_record.hash IS 'SHA-256 of this record in its canonical encoding';

REVOKE ALL ON dbopt.audit_record FROM PUBLIC;

-- A guard against slips of those who have the rights, such as the owner. Appending does not come by here.
CREATE FUNCTION dbopt.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

COMMENT ON FUNCTION dbopt.refuse_audit_change() IS 'Refuses to change dbopt.audit_record';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON dbopt.audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION dbopt.refuse_audit_change();
