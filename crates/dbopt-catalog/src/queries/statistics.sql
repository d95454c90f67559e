-- Column statistics of some tables and indexes ($1), as far as this role may see them. A partitioned table has those
-- of the whole tree only; any other table that is inherited from has both, and its own rows count.
SELECT
    c.oid AS relation,
    a.attnum AS attnum,
    s.null_frac AS null_fraction,
    s.avg_width AS average_width,
    s.n_distinct AS n_distinct,
    -- The values of an anyarray are only to be had as text; unnest flattens what looks like nested arrays.
    ARRAY(SELECT pg_catalog.unnest(s.most_common_vals::text::text[])) AS common,
    s.most_common_freqs AS common_frequencies,
    ARRAY(SELECT pg_catalog.unnest(s.histogram_bounds::text::text[])) AS histogram,
    s.correlation AS correlation,
    ARRAY(SELECT pg_catalog.unnest(s.most_common_elems::text::text[])) AS elements,
    s.most_common_elem_freqs AS element_frequencies
FROM pg_catalog.pg_stats AS s
INNER JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schemaname
INNER JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = s.tablename
INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE c.oid = ANY ($1::oid[]) AND s.inherited = (c.relkind = 'p')
ORDER BY c.oid, a.attnum
