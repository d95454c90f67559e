-- Rights of others than the owner: on schemas $1, relations $2 with their columns, functions $3. No grantee is everybody.
WITH held (class, oid, attname, owner, acl) AS (
    SELECT 'n', n.oid, NULL::name, n.nspowner, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))
    FROM pg_catalog.pg_namespace n WHERE n.oid = ANY ($1::oid[])
    UNION ALL
    SELECT 'r', c.oid, NULL, c.relowner,
           coalesce(c.relacl, pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
    FROM pg_catalog.pg_class c WHERE c.oid = ANY ($2::oid[])
    UNION ALL
    SELECT 'r', c.oid, a.attname, c.relowner, a.attacl
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.oid = ANY ($2::oid[]) AND a.attacl IS NOT NULL
    UNION ALL
    SELECT 'f', p.oid, NULL, p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc p WHERE p.oid = ANY ($3::oid[])
)
SELECT h.class, h.oid, h.attname::text, x.privilege_type, e.rolname::text, r.rolname::text, x.grantor = h.owner, x.is_grantable
FROM held h CROSS JOIN LATERAL pg_catalog.aclexplode(h.acl) x
LEFT JOIN pg_catalog.pg_roles e ON e.oid = x.grantee
LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantor
WHERE x.grantee <> h.owner AND (x.grantee = 0 OR e.oid IS NOT NULL)
ORDER BY 1, 2, 3, 4, 5, 6
