-- What of dbopt's own schema is installed. `dbopt migrate up` creates the schema itself when it is missing, so that
-- a role without CREATE on the database can migrate into a schema that was made for it.

CREATE TABLE dbopt.migration (
    number integer PRIMARY KEY CHECK (number > 0),
    name text NOT NULL,
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    program text NOT NULL,
    applied_by text NOT NULL DEFAULT current_user,
    applied_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE dbopt.migration IS 'Migrations of dbopt''s own schema that were applied, by dbopt migrate up';
COMMENT ON COLUMN dbopt.migration.number IS 'Number of the migration; they are applied in this order';
COMMENT ON COLUMN dbopt.migration.name IS 'What it is about, as in its file name';
COMMENT ON COLUMN dbopt.migration.checksum IS 'SHA-256 of the file that was applied, in lower-case hexadecimal';
COMMENT ON COLUMN dbopt.migration.program IS 'Version of dbopt that applied it';
COMMENT ON COLUMN dbopt.migration.applied_by IS 'Role that applied it';
COMMENT ON COLUMN dbopt.migration.applied_at IS 'When its transaction began';
