-- Extended statistics of some tables ($1). Everyone sees what is declared; the values only whom pg_stats_ext shows them.
SELECT
    e.stxrelid AS relation,
    n.nspname::text AS schema,
    e.stxname::text AS name,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.unnest(e.stxkeys::int2[]) WITH ORDINALITY AS k (attnum, at)
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = e.stxrelid AND a.attnum = k.attnum
        ORDER BY k.at
    ) AS columns,
    v.n_distinct::text AS n_distinct,
    v.dependencies::text AS dependencies,
    v.statistics_name IS NOT NULL AS has_values
FROM pg_catalog.pg_statistic_ext AS e
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = e.stxnamespace
INNER JOIN pg_catalog.pg_class AS c ON c.oid = e.stxrelid
LEFT JOIN pg_catalog.pg_stats_ext AS v
    ON v.statistics_schemaname = n.nspname AND v.statistics_name = e.stxname
    AND COALESCE((pg_catalog.to_jsonb(v) ->> 'inherited')::boolean, c.relkind = 'p') = (c.relkind = 'p')
WHERE e.stxrelid = ANY ($1::oid[])
ORDER BY e.stxrelid, n.nspname::text COLLATE "C", e.stxname::text COLLATE "C"
