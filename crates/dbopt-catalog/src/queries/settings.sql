-- Settings that are numbers or switches, as they hold in this session.
SELECT name::text AS name, setting::text AS setting, unit::text AS unit
FROM pg_catalog.pg_settings
WHERE vartype IN ('bool', 'integer', 'real')
