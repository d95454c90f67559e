//! Server logs and pg_stat_statements to a weighted workload.
