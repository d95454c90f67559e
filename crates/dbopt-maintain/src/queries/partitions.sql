-- Partitions with their bounds. `inhdetachpending` came with 14.
SELECT
    c.oid AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    p.oid AS parent,
    pn.nspname::text AS parent_schema,
    p.relname::text AS parent_name,
    k.columns AS columns,
    k.types AS types,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
    coalesce((pg_catalog.to_jsonb(h) ->> 'inhdetachpending')::boolean, false) AS detach_pending,
    c.relkind = 'p' AS is_partitioned
FROM pg_catalog.pg_inherits AS h
INNER JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND c.relkind IN ('r', 'p')
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
INNER JOIN pg_catalog.pg_class AS p ON p.oid = h.inhparent AND p.relkind = 'p'
INNER JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
INNER JOIN pg_catalog.pg_partitioned_table AS t ON t.partrelid = p.oid
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.array_agg(a.attname::text ORDER BY u.at) AS columns,
        pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, NULL) ORDER BY u.at) AS types
    FROM pg_catalog.unnest(t.partattrs::int2[]) WITH ORDINALITY AS u (number, at)
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.oid AND a.attnum = u.number AND u.number <> 0
) AS k
ORDER BY p.oid, pg_catalog.pg_get_expr(c.relpartbound, c.oid), c.oid
