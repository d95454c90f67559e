-- Columns of tables of users and of the system, dropped ones included, by table and number.
SELECT
    a.attrelid AS relation,
    a.attnum AS number,
    a.attname::text AS name,
    -- Virtual columns (18) are computed when they are read.
    NOT a.attisdropped AND a.attgenerated <> 'v' AS is_stored,
    a.atthasmissing AS is_added,
    a.attlen AS length,
    a.attalign::text AS align,
    a.attstorage::text AS storage,
    NOT a.attisdropped AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS is_readable
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
WHERE a.attnum > 0 AND c.relkind IN ('r', 'm', 'p')
ORDER BY a.attrelid, a.attnum
