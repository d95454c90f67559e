-- $1 the most rows of each table. What somebody holds is passed over.
WITH session AS (
    DELETE FROM dbopt.auth_session WHERE id IN (
        SELECT id FROM dbopt.auth_session WHERE least(idle_until, ends_at) <= clock_timestamp() LIMIT $1::bigint FOR UPDATE SKIP LOCKED
    ) RETURNING 1
),
token AS (
    DELETE FROM dbopt.auth_token WHERE token IN (
        SELECT token FROM dbopt.auth_token WHERE keep_until <= clock_timestamp() LIMIT $1::bigint FOR UPDATE SKIP LOCKED
    ) RETURNING 1
),
subject AS (
    DELETE FROM dbopt.auth_subject WHERE subject IN (
        SELECT subject FROM dbopt.auth_subject WHERE keep_until <= clock_timestamp() LIMIT $1::bigint FOR UPDATE SKIP LOCKED
    ) RETURNING 1
)
SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM token) + (SELECT count(*) FROM subject)
