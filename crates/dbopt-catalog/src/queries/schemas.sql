-- The schemas of users (the system's and dbopt's own are none), and whether each of the patterns ($1: regular expressions) matches them.
SELECT
    n.oid AS oid,
    n.nspname::text AS name,
    ARRAY(
        SELECT n.nspname::text OPERATOR(pg_catalog.~) p.pattern
        FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS p (pattern, at)
        ORDER BY p.at
    ) AS matches
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'dbopt')
    AND n.nspname::text !~ '^pg_(toast_)?temp_'
ORDER BY n.nspname::text COLLATE "C"
