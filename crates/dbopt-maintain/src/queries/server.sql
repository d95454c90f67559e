-- The server and its settings, as one row. A setting that this major does not know is null.
SELECT
    pg_catalog.current_setting('server_version_num')::int AS version_num,
    (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint AS now,
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    pg_catalog.current_setting('block_size')::int AS block_size,
    pg_catalog.current_database()::text AS database,
    current_user::text AS role,
    pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
    (SELECT pg_catalog.array_agg(s.name ORDER BY s.name) FROM pg_catalog.pg_settings AS s WHERE s.name = ANY ($1))
        AS names,
    (SELECT pg_catalog.array_agg(s.setting ORDER BY s.name) FROM pg_catalog.pg_settings AS s WHERE s.name = ANY ($1))
        AS settings
