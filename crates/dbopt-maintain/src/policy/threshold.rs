//! From which measure on something is done.

use std::time::Duration;

use dbopt_policy::{Bytes, Fault, FromValue, Shape, Table, Value};

use super::DAY;

/// A number of rows and a share of the table, both of which must be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// At least so many rows.
    pub rows: u64,
    /// At least this share of the table's rows, `0 <= share <= 1`.
    pub share: f64,
}

impl Threshold {
    /// Whether so many of a table's rows reach it. Of a table whose size is not known (less than nothing) the rows decide.
    #[must_use]
    pub fn reached(&self, rows: i64, of: f64) -> bool {
        let rows = rows.max(0) as f64;
        rows > 0.0 && rows >= self.rows as f64 && rows >= self.share * of.max(0.0)
    }
}

/// When a table is vacuumed, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VacuumRule {
    /// Whether at all; prevention of wraparound is another matter.
    pub enabled: bool,
    /// Dead rows.
    pub dead: Threshold,
    /// Rows inserted since it was vacuumed, which index-only scans cannot use yet.
    pub inserted: Threshold,
    /// Whether empty pages at the end are given back, under an ACCESS EXCLUSIVE lock.
    pub truncate: bool,
    /// Workers for its indexes; as the server says, when none.
    pub workers: Option<u32>,
}

/// When a table is analysed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnalyzeRule {
    /// Whether at all.
    pub enabled: bool,
    /// Rows changed since.
    pub changed: Threshold,
}

/// When a table is frozen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freeze {
    /// Share of `autovacuum_freeze_max_age`, or of its multixact fellow, whichever is nearer.
    pub share: f64,
    /// From so many transactions of age on nothing else matters: indexes are left as they are.
    pub emergency: u64,
}

/// When an index is rebuilt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReindexRule {
    /// Whether at all.
    pub enabled: bool,
    /// At least so many bytes would be given back.
    pub bytes: u64,
    /// At least this share of its size would be given back.
    pub share: f64,
    /// Not before so much time has gone by since it was last rebuilt by dbopt.
    pub rest: Duration,
}

impl Default for VacuumRule {
    fn default() -> Self {
        Self {
            enabled: true,
            dead: Threshold { rows: 1000, share: 0.1 },
            inserted: Threshold { rows: 100_000, share: 0.2 },
            truncate: false,
            workers: None,
        }
    }
}

impl Default for AnalyzeRule {
    fn default() -> Self {
        Self { enabled: true, changed: Threshold { rows: 1000, share: 0.1 } }
    }
}

impl Default for Freeze {
    fn default() -> Self {
        Self { share: 0.75, emergency: 1_200_000_000 }
    }
}

impl Default for ReindexRule {
    fn default() -> Self {
        Self { enabled: true, bytes: 64 << 20, share: 0.3, rest: 7 * DAY }
    }
}

impl VacuumRule {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let own = Self::default();
        let read = Self {
            enabled: enabled(table),
            dead: Threshold {
                rows: table.or("dead_rows", "At least so many dead rows.", own.dead.rows),
                share: share(table, "dead_share", "At least this share of rows that are dead.", own.dead.share),
            },
            inserted: Threshold {
                rows: table.or(
                    "inserted_rows",
                    "At least so many rows inserted since it was vacuumed.",
                    own.inserted.rows,
                ),
                share: share(
                    table,
                    "inserted_share",
                    "At least this share of rows inserted since.",
                    own.inserted.share,
                ),
            },
            truncate: table.or(
                "truncate",
                "Whether empty pages at the end are given back, which locks everybody out for a while.",
                own.truncate,
            ),
            workers: table.optional("workers", "Workers for its indexes; as the server says, when not given."),
        };
        if read.truncate {
            let fault = Fault::new("truncate-locks", "giving pages back takes an ACCESS EXCLUSIVE lock");
            table.warn("truncate", fault.help("Leave `truncate` out unless the disk is needed for something else."));
        }
        read
    }
}

impl AnalyzeRule {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let own = Self::default();
        Self {
            enabled: enabled(table),
            changed: Threshold {
                rows: table.or(
                    "changed_rows",
                    "At least so many rows changed since it was analysed.",
                    own.changed.rows,
                ),
                share: share(table, "changed_share", "At least this share of rows changed since.", own.changed.share),
            },
        }
    }
}

impl Freeze {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let own = Self::default();
        let read = Self {
            share: share(
                table,
                "share",
                "From this share on of the age at which autovacuum insists: `autovacuum_freeze_max_age`.",
                own.share,
            ),
            emergency: table.or(
                "emergency",
                "From so many transactions of age on indexes are left as they are, to be done in time.",
                own.emergency,
            ),
        };
        if read.share >= 1.0 {
            let fault = Fault::new("freezes-too-late", "autovacuum insists before this share is reached");
            table.warn("share", fault.help("Write a share such as `0.75`."));
        }
        if read.emergency > MOST_AGE {
            let message = format!("`freeze.emergency` cannot be {}", read.emergency);
            let help = format!("It is at most {MOST_AGE}: the server stops soon after.");
            table.reject("emergency", Fault::new("out-of-range", message).help(help));
        }
        read
    }
}

impl ReindexRule {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let own = Self::default();
        let read = Self {
            enabled: enabled(table),
            bytes: table.or("bytes", "At least so much would be given back.", Bytes(own.bytes)).0,
            share: share(table, "share", "At least this share of its size would be given back.", own.share),
            rest: table.or("rest", "Not before so much time since it was last rebuilt.", own.rest),
        };
        if read.enabled && read.bytes < 1 << 20 && read.share < 0.1 {
            let fault = Fault::new("rebuilds-for-nothing", "indexes are rebuilt that have next to no bloat");
            table.warn("share", fault.help("A B-tree that is written to has some room by nature; write `0.3`."));
        }
        if read.enabled && read.rest < DAY {
            let fault = Fault::new("rebuilds-daily", "an index may be rebuilt several times a day");
            table.warn("rest", fault.help("One that bloats as quickly has another cause, such as an old transaction."));
        }
        read
    }
}

/// The server stops giving out transaction numbers some three million before two thousand million.
const MOST_AGE: u64 = 2_000_000_000;

fn enabled(table: &Table<'_>) -> bool {
    table.or("enabled", "Whether at all.", true)
}

fn share(table: &Table<'_>, key: &'static str, about: &'static str, own: f64) -> f64 {
    table.or(key, about, Share(own)).0
}

/// A share, from nothing to all.
pub(super) struct Share(pub(super) f64);

impl FromValue for Share {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let share = f64::from_value(value)?;
        if (0.0..=1.0).contains(&share) {
            return Some(Self(share));
        }
        let fault = Fault::new("out-of-range", format!("`{}` cannot be {share}", value.path()));
        value.reject(fault.help("It is a share, from 0 to 1."));
        None
    }

    fn shape() -> Shape {
        Shape::Number
    }
}
