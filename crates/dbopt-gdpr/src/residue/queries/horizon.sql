-- What began before the erasure and keeps VACUUM from removing what it deleted.
SELECT 'process ' || a.pid AS name, 'its transaction has been open since before the erasure' AS why,
       'SELECT pg_terminate_backend(' || a.pid || ');' AS mend
FROM pg_stat_activity a
WHERE a.xact_start < $1 AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) AND a.pid <> pg_backend_pid()
UNION ALL
SELECT 'prepared transaction ' || quote_literal(p.gid), 'it was prepared before the erasure', 'ROLLBACK PREPARED ' || quote_literal(p.gid) || ';'
FROM pg_prepared_xacts p WHERE p.prepared < $1
UNION ALL
SELECT 'replication slot ' || quote_ident(s.slot_name), 'it holds old rows for a replica that is not connected',
       'SELECT pg_drop_replication_slot(' || quote_literal(s.slot_name) || ');'
FROM pg_replication_slots s WHERE NOT s.active AND s.xmin IS NOT NULL
UNION ALL
-- By `hot_standby_feedback`. A transaction's number says no time: it counts when nobody here needs rows that old.
SELECT 'replica ' || coalesce(r.application_name, '') || ' of process ' || r.pid, 'its queries, or that it is behind, hold old rows', NULL
FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
WHERE age(coalesce(r.backend_xmin, s.xmin)) > age((txid_snapshot_xmin(txid_current_snapshot()) % 4294967296)::text::xid)
ORDER BY 1
