-- Who keeps dead rows of this database from being removed, the oldest first, those whose age is hidden at the end.
SELECT * FROM (
    SELECT
        'session' AS kind,
        pg_catalog.concat_ws(', ', 'process ' || a.pid, 'user ' || a.usename, nullif(a.application_name, ''), a.state)
            AS name,
        a.pid AS pid,
        a.datname::text AS database,
        greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid))::bigint AS xid_age,
        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds,
        false AS only_catalogues
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
        AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
        AND a.backend_type IS DISTINCT FROM 'walsender'
        -- The server leaves a VACUUM's own horizon out.
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
    UNION ALL
    SELECT 'prepared', p.gid, NULL, p.database::text, pg_catalog.age(p.transaction)::bigint,
        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared), false
    FROM pg_catalog.pg_prepared_xacts AS p
    WHERE p.database = pg_catalog.current_database()
    UNION ALL
    SELECT 'slot', s.slot_name::text, s.active_pid, NULL,
        greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin))::bigint, NULL, s.xmin IS NULL
    FROM pg_catalog.pg_replication_slots AS s
    WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'standby', coalesce(nullif(r.application_name, ''), 'process ' || r.pid), r.pid, NULL,
        pg_catalog.age(r.backend_xmin)::bigint, NULL, false
    FROM pg_catalog.pg_stat_replication AS r
    WHERE r.backend_xmin IS NOT NULL
) AS h
ORDER BY h.xid_age DESC NULLS LAST, h.seconds DESC NULLS LAST
LIMIT 100
