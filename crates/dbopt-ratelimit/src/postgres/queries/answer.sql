-- For each window that was asked: whether all admit, the time, and the buckets used, the oldest first: after the charge
-- when it was made.
SELECT verdict.admitted, clock.now, used.buckets, used.amounts
FROM asked CROSS JOIN verdict CROSS JOIN clock
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(part.bucket ORDER BY part.bucket), '{}') AS buckets,
        coalesce(array_agg(part.used ORDER BY part.bucket), '{}') AS amounts
    FROM (
        SELECT * FROM after WHERE $8 AND verdict.admitted
        UNION ALL
        SELECT * FROM before WHERE NOT ($8 AND verdict.admitted)
    ) AS part
    WHERE (part.durable, part.sliding, part.key, part.period) = (asked.durable, asked.sliding, asked.key, asked.period)
) AS used
ORDER BY asked.place
