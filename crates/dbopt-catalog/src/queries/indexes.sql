-- Indexes of some tables ($1) with their use. Columns that came with a major are read through to_jsonb:
-- indnullsnotdistinct (15), last_idx_scan (16).
SELECT
    i.indexrelid AS oid,
    i.indrelid AS relation,
    n.nspname::text AS schema,
    c.relname::text AS name,
    m.amname::text AS method,
    c.relkind::text AS kind,
    c.relpages AS relpages,
    c.reltuples::float8 AS reltuples,
    c.reloptions AS options,
    i.indnkeyatts AS key_count,
    k.columns AS columns,
    k.texts AS texts,
    k.opclasses AS opclasses,
    k.collations AS collations,
    k.options AS key_options,
    pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
    i.indisunique AS is_unique,
    COALESCE((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,
    i.indisprimary AS is_primary,
    i.indisvalid AS valid,
    i.indisready AS ready,
    i.indisreplident OR i.indisclustered AS identity,
    o.conname::text AS constraint_name,
    s.idx_scan AS scans,
    EXTRACT(epoch FROM (pg_catalog.to_jsonb(s) ->> 'last_idx_scan')::timestamptz)::bigint AS last_scan,
    pn.nspname::text AS parent_schema,
    p.relname::text AS parent_name,
    pg_catalog.pg_get_indexdef(i.indexrelid) AS definition
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
INNER JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
CROSS JOIN LATERAL (
    SELECT
        -- NULL stands for an expression, whose text is in the next array.
        pg_catalog.array_agg(a.attname::text ORDER BY p.at) AS columns,
        pg_catalog.array_agg(
            CASE WHEN p.attnum = 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, p.at::int, false) END ORDER BY p.at
        ) AS texts,
        pg_catalog.array_agg(CASE WHEN NOT oc.opcdefault THEN oc.opcname::text END ORDER BY p.at) AS opclasses,
        pg_catalog.array_agg(
            -- An index column has the collation that its expression or table column would have had by itself, unless
            -- another is asked for; the former is not stored for expressions, and their type's stands in for it.
            CASE WHEN p.coll <> 0 AND p.coll <> COALESCE(a.attcollation, t.typcollation)
                THEN l.collname::text
            END ORDER BY p.at
        ) AS collations,
        pg_catalog.array_agg(p.option ORDER BY p.at) AS options
    FROM ROWS FROM (
        pg_catalog.unnest(i.indkey::int2[]),
        pg_catalog.unnest(i.indclass::oid[]),
        pg_catalog.unnest(i.indcollation::oid[]),
        pg_catalog.unnest(i.indoption::int2[])
    ) WITH ORDINALITY AS p (attnum, opclass, coll, option, at)
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = p.attnum AND p.attnum <> 0
    LEFT JOIN pg_catalog.pg_attribute AS x ON x.attrelid = i.indexrelid AND x.attnum = p.at
    LEFT JOIN pg_catalog.pg_type AS t ON t.oid = x.atttypid
    LEFT JOIN pg_catalog.pg_opclass AS oc ON oc.oid = p.opclass
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = p.coll
) AS k
LEFT JOIN pg_catalog.pg_constraint AS o ON o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_stat_all_indexes AS s ON s.indexrelid = i.indexrelid
LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = i.indexrelid
LEFT JOIN pg_catalog.pg_class AS p ON p.oid = h.inhparent
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE i.indrelid = ANY ($1::oid[]) AND i.indislive
ORDER BY i.indrelid, c.relname::text COLLATE "C"
