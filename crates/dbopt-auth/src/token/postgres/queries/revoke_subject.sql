-- $1 subject, $2 how long it is remembered, in microseconds.
INSERT INTO dbopt.auth_subject AS known (subject, epoch, keep_until)
VALUES ($1::text, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    clock_timestamp() + $2::bigint * interval '1 microsecond')
ON CONFLICT (subject) DO UPDATE
SET epoch = greatest(known.epoch + 1, excluded.epoch), keep_until = greatest(known.keep_until, excluded.keep_until)
RETURNING epoch
