//! The server, as far as maintenance asks after it.

use super::Autovacuum;

/// The server, its clock and the settings that maintenance depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// `server_version_num`, such as 150008.
    pub version_num: u32,
    /// The server's clock when the facts were read, in microseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// Bytes of a page.
    pub block_size: u32,
    /// The database.
    pub database: String,
    /// The role of the session.
    pub role: String,
    /// Whether that role sees what other roles' sessions do (`pg_read_all_stats`, part of `pg_monitor`).
    pub sees_sessions: bool,
    /// The settings of autovacuum, as they hold for a table without its own.
    pub autovacuum: Autovacuum,
    /// How many autovacuum workers may run at once.
    pub autovacuum_workers: u32,
    /// Cost that autovacuum may run up before it rests, all workers together (`autovacuum_vacuum_cost_limit`, or
    /// `vacuum_cost_limit` where that is -1).
    pub cost_limit: u32,
    /// How long it then rests, in milliseconds.
    pub cost_delay_ms: f64,
    /// Whether sessions count what they insert, update and delete (`track_counts`); without it autovacuum does nothing.
    pub track_counts: bool,
    /// `max_slot_wal_keep_size` in bytes; none where slots may keep all.
    pub slot_keep_bytes: Option<u64>,
}
