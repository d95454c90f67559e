-- $1 key, $2 the new place, $3 the most places, $4 for how many microseconds. A row comes back when it was taken.
INSERT INTO dbopt.limit_place AS taken (key, places, ends)
VALUES ($1::text::uuid, ARRAY[$2::text::uuid], ARRAY[clock_timestamp() + $4::bigint * interval '1 microsecond'])
ON CONFLICT (key) DO UPDATE SET (places, ends) = (
    SELECT array_agg(place), array_agg("end")
    FROM (
        SELECT place, "end" FROM unnest(taken.places, taken.ends) AS old(place, "end") WHERE "end" > clock_timestamp()
        UNION ALL
        SELECT $2::text::uuid, clock_timestamp() + $4::bigint * interval '1 microsecond'
    ) AS live
)
WHERE (SELECT count(*) FROM unnest(taken.ends) AS "end" WHERE "end" > clock_timestamp()) < $3::bigint
RETURNING true
