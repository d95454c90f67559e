-- $1 token, $2 how long it is remembered, in microseconds.
INSERT INTO dbopt.auth_token AS known (token, keep_until)
VALUES ($1::text, clock_timestamp() + $2::bigint * interval '1 microsecond')
ON CONFLICT (token) DO UPDATE SET keep_until = greatest(known.keep_until, excluded.keep_until)
