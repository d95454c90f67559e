-- $1 session, $2 number, $3 grace and $4 idle in microseconds.
WITH held AS MATERIALIZED (
    SELECT * FROM dbopt.auth_session WHERE id = $1::text::uuid FOR UPDATE
),
-- The time when it is locked.
clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM held) AS locked
),
told AS MATERIALIZED (
    SELECT held.*, clock.now, held.number = $2::bigint AS is_present,
        held.number = $2::bigint + 1 AND clock.now < held.rotated_at + $3::bigint * interval '1 microsecond' AS is_again,
        least(held.idle_until, held.ends_at) <= clock.now OR EXISTS (
            SELECT FROM dbopt.auth_subject AS other
            WHERE other.subject = held.subject AND other.keep_until > clock.now AND other.epoch > held.epoch
        ) AS has_ended
    FROM held CROSS JOIN clock
),
ended AS (
    DELETE FROM dbopt.auth_session AS session USING told
    WHERE session.id = told.id AND (told.has_ended OR NOT (told.is_present OR told.is_again))
),
rotated AS (
    UPDATE dbopt.auth_session AS session
    SET number = told.number + 1, rotated_at = told.now, idle_until = told.now + $4::bigint * interval '1 microsecond'
    FROM told
    WHERE session.id = told.id AND told.is_present AND NOT told.has_ended
)
SELECT has_ended, is_present OR is_again, number + CASE WHEN is_present THEN 1 ELSE 0 END, subject, epoch, data FROM told
