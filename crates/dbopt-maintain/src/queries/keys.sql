-- What the entries of indexes hold, by index and position.
SELECT
    a.attrelid AS relation,
    nullif(i.indkey[a.attnum - 1], 0) AS column_number,
    -- Printing an expression opens the table, and so would wait for whoever holds it exclusively.
    CASE
        WHEN i.indkey[a.attnum - 1] <> 0 THEN NULL
        WHEN EXISTS (
            SELECT FROM pg_catalog.pg_locks AS k
            WHERE k.locktype = 'relation' AND k.mode = 'AccessExclusiveLock' AND k.granted AND k.relation = i.indrelid
        ) THEN ''
        ELSE pg_catalog.pg_get_indexdef(i.indexrelid, a.attnum, false)
    END AS expression,
    a.attlen AS length,
    a.attalign::text AS align,
    a.attstorage::text AS storage
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind = 'i'
INNER JOIN pg_catalog.pg_index AS i ON i.indexrelid = a.attrelid
WHERE a.attnum > 0 AND i.indislive
ORDER BY a.attrelid, a.attnum
