SELECT n.oid, n.nspname::text, o.rolname::text
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
WHERE n.nspname = ANY ($1::text[])
