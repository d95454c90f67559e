SELECT c.rolname::text, n.nspname::text, d.defaclobjtype::text, x.privilege_type, e.rolname::text, x.is_grantable
FROM pg_catalog.pg_default_acl d
JOIN pg_catalog.pg_roles c ON c.oid = d.defaclrole
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
LEFT JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) x ON x.grantee <> d.defaclrole
LEFT JOIN pg_catalog.pg_roles e ON e.oid = x.grantee
WHERE d.defaclnamespace = 0 OR n.nspname = ANY ($1::text[])
ORDER BY 1, 2, 3, 4, 5
