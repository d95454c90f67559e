-- What ANALYZE found of the columns that this role may read, by schema and table.
SELECT
    s.schemaname::text AS schema,
    s.tablename::text AS name,
    pg_catalog.array_agg(s.attname::text) AS columns,
    pg_catalog.array_agg(s.null_frac) AS nulls,
    pg_catalog.array_agg(s.avg_width) AS widths,
    pg_catalog.array_agg(s.n_distinct) AS distinct_values
FROM pg_catalog.pg_stats AS s
WHERE NOT s.inherited AND s.schemaname NOT IN ('pg_catalog', 'information_schema')
GROUP BY s.schemaname, s.tablename
