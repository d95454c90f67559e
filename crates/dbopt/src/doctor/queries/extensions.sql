SELECT name::text, installed_version FROM pg_available_extensions
WHERE name = ANY ('{hypopg,pg_stat_statements}')
