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
    /// These settings with a table's own over them. A table can only make the ages at which autovacuum comes against
    /// wraparound less.
    #[must_use]
    pub(super) fn with_own(&self, options: &[(String, String)]) -> Self {
        let mut all = self.clone();
        for (name, value) in options {
            let Some(name) = name.strip_prefix("autovacuum_") else { continue };
            let (whole, real) = (value.parse::<i64>(), value.parse::<f64>());
            match (name, whole, real) {
                ("enabled", ..) => all.enabled = is_on(value),
                ("vacuum_threshold", Ok(value), _) => all.vacuum_threshold = value,
                ("vacuum_scale_factor", _, Ok(value)) => all.vacuum_scale = value,
                ("vacuum_max_threshold", Ok(value), _) => all.vacuum_max_threshold = (value >= 0).then_some(value),
                ("vacuum_insert_threshold", Ok(value), _) => all.insert_threshold = value,
                ("vacuum_insert_scale_factor", _, Ok(value)) => all.insert_scale = value,
                ("analyze_threshold", Ok(value), _) => all.analyze_threshold = value,
                ("analyze_scale_factor", _, Ok(value)) => all.analyze_scale = value,
                ("freeze_max_age", Ok(value), _) => all.freeze_max_age = all.freeze_max_age.min(value),
                ("multixact_freeze_max_age", Ok(value), _) => {
                    all.multixact_freeze_max_age = all.multixact_freeze_max_age.min(value);
                }
                ("vacuum_cost_limit", Ok(value), _) => all.own_cost.0 = Some(value),
                ("vacuum_cost_delay", _, Ok(value)) => all.own_cost.1 = Some(value),
                _ => continue,
            }
            all.own.push(format!("autovacuum_{name}"));
        }
        all
    }

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

/// As the server reads a switch: `on`, `true`, `yes`, `1` or a beginning of these.
pub(super) fn is_on(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value == "1" || value == "on" || (!value.is_empty() && ["true", "yes"].iter().any(|word| word.starts_with(&value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tables_own_settings_win() {
        let options = [
            ("autovacuum_enabled", "off"),
            ("autovacuum_vacuum_scale_factor", "0.01"),
            ("autovacuum_vacuum_insert_threshold", "-1"),
            ("autovacuum_freeze_max_age", "100000"),
            ("autovacuum_multixact_freeze_max_age", "900000000"),
            ("fillfactor", "70"),
        ];
        let options: Vec<_> = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let all = Autovacuum::default().with_own(&options);
        assert!(!all.enabled);
        assert_eq!(all.dead_limit(1000.0), 60.0);
        assert_eq!(all.insert_limit(1000.0), None);
        assert_eq!(
            (all.freeze_max_age, all.multixact_freeze_max_age),
            (100_000, 400_000_000),
            "never more than the server's"
        );
        assert_eq!(all.own.len(), 5, "{:?}", all.own);
    }

    #[test]
    fn a_most_of_dead_rows_holds_for_large_tables() {
        let all = Autovacuum { vacuum_max_threshold: Some(1_000_000), ..Autovacuum::default() };
        assert_eq!(all.dead_limit(1e9), 1e6);
        assert_eq!(all.dead_limit(-1.0), 50.0);
    }
}
