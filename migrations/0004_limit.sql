-- Limits of services that share them in this database. A row is what a key has used of a limit; it is worth nothing any
-- more from full_at on. Most limits are not worth writing to the log for, and are emptied by a crash of the server;
-- those of rules that ask for it are kept.

CREATE TABLE dbopt.limit_state (
    durable boolean NOT NULL,
    sliding boolean NOT NULL,
    key uuid NOT NULL,
    periods bigint[] NOT NULL,
    buckets bigint[] NOT NULL,
    amounts bigint[] NOT NULL,
    full_at timestamptz NOT NULL,
    PRIMARY KEY (durable, sliding, key)
) PARTITION BY LIST (durable);

-- Room in each page for the next version of its rows, so that no index has to be changed.
CREATE UNLOGGED TABLE dbopt.limit_state_unlogged PARTITION OF dbopt.limit_state FOR VALUES IN (false)
    WITH (fillfactor = 50);
CREATE TABLE dbopt.limit_state_durable PARTITION OF dbopt.limit_state FOR VALUES IN (true) WITH (fillfactor = 50);

COMMENT ON TABLE dbopt.limit_state IS 'What keys have used of limits';
COMMENT ON TABLE dbopt.limit_state_unlogged IS 'Limits that a crash of the server may empty';
COMMENT ON TABLE dbopt.limit_state_durable IS 'Limits that survive a crash of the server';
COMMENT ON COLUMN dbopt.limit_state.durable IS 'Whether the rule asks for a limit that survives a crash';
COMMENT ON COLUMN dbopt.limit_state.sliding IS 'Whether a sliding window counts, rather than gcra';
COMMENT ON COLUMN dbopt.limit_state.key IS 'Keyed hash of the rule and of whom it counts';
COMMENT ON COLUMN dbopt.limit_state.periods IS 'Period of a window in nanoseconds, for each amount';
COMMENT ON COLUMN dbopt.limit_state.buckets IS 'Number of a sliding window''s bucket since 1970, for each amount; 0 for gcra';
COMMENT ON COLUMN dbopt.limit_state.amounts IS 'What the bucket counts; for gcra the theoretical arrival time in nanoseconds since 1970';
COMMENT ON COLUMN dbopt.limit_state.full_at IS 'When nothing is used any more';

CREATE UNLOGGED TABLE dbopt.limit_place (
    key uuid PRIMARY KEY,
    places uuid[] NOT NULL,
    ends timestamptz[] NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE dbopt.limit_place IS 'Places taken under limits of concurrent requests';
COMMENT ON COLUMN dbopt.limit_place.key IS 'Keyed hash of the rule and of whom it counts';
COMMENT ON COLUMN dbopt.limit_place.places IS 'The places, each a random number';
COMMENT ON COLUMN dbopt.limit_place.ends IS 'When each of them ends by itself';
