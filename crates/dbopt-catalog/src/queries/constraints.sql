-- Constraints of some tables ($1) other than NOT NULL. A foreign key on a partitioned table has further rows, one for
-- each partition, on the same referencing table; they say nothing new.
SELECT
    o.conrelid AS relation,
    o.conname::text AS name,
    o.contype::text AS kind,
    k.columns AS columns,
    fn.nspname::text AS foreign_schema,
    f.relname::text AS foreign_table,
    fk.columns AS foreign_columns,
    o.confdeltype::text AS on_delete,
    pg_catalog.pg_get_expr(o.conbin, o.conrelid) AS expression
FROM pg_catalog.pg_constraint AS o
CROSS JOIN LATERAL (
    SELECT COALESCE(pg_catalog.array_agg(a.attname::text ORDER BY p.at), '{}') AS columns
    FROM pg_catalog.unnest(o.conkey) WITH ORDINALITY AS p (attnum, at)
    INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.conrelid AND a.attnum = p.attnum
) AS k
CROSS JOIN LATERAL (
    SELECT COALESCE(pg_catalog.array_agg(a.attname::text ORDER BY p.at), '{}') AS columns
    FROM pg_catalog.unnest(o.confkey) WITH ORDINALITY AS p (attnum, at)
    INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.confrelid AND a.attnum = p.attnum
) AS fk
LEFT JOIN pg_catalog.pg_class AS f ON f.oid = o.confrelid
LEFT JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.relnamespace
WHERE o.conrelid = ANY ($1::oid[])
    AND o.contype IN ('p', 'u', 'x', 'f', 'c')
    AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_constraint AS q
        WHERE q.oid = o.conparentid AND q.conrelid = o.conrelid
    )
ORDER BY o.conrelid, o.conname::text COLLATE "C"
