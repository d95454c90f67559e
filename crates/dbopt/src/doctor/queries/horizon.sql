-- What has been open for long: nothing that it may still see can be vacuumed, and a concurrent build waits for it.
SELECT 'prepared transaction ' || quote_literal(gid), extract(epoch FROM now() - prepared)::float8
FROM pg_prepared_xacts
UNION ALL
SELECT 'session ' || pid || coalesce(' of ' || usename, ''), extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 2 DESC
LIMIT 5
