, state AS MATERIALIZED (
    SELECT charge.durable, charge.sliding, charge.key,
        coalesce(array_agg(after.period) FILTER (WHERE after.used > 0), '{}') AS periods,
        coalesce(array_agg(after.bucket) FILTER (WHERE after.used > 0), '{}') AS buckets,
        coalesce(array_agg(CASE WHEN charge.sliding THEN after.used ELSE after.used + clock.now * 1000 END)
            FILTER (WHERE after.used > 0), '{}') AS amounts,
        to_timestamp((1000 + coalesce(max(CASE WHEN charge.sliding
            THEN (after.bucket + 64) * ((after.period + 62999) / 63000)
            ELSE after.used / 1000 + clock.now END), clock.now)) / 1000000.0) AS full_at
    FROM (SELECT DISTINCT durable, sliding, key FROM asked WHERE need <> 0) AS charge
    CROSS JOIN clock CROSS JOIN verdict
    LEFT JOIN after USING (durable, sliding, key)
    WHERE verdict.admitted
    GROUP BY charge.durable, charge.sliding, charge.key, clock.now
),
updated AS (
    UPDATE dbopt.limit_state AS old
    SET periods = state.periods, buckets = state.buckets, amounts = state.amounts, full_at = state.full_at
    FROM state
    WHERE (old.durable, old.sliding, old.key) = (state.durable, state.sliding, state.key)
        AND EXISTS (SELECT FROM locked
            WHERE (locked.durable, locked.sliding, locked.key) = (state.durable, state.sliding, state.key))
),
-- A row that another request has made meanwhile is a violation of the primary key: the whole statement is then run again.
inserted AS (
    INSERT INTO dbopt.limit_state (durable, sliding, key, periods, buckets, amounts, full_at)
    SELECT durable, sliding, key, periods, buckets, amounts, full_at FROM state
    WHERE periods <> '{}' AND NOT EXISTS (SELECT FROM locked
        WHERE (locked.durable, locked.sliding, locked.key) = (state.durable, state.sliding, state.key))
    ORDER BY durable, sliding, key
)
