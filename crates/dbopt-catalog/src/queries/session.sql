-- What the texts below depend on, for this transaction or savepoint only. An empty search path makes the server qualify
-- every name outside pg_catalog. A lock is waited for shortly at most, unless the session has a limit of its own.
SELECT
    pg_catalog.set_config('search_path', '', true),
    pg_catalog.set_config('datestyle', 'ISO, YMD', true),
    pg_catalog.set_config('intervalstyle', 'postgres', true),
    pg_catalog.set_config('timezone', 'UTC', true),
    pg_catalog.set_config('extra_float_digits', '1', true),
    pg_catalog.set_config('bytea_output', 'hex', true),
    pg_catalog.set_config('quote_all_identifiers', 'off', true),
    pg_catalog.set_config('standard_conforming_strings', 'on', true),
    pg_catalog.set_config('jit', 'off', true),
    CASE pg_catalog.current_setting('lock_timeout')
        WHEN '0' THEN pg_catalog.set_config('lock_timeout', '2s', true)
    END
