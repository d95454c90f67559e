SELECT rolname::text, rolsuper, rolbypassrls, rolcreaterole, rolreplication
FROM pg_catalog.pg_roles
