-- Queries of some views ($1). This takes a short lock of the weakest kind on what they read.
SELECT c.oid AS oid, pg_catalog.pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class AS c
WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN ('v', 'm')
