SELECT oid, nspname::text FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])
