-- Who makes a role is given it by PostgreSQL 16 and later, to administer: neither inherited nor to be switched to.
SELECT r.rolname::text, m.rolname::text
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, true) OR coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)
GROUP BY 1, 2 ORDER BY 1, 2
