-- Without pg_monitor the positions of other users' replicas are null.
SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text),
       state,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 END
FROM pg_stat_replication
ORDER BY 1
