-- The search path of this session; asked before the reader sets its own, hence with every name qualified.
SELECT pg_catalog.current_schemas(false)::pg_catalog.text[] AS search_path
