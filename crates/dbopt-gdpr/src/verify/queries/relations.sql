-- Tables and materialised views with rows of their own, and which of their columns can hold a text. A type is looked through to
-- what it is made of: domains, elements of arrays, fields of composite types, bounds of ranges.
WITH RECURSIVE relation AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispopulated, c.relpersistence,
           CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END AS root, row_security_active(c.oid) AS secured, has_table_privilege(c.oid, 'SELECT') AS whole,
           has_schema_privilege(n.oid, 'USAGE') AS reachable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND n.nspname !~ '^pg_toast_temp_' AND (c.relpersistence <> 't' OR c.relnamespace = pg_my_temp_schema())
), col AS (
    SELECT a.attrelid, a.attnum, a.attname, a.atttypid FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), part(root, oid) AS (
    SELECT DISTINCT atttypid, atttypid FROM col
    UNION
    SELECT p.root, inner_type.oid FROM part p JOIN pg_type t ON t.oid = p.oid, LATERAL (
        SELECT t.typbasetype AS oid WHERE t.typbasetype <> 0
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0 AND t.typcategory = 'A'
        UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid OR g.rngmultitypid = t.oid
    ) inner_type
), kind AS (
    SELECT p.root,
           bool_or((t.typtype = 'b' AND n.nspname = 'pg_catalog'
                    AND (t.typcategory = 'S' OR t.typname IN ('json', 'jsonb', 'jsonpath', 'xml', 'bytea', 'tsvector', 'tsquery')))
                OR (t.typtype = 'b' AND n.nspname <> 'pg_catalog' AND t.typcategory <> 'A')) AS texts,
           bool_or(t.typname IN ('int8', 'int4', 'numeric')) AS numbers,
           bool_or(t.typname = 'uuid') AS uuids,
           bool_or(t.typname IN ('inet', 'cidr')) AS addresses,
           bool_or(t.typname IN ('tsvector', 'tsquery') OR (t.typtype = 'b' AND t.typsend = 0)) AS as_text
    FROM part p JOIN pg_type t ON t.oid = p.oid JOIN pg_namespace n ON n.oid = t.typnamespace
    GROUP BY p.root
)
SELECT r.nspname::text AS schema, r.relname::text AS name, r.relkind AS kind, r.relispopulated AS populated, r.secured,
       r.reachable, r.whole, rs.nspname::text AS root_schema, rc.relname::text AS root_name,
       r.relpersistence = 'u' AND pg_is_in_recovery() AS absent,
       ARRAY(SELECT quote_ident(a.attname) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, at)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = r.oid AND i.indisprimary AND k.at <= i.indnkeyatts ORDER BY k.at) AS key,
       coalesce(c.names, '{}') AS columns, c.texts, c.numbers, c.uuids, c.addresses, c.as_text, c.readable
FROM relation r JOIN pg_class rc ON rc.oid = r.root JOIN pg_namespace rs ON rs.oid = rc.relnamespace LEFT JOIN LATERAL (
    SELECT array_agg(col.attname::text ORDER BY col.attnum) AS names, array_agg(kind.texts ORDER BY col.attnum) AS texts,
           array_agg(kind.numbers ORDER BY col.attnum) AS numbers, array_agg(kind.uuids ORDER BY col.attnum) AS uuids,
           array_agg(kind.addresses ORDER BY col.attnum) AS addresses, array_agg(kind.as_text ORDER BY col.attnum) AS as_text,
           array_agg(has_column_privilege(r.oid, col.attnum, 'SELECT') ORDER BY col.attnum) AS readable
    FROM col JOIN kind ON kind.root = col.atttypid WHERE col.attrelid = r.oid
) c ON true
ORDER BY r.nspname, r.relname
