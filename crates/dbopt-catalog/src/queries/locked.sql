-- Relations of this database that another session locks against readers, or waits to lock, which makes readers wait too.
SELECT DISTINCT l.relation AS oid, n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_locks AS l
INNER JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation'
    AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    AND l.pid <> pg_catalog.pg_backend_pid()
    AND c.relkind IN ('r', 'p', 'm', 'f', 'v')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'dbopt')
ORDER BY n.nspname::text, c.relname::text
