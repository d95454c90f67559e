-- $1 key, $2 the place.
UPDATE dbopt.limit_place AS taken SET (places, ends) = (
    SELECT coalesce(array_agg(place), '{}'), coalesce(array_agg("end"), '{}')
    FROM unnest(taken.places, taken.ends) AS old(place, "end") WHERE place <> $2::text::uuid
)
WHERE key = $1::text::uuid AND $2::text::uuid = ANY (taken.places)
