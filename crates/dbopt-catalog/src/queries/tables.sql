-- Tables, views and the like of some schemas ($1) except some ($2), with their use.
SELECT
    c.oid AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relpages AS relpages,
    c.reltuples::float8 AS reltuples,
    c.relallvisible AS relallvisible,
    c.reloptions AS options,
    pn.nspname::text AS parent_schema,
    p.relname::text AS parent_name,
    pg_catalog.pg_get_partkeydef(c.oid) AS partition_key,
    pk.columns AS partition_columns,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    s.relid IS NOT NULL AS has_activity,
    s.seq_scan AS seq_scan,
    s.seq_tup_read AS seq_tup_read,
    s.idx_scan AS idx_scan,
    s.n_tup_ins AS n_tup_ins,
    s.n_tup_upd AS n_tup_upd,
    s.n_tup_hot_upd AS n_tup_hot_upd,
    s.n_tup_del AS n_tup_del,
    s.n_live_tup AS n_live_tup,
    s.n_dead_tup AS n_dead_tup,
    EXTRACT(epoch FROM GREATEST(s.last_analyze, s.last_autoanalyze))::bigint AS last_analyze,
    EXTRACT(epoch FROM GREATEST(s.last_vacuum, s.last_autovacuum))::bigint AS last_vacuum,
    pg_catalog.row_security_active(c.oid) AS row_security
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid AND i.inhseqno = 1
LEFT JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
LEFT JOIN LATERAL (
    -- NULL stands for an expression.
    SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.at) AS columns
    FROM pg_catalog.pg_partitioned_table AS t
    CROSS JOIN LATERAL pg_catalog.unnest(t.partattrs::int2[]) WITH ORDINALITY AS k (attnum, at)
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = k.attnum AND k.attnum > 0
    WHERE t.partrelid = c.oid
) AS pk ON true
WHERE c.relnamespace = ANY ($1::oid[])
    AND c.oid <> ALL ($2::oid[])
    AND c.relkind IN ('r', 'p', 'm', 'f', 'v')
ORDER BY n.nspname::text COLLATE "C", c.relname::text COLLATE "C"
