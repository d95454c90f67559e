-- $1 schemas that are compared, $2 and $3 the tables of tenants, $4 the column that a table of tenants has.
WITH RECURSIVE tenant (oid, root) AS (
    SELECT c.oid, c.oid
    FROM unnest($2::text[], $3::text[]) AS w (schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    UNION
    SELECT i.inhrelid, t.root FROM tenant t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
), reads (reader, read) AS MATERIALIZED (
    SELECT DISTINCT r.ev_class, d.refobjid
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
    WHERE r.rulename = '_RETURN'
), over (oid) AS (
    SELECT r.reader FROM reads r JOIN tenant t ON t.oid = r.read
    UNION
    SELECT r.reader FROM over o JOIN reads r ON r.read = o.oid
)
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, o.rolname::text,
       c.relrowsecurity, c.relforcerowsecurity,
       coalesce((SELECT v.option_value::boolean FROM pg_catalog.pg_options_to_table(c.reloptions) v
                 WHERE v.option_name = 'security_invoker'), false),
       (SELECT min(t.root) FROM tenant t WHERE t.oid = c.oid),
       EXISTS (SELECT FROM over v WHERE v.oid = c.oid),
       EXISTS (SELECT FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = c.oid AND a.attname = $4 AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND (n.nspname = ANY ($1::text[]) OR c.oid IN (SELECT t.oid FROM tenant t) OR c.oid IN (SELECT v.oid FROM over v))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2, 3
