-- Sizes in bytes of some tables and indexes ($1), without their other forks, and of their TOAST tables. This takes a
-- short lock of the weakest kind on each of them.
SELECT
    c.oid AS oid,
    pg_catalog.pg_relation_size(c.oid) AS bytes,
    CASE WHEN c.reltoastrelid <> 0 THEN pg_catalog.pg_relation_size(c.reltoastrelid) END AS toast_bytes
FROM pg_catalog.pg_class AS c
WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN ('r', 'm', 'i')
