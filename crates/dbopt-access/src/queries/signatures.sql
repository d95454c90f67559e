-- To look a name up in a schema needs USAGE of it, and without would end in an error.
SELECT s.signature,
       CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_namespace n
                         WHERE n.nspname = s.schema AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'))
            THEN pg_catalog.to_regprocedure(s.signature)::oid END
FROM unnest($1::text[], $2::text[]) AS s (schema, signature)
