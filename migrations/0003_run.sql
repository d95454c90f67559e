-- What dbopt's runner did, is doing and left open. The three tables have three jobs: a run says who worked and how it
-- ended, the journal is the resume state of what may be half done, the history is what later predictions are made from.

CREATE TABLE dbopt.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command text NOT NULL,
    program text NOT NULL,
    role text NOT NULL DEFAULT current_user,
    backend_pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'deferred', 'blocked', 'failed', 'died')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

COMMENT ON TABLE dbopt.run IS 'Runs of commands that change this database; one at a time, under an advisory lock';
COMMENT ON COLUMN dbopt.run.id IS 'Number of the run';
COMMENT ON COLUMN dbopt.run.command IS 'The command, such as apply';
COMMENT ON COLUMN dbopt.run.program IS 'Version of dbopt';
COMMENT ON COLUMN dbopt.run.role IS 'Role that ran it';
COMMENT ON COLUMN dbopt.run.backend_pid IS 'Process of the session that did the work and held the lock';
COMMENT ON COLUMN dbopt.run.started_at IS 'When it began';
COMMENT ON COLUMN dbopt.run.ended_at IS 'When it ended; null while it runs, or when it died and no later run has noticed';
COMMENT ON COLUMN dbopt.run.outcome IS 'How it ended; died is written by the next run';

CREATE TABLE dbopt.journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES dbopt.run ON DELETE CASCADE,
    kind text NOT NULL,
    schema text NOT NULL,
    object text NOT NULL,
    relation oid,
    statement text NOT NULL,
    definition text,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz
);

CREATE INDEX journal_open_idx ON dbopt.journal (id) WHERE closed_at IS NULL;

COMMENT ON TABLE dbopt.journal IS 'Steps that were begun, written before they act, so that the next run knows what may be half done';
COMMENT ON COLUMN dbopt.journal.id IS 'Number of the entry';
COMMENT ON COLUMN dbopt.journal.run IS 'The run';
COMMENT ON COLUMN dbopt.journal.kind IS 'What is done, such as create-index';
COMMENT ON COLUMN dbopt.journal.schema IS 'Schema of the object';
COMMENT ON COLUMN dbopt.journal.object IS 'Name of the object';
COMMENT ON COLUMN dbopt.journal.relation IS 'The table that the object belongs to';
COMMENT ON COLUMN dbopt.journal.statement IS 'The statement that acts';
COMMENT ON COLUMN dbopt.journal.definition IS 'The object as the server printed it, once it was there';
COMMENT ON COLUMN dbopt.journal.opened_at IS 'When it was written';
COMMENT ON COLUMN dbopt.journal.closed_at IS 'When nothing was half done any more; null until then';

CREATE TABLE dbopt.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL,
    kind text NOT NULL,
    schema text NOT NULL,
    object text NOT NULL,
    relation oid,
    definition text,
    outcome text NOT NULL CHECK (outcome IN ('done', 'skipped', 'blocked', 'deferred', 'failed')),
    reason text,
    table_bytes bigint,
    bytes_before bigint,
    bytes_after bigint,
    bytes_predicted bigint,
    seconds double precision NOT NULL,
    seconds_predicted double precision,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX history_kind_idx ON dbopt.history (kind, id);

COMMENT ON TABLE dbopt.history IS 'What ran, object by object; bounded, the oldest rows go first';
COMMENT ON COLUMN dbopt.history.id IS 'Number of the row';
COMMENT ON COLUMN dbopt.history.run IS 'The run';
COMMENT ON COLUMN dbopt.history.kind IS 'What was done, such as create-index';
COMMENT ON COLUMN dbopt.history.schema IS 'Schema of the object';
COMMENT ON COLUMN dbopt.history.object IS 'Name of the object';
COMMENT ON COLUMN dbopt.history.relation IS 'The table that the object belongs to';
COMMENT ON COLUMN dbopt.history.definition IS 'The object as the server printed it afterwards, or before it was dropped';
COMMENT ON COLUMN dbopt.history.outcome IS 'How it went';
COMMENT ON COLUMN dbopt.history.reason IS 'Why it was not done';
COMMENT ON COLUMN dbopt.history.table_bytes IS 'Size of the table when the step began';
COMMENT ON COLUMN dbopt.history.bytes_before IS 'Size of the object before';
COMMENT ON COLUMN dbopt.history.bytes_after IS 'Size of the object afterwards';
COMMENT ON COLUMN dbopt.history.bytes_predicted IS 'Size that was predicted';
COMMENT ON COLUMN dbopt.history.seconds IS 'How long it took';
COMMENT ON COLUMN dbopt.history.seconds_predicted IS 'How long it was predicted to take';
COMMENT ON COLUMN dbopt.history.at IS 'When it was over';
