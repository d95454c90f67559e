-- The server, the database and the session, in one row. Columns that differ between majors are read through to_jsonb:
-- datlocprovider (15), daticulocale (15 and 16), datlocale (17).
SELECT
    pg_catalog.current_setting('server_version_num')::int AS version_num,
    pg_catalog.current_setting('block_size')::int AS block_size,
    pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
    CASE COALESCE(j.database ->> 'datlocprovider', 'c')
        WHEN 'c' THEN d.datcollate::text
        ELSE COALESCE(j.database ->> 'datlocale', j.database ->> 'daticulocale', d.datcollate::text)
    END AS collation,
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    EXTRACT(epoch FROM s.stats_reset)::bigint AS statistics_reset,
    EXTRACT(epoch FROM pg_catalog.transaction_timestamp())::bigint AS read_at,
    d.datname::text AS database,
    CURRENT_USER::text AS role
FROM pg_catalog.pg_database AS d
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(d) AS database) AS j
LEFT JOIN pg_catalog.pg_stat_database AS s ON s.datid = d.oid
WHERE d.datname = pg_catalog.current_database()
