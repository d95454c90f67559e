-- Tables, materialised views, partitioned tables and TOAST tables, by identity. The counters are read by the functions
-- below pg_stat_all_tables, which itself would look each table's indexes up. Finding a size waits for whoever holds the
-- table exclusively, so that it is then taken from the last count of pages.
WITH locked AS MATERIALIZED (
    SELECT ARRAY(
        SELECT k.relation FROM pg_catalog.pg_locks AS k
        WHERE k.locktype = 'relation' AND k.mode = 'AccessExclusiveLock' AND k.granted
            AND k.database IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
    ) AS relations
),
mighty AS MATERIALIZED (
    -- Superusers, and roles that may become one.
    SELECT ARRAY(
        SELECT r.oid FROM pg_catalog.pg_roles AS r
        WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS s WHERE s.rolsuper AND pg_catalog.pg_has_role(r.oid, s.oid, 'MEMBER'))
    ) AS roles
)
SELECT
    c.oid AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relfilenode AS relfilenode,
    pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
    c.relowner = ANY (y.roles) AS owner_is_superuser,
    c.oid = ANY (l.relations) AS is_locked,
    c.reltoastrelid AS toast,
    CASE WHEN c.relispartition
        THEN (SELECT h.inhparent FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = c.oid)
    END AS parent,
    -- Below this number is what initdb made, the TOAST tables of catalogues included.
    c.oid < 16384 AS is_system,
    c.relpersistence::text AS persistence,
    CASE
        WHEN c.relkind = 'p' THEN 0
        WHEN NOT c.oid = ANY (l.relations) THEN pg_catalog.pg_relation_size(c.oid)
        ELSE c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
    END AS bytes,
    c.relpages AS pages,
    c.reltuples::float8 AS rows,
    c.reloptions AS options,
    CASE WHEN c.relfrozenxid <> '0'::xid THEN pg_catalog.age(c.relfrozenxid) END AS xid_age,
    CASE WHEN c.relminmxid <> '0'::xid THEN pg_catalog.mxid_age(c.relminmxid) END AS mxid_age,
    pg_catalog.pg_stat_get_live_tuples(c.oid) AS n_live,
    pg_catalog.pg_stat_get_dead_tuples(c.oid) AS n_dead,
    pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS n_mod_since_analyze,
    pg_catalog.pg_stat_get_ins_since_vacuum(c.oid) AS n_ins_since_vacuum,
    (EXTRACT(epoch FROM pg_catalog.pg_stat_get_last_vacuum_time(c.oid)) * 1000000)::bigint AS last_vacuum,
    (EXTRACT(epoch FROM pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)) * 1000000)::bigint AS last_autovacuum,
    (EXTRACT(epoch FROM pg_catalog.pg_stat_get_last_analyze_time(c.oid)) * 1000000)::bigint AS last_analyze,
    (EXTRACT(epoch FROM pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) * 1000000)::bigint AS last_autoanalyze,
    pg_catalog.pg_stat_get_autovacuum_count(c.oid) AS autovacuum_count,
    pg_catalog.pg_has_role(c.relowner, 'USAGE')
        OR CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 170000
            THEN pg_catalog.has_table_privilege(c.oid, 'MAINTAIN') ELSE false
        END AS may_maintain,
    c.relrowsecurity AND pg_catalog.row_security_active(c.oid) AS row_security,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS is_reachable
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN locked AS l
CROSS JOIN mighty AS y
WHERE c.relkind IN ('r', 'm', 'p', 't')
ORDER BY c.oid
