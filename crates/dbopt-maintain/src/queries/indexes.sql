-- Indexes with entries of their own, by identity.
WITH locked AS MATERIALIZED (
    SELECT ARRAY(
        SELECT k.relation FROM pg_catalog.pg_locks AS k
        WHERE k.locktype = 'relation' AND k.mode = 'AccessExclusiveLock' AND k.granted
            AND k.database IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
    ) AS relations
),
equal AS MATERIALIZED (
    -- Operator classes say by their support function 4 whether equal values are equal byte by byte, and of texts only some
    -- collations. That of char(n) has the function, and the server refuses it all the same.
    SELECT
        ARRAY(
            SELECT oc.oid FROM pg_catalog.pg_opclass AS oc
            INNER JOIN pg_catalog.pg_amproc AS p
                ON p.amprocfamily = oc.opcfamily AND p.amproclefttype = oc.opcintype
                AND p.amprocrighttype = oc.opcintype AND p.amprocnum = 4
            WHERE p.amproc = ANY ('{btequalimage,btvarstrequalimage}'::regproc[]) AND oc.opcintype <> 'bpchar'::regtype
        ) AS classes,
        ARRAY(SELECT oc.oid FROM pg_catalog.pg_opclass AS oc WHERE oc.oid < 16384) AS built_in_classes,
        ARRAY(SELECT co.oid FROM pg_catalog.pg_collation AS co WHERE NOT co.collisdeterministic) AS loose_collations
)
SELECT
    i.indexrelid AS oid,
    c.relfilenode AS relfilenode,
    c.relname::text AS name,
    i.indrelid AS relation,
    m.amname::text AS method,
    i.indisvalid AS is_valid,
    i.indisready AS is_ready,
    i.indisunique AS is_unique,
    i.indisexclusion AS is_exclusion,
    o.name AS constraint_name,
    coalesce(o.is_referenced, false) AS is_referenced,
    CASE WHEN NOT i.indexrelid = ANY (l.relations) THEN pg_catalog.pg_relation_size(i.indexrelid)
        ELSE c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
    END AS bytes,
    c.relpages AS pages,
    c.reltuples::float8 AS rows,
    c.reloptions AS options,
    -- A build keeps equal keys once when equal values are equal byte by byte. Unique indexes are built without.
    m.amname = 'btree' AND NOT i.indisunique AND i.indnatts = i.indnkeyatts
        AND i.indclass::oid[] <@ e.classes AND NOT i.indcollation::oid[] && e.loose_collations AS is_equal_image,
    i.indnkeyatts::int AS key_count,
    -- Printing an expression opens the table.
    CASE WHEN i.indpred IS NOT NULL AND NOT i.indrelid = ANY (l.relations)
        THEN pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    END AS predicate,
    i.indpred IS NOT NULL AS is_partial,
    -- What comes with the server is pinned, and so leaves no dependency.
    (i.indpred IS NULL AND i.indexprs IS NULL) OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
                'pg_catalog.pg_type'::regclass)
    ) AS has_built_in_expressions,
    i.indclass::oid[] <@ e.built_in_classes AS has_built_in_classes,
    pg_catalog.pg_stat_get_numscans(i.indexrelid) AS scans
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
INNER JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN (
    SELECT
        k.conindid,
        pg_catalog.min(k.conname::text) FILTER (WHERE k.contype IN ('p', 'u', 'x')) AS name,
        pg_catalog.bool_or(k.contype = 'f') AS is_referenced
    FROM pg_catalog.pg_constraint AS k WHERE k.conindid <> 0 GROUP BY k.conindid
) AS o ON o.conindid = i.indexrelid
CROSS JOIN equal AS e
CROSS JOIN locked AS l
WHERE i.indislive
ORDER BY i.indexrelid
