-- $1 durable, $2 sliding, $3 key of each charge; $4 number of its charge, $5 period in ns, $6 need, $7 most of each
-- window. A need below zero is a refund. Times of gcra are in nanoseconds, sliding windows count.
WITH charge AS (
    SELECT * FROM unnest($1::boolean[], $2::boolean[], $3::text[]::uuid[])
        WITH ORDINALITY AS charge(durable, sliding, key, number)
),
-- In one order, so that no two requests wait for each other.
locked AS MATERIALIZED (
    SELECT state.* FROM dbopt.limit_state AS state
    WHERE (state.durable, state.sliding, state.key) IN (SELECT durable, sliding, key FROM charge)
    ORDER BY state.durable, state.sliding, state.key
    FOR UPDATE
),
-- The time when all of them are locked, in microseconds.
clock AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM (SELECT count(*) FROM locked) AS all_of_them
),
asked AS MATERIALIZED (
    SELECT charge.durable, charge.sliding, charge.key, asked.place, asked.period, asked.need, asked.most,
        CASE WHEN charge.sliding THEN clock.now / ((asked.period + 62999) / 63000) ELSE 0 END AS bucket
    FROM unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        WITH ORDINALITY AS asked(number, period, need, most, place)
    JOIN charge USING (number) CROSS JOIN clock
),
-- What is still used.
before AS MATERIALIZED (
    SELECT locked.durable, locked.sliding, locked.key, entry.period, entry.bucket,
        CASE WHEN locked.sliding THEN entry.amount ELSE entry.amount - clock.now * 1000 END AS used
    FROM locked CROSS JOIN clock
    CROSS JOIN LATERAL unnest(locked.periods, locked.buckets, locked.amounts) AS entry(period, bucket, amount)
    WHERE CASE WHEN locked.sliding THEN entry.bucket + 64 > clock.now / ((entry.period + 62999) / 63000)
        ELSE entry.amount > clock.now * 1000 END
),
-- A key that comes twice needs both.
verdict AS MATERIALIZED (
    SELECT bool_and(coalesce(total.used, 0) + asked.need <= asked.most) AS admitted
    FROM (
        SELECT durable, sliding, key, period, most,
            sum(need) OVER (PARTITION BY durable, sliding, key, period ORDER BY place) AS need
        FROM asked
    ) AS asked
    LEFT JOIN (
        SELECT durable, sliding, key, period, sum(used) AS used FROM before GROUP BY durable, sliding, key, period
    ) AS total USING (durable, sliding, key, period)
),
need AS (
    SELECT durable, sliding, key, period, bucket, sum(need) AS need
    FROM asked GROUP BY durable, sliding, key, period, bucket
),
-- A refund is taken from the oldest bucket, so that what is left is never forgotten too early.
after AS MATERIALIZED (
    SELECT durable, sliding, key, period, bucket, sum(used)::bigint AS used
    FROM (
        SELECT before.durable, before.sliding, before.key, before.period, before.bucket,
            least(before.used, greatest(0, sum(before.used) OVER (
                PARTITION BY before.durable, before.sliding, before.key, before.period ORDER BY before.bucket
            ) + least(0, coalesce(need.need, 0)))) AS used
        FROM before LEFT JOIN need USING (durable, sliding, key, period)
        UNION ALL
        SELECT durable, sliding, key, period, bucket, need FROM need WHERE need > 0
    ) AS part
    GROUP BY durable, sliding, key, period, bucket
    HAVING sum(used) > 0
)
