-- Columns of some relations ($1), dropped ones left out.
SELECT
    a.attrelid AS relation,
    a.attnum AS attnum,
    a.attname::text AS name,
    pg_catalog.format_type(a.atttypid, NULL) AS type,
    CASE WHEN a.atttypmod >= 0
        THEN pg_catalog.substring(pg_catalog.format_type(a.atttypid, a.atttypmod), '\([^()"]*\)')
    END AS modifier,
    t.typlen AS length,
    t.typalign::text AS align,
    t.typcategory::text AS category,
    CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, NULL) END AS base,
    a.attnotnull AS not_null,
    CASE WHEN a.attcollation <> t.typcollation THEN l.collname::text END AS collation,
    a.attgenerated = 's' AS generated,
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
