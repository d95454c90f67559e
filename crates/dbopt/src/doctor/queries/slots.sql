SELECT slot_name::text, active, coalesce(wal_status, 'unknown') FROM pg_replication_slots ORDER BY 1
