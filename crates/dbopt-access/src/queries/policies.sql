-- A role 0 is everybody, which no role is.
SELECT p.polrelid, p.polname::text, p.polpermissive, p.polcmd::text,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles) ORDER BY 1),
       0 = ANY (p.polroles), pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_catalog.pg_policy p
WHERE p.polrelid = ANY ($1::oid[])
ORDER BY 1, 2
