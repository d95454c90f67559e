-- The write-ahead log and where it goes.
SELECT current_setting('archive_mode') <> 'off' AS archived,
       (SELECT count(*) FROM pg_stat_replication) AS replicas,
       (SELECT count(*) FROM pg_stat_replication r
        WHERE r.replay_lsn IS NULL OR r.replay_lsn < CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END) AS behind,
       ARRAY(SELECT quote_ident(slot_name) FROM pg_replication_slots WHERE restart_lsn IS NOT NULL AND NOT active ORDER BY 1) AS slots,
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'logical') AS logical,
       has_function_privilege('pg_ls_waldir()', 'EXECUTE') AS visible
