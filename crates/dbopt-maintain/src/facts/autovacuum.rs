//! When autovacuum comes to a table.
//!
//! The settings of the server hold for each table unless the table has its own
//! (<https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM>).

/// When autovacuum comes to a table: the table's own settings over the server's.
#[derive(Clone, Debug, PartialEq)]
pub struct Autovacuum {
    /// Whether it comes at all, but for wraparound.
    pub enabled: bool,
    /// Dead rows that it waits for, …
    pub vacuum_threshold: i64,
    /// … and as a share of all rows beside them.
    pub vacuum_scale: f64,
    /// The most dead rows that it waits for however many there are (18 and later); none without such a limit.
    pub vacuum_max_threshold: Option<i64>,
    /// Inserted rows that it waits for, …; -1 where inserts alone never bring it.
    pub insert_threshold: i64,
    /// … and as a share of all rows beside them.
    pub insert_scale: f64,
    /// Changed rows that it waits for before it analyses, …
    pub analyze_threshold: i64,
    /// … and as a share of all rows beside them.
    pub analyze_scale: f64,
    /// The age of the oldest transaction number, in transactions, at which it comes come what may.
    pub freeze_max_age: i64,
    /// The same for multixacts.
    pub multixact_freeze_max_age: i64,
    /// The table's own cost limit and delay in milliseconds, if it has them.
    pub own_cost: (Option<i64>, Option<f64>),
    /// The names of the settings that are the table's own.
    pub own: Vec<String>,
}

/// PostgreSQL's own defaults.
impl Default for Autovacuum {
    fn default() -> Self {
        Self {
            enabled: true,
            vacuum_threshold: 50,
            vacuum_scale: 0.2,
            vacuum_max_threshold: None,
            insert_threshold: 1000,
            insert_scale: 0.2,
            analyze_threshold: 50,
            analyze_scale: 0.1,
            freeze_max_age: 200_000_000,
            multixact_freeze_max_age: 400_000_000,
            own_cost: (None, None),
            own: Vec::new(),
        }
    }
}

impl Autovacuum {
    /// Dead rows at which it vacuums a table of so many rows. A table whose rows were never counted has as good as none.
    #[must_use]
    pub fn dead_limit(&self, rows: f64) -> f64 {
        let limit = self.vacuum_threshold as f64 + self.vacuum_scale * rows.max(0.0);
        self.vacuum_max_threshold.map_or(limit, |most| limit.min(most as f64))
    }

    /// Inserted rows at which it vacuums such a table, if inserts alone bring it at all.
    #[must_use]
    pub fn insert_limit(&self, rows: f64) -> Option<f64> {
        (self.insert_threshold >= 0).then(|| self.insert_threshold as f64 + self.insert_scale * rows.max(0.0))
    }

    /// Changed rows at which it analyses such a table.
    #[must_use]
    pub fn analyze_limit(&self, rows: f64) -> f64 {
        self.analyze_threshold as f64 + self.analyze_scale * rows.max(0.0)
    }
}
