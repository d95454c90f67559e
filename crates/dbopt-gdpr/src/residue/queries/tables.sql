-- Tables with rows of their own, what VACUUM and ANALYZE have done to them, and whether anything was ever deleted or changed.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid, rn.nspname::text AS root_schema, rc.relname::text AS root_name,
       pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) AS bytes,
       s.n_dead_tup AS dead, s.n_tup_upd + s.n_tup_del AS changes,
       coalesce(greatest(s.last_vacuum, s.last_autovacuum) > $1, false) AS vacuumed,
       coalesce(greatest(s.last_analyze, s.last_autoanalyze) > $1, false) AS analysed,
       coalesce(d.stats_reset > $1, false) AS forgotten,
       ARRAY(SELECT format('ALTER COLUMN %I TYPE %s', a.attname, format_type(a.atttypid, a.atttypmod))
             FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 AND EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND p.attname = a.attname)
             ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class rc ON rc.oid = CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END
JOIN pg_namespace rn ON rn.oid = rc.relnamespace
JOIN pg_stat_all_tables s ON s.relid = c.oid
LEFT JOIN pg_stat_database d ON d.datname = current_database()
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname
