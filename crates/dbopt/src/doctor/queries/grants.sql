-- Rights on dbopt's own schema that a runner needs and this user lacks, as GRANT writes them (docs/migrations.md).
-- Tables that are not there yet are left out.
SELECT 'SCHEMA dbopt' AS object, 'USAGE' AS rights, 0 AS place
FROM pg_namespace
WHERE nspname = 'dbopt' AND NOT has_schema_privilege(oid, 'USAGE')
UNION ALL
SELECT 'dbopt.' || relation.relname, string_agg(needed.rights, ', ' ORDER BY needed.place), min(relation.oid::int8)
FROM (VALUES ('migration', 'SELECT', 1),
             ('audit_record', 'SELECT', 1), ('audit_record', 'INSERT', 2),
             ('run', 'SELECT', 1), ('run', 'INSERT', 2), ('run', 'UPDATE', 3),
             ('journal', 'SELECT', 1), ('journal', 'INSERT', 2), ('journal', 'UPDATE', 3),
             ('history', 'SELECT', 1), ('history', 'INSERT', 2), ('history', 'DELETE', 3)
     ) AS needed (name, rights, place)
JOIN pg_class AS relation ON relation.relname = needed.name
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace AND schema.nspname = 'dbopt'
WHERE NOT has_table_privilege(relation.oid, needed.rights)
GROUP BY relation.relname
ORDER BY place
