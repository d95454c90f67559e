-- $1 the most rows. Rows that are in use just now are left for the next time.
WITH forgotten AS (
    SELECT durable, sliding, key FROM dbopt.limit_state WHERE full_at < clock_timestamp()
    LIMIT $1::bigint FOR UPDATE SKIP LOCKED
)
DELETE FROM dbopt.limit_state AS state USING forgotten
WHERE (state.durable, state.sliding, state.key) = (forgotten.durable, forgotten.sliding, forgotten.key)
    AND state.full_at < clock_timestamp()
