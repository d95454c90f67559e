-- $1 the most rows.
WITH forgotten AS (
    SELECT key FROM dbopt.limit_place
    WHERE NOT EXISTS (SELECT FROM unnest(ends) AS "end" WHERE "end" > clock_timestamp())
    LIMIT $1::bigint FOR UPDATE SKIP LOCKED
)
DELETE FROM dbopt.limit_place AS place USING forgotten
WHERE place.key = forgotten.key
    AND NOT EXISTS (SELECT FROM unnest(place.ends) AS "end" WHERE "end" > clock_timestamp())
