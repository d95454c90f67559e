-- Keys of single persons, for columns that are encrypted by the key of whom their values are about. A key is wrapped by the key ring,
-- which is not in the database; without its row here, what it has sealed opens nowhere any more.

CREATE SEQUENCE dbopt.subject_key_number AS bigint MAXVALUE 4294967295;

CREATE TABLE dbopt.subject_key (
    purpose text NOT NULL,
    subject bytea NOT NULL CHECK (octet_length(subject) = 32),
    number bigint NOT NULL UNIQUE CHECK (number BETWEEN 1 AND 4294967295),
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (purpose, subject)
);

COMMENT ON SEQUENCE dbopt.subject_key_number IS 'Numbers of the keys of persons; none is given twice';
COMMENT ON TABLE dbopt.subject_key IS 'Wrapped keys of single persons; who has none any more is erased from all columns of the purpose';
COMMENT ON COLUMN dbopt.subject_key.purpose IS 'Purpose of the keys that wrap it, as in the encryption policy';
COMMENT ON COLUMN dbopt.subject_key.subject IS 'SHA-256 of the text that names the person, so that neither this table nor a log shows it';
COMMENT ON COLUMN dbopt.subject_key.number IS 'Number of the key, which each value under it says';
COMMENT ON COLUMN dbopt.subject_key.wrapped IS 'The key, sealed by the key ring';
COMMENT ON COLUMN dbopt.subject_key.created_at IS 'When it was made';

REVOKE ALL ON dbopt.subject_key FROM PUBLIC;
