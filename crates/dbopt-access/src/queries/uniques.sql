-- Unique indexes of whole rows: the columns by name, an expression is none. Those of partitions are their parent's.
SELECT i.indrelid, x.relname::text, i.indisprimary, i.indpred IS NULL AND i.indimmediate AND i.indisvalid,
       ARRAY(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS u (attnum, at)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum ORDER BY u.at)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE i.indisunique AND NOT x.relispartition AND i.indrelid = ANY ($1::oid[])
ORDER BY 1, 2
