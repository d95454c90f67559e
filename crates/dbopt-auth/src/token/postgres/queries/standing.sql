-- $1 token, $2 subject.
SELECT EXISTS (SELECT FROM dbopt.auth_token WHERE token = $1::text AND keep_until > clock.now),
    coalesce((SELECT epoch FROM dbopt.auth_subject WHERE subject = $2::text AND keep_until > clock.now), 0)
FROM (SELECT clock_timestamp() AS now) AS clock
