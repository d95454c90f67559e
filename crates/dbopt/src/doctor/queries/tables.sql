-- Tables with rows of their own, outside of the system's and of dbopt's schemas.
SELECT n.nspname::text,
       c.relname::text,
       pg_get_userbyid(c.relowner)::text,
       (SELECT rolsuper FROM pg_roles WHERE oid = c.relowner),
       has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'),
       pg_has_role(current_user, c.relowner, 'USAGE'),
       -- Before PostgreSQL 14 a table that was never analysed had no other mark.
       c.reltuples < 0
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> ALL ('{information_schema,dbopt}')
ORDER BY 1, 2
