-- Who we are, and what roles and rights that brings. Roles that this version does not have are null.
SELECT current_user::text,
       current_database()::text,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles
        WHERE rolname = ANY ('{pg_monitor,pg_read_all_data,pg_read_all_settings,pg_read_all_stats}')
          AND pg_has_role(current_user, oid, 'USAGE')),
       pg_database_size(current_database())
