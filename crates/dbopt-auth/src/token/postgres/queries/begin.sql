-- $1 session, $2 subject, $3 data, $4 idle and $5 longest in microseconds.
INSERT INTO dbopt.auth_session (id, subject, data, epoch, number, rotated_at, idle_until, ends_at)
SELECT $1::text::uuid, $2::text, $3::text,
    coalesce((SELECT epoch FROM dbopt.auth_subject WHERE subject = $2::text AND keep_until > clock.now), 0), 0, clock.now,
    clock.now + $4::bigint * interval '1 microsecond', clock.now + $5::bigint * interval '1 microsecond'
FROM (SELECT clock_timestamp() AS now) AS clock
RETURNING epoch
