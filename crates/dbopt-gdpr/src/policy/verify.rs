//! What is searched after an erasure.

use dbopt_policy::{Table, TableSelector};

/// What is searched after an erasure: all text-like columns, when nothing is said.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyScope {
    /// Tables to search; all when there are none.
    pub tables: Vec<TableSelector>,
    /// But not these.
    pub exclude: Vec<TableSelector>,
    /// Whether hashes and encodings of a value are searched too.
    pub hashes: bool,
    /// Whether the statistics of the planner are searched.
    pub statistics: bool,
    /// Whether materialised views are searched.
    pub views: bool,
    /// Shortest identifier that is searched, in characters: a short one is found everywhere.
    pub shortest: u32,
}

impl Default for VerifyScope {
    fn default() -> Self {
        Self { tables: Vec::new(), exclude: Vec::new(), hashes: true, statistics: true, views: true, shortest: 4 }
    }
}

impl VerifyScope {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let usual = Self::default();
        Self {
            tables: table.or("tables", "The tables to search; all when not given.", usual.tables),
            exclude: table.or("exclude", "Tables to leave out.", usual.exclude),
            hashes: table.or("hashes", "Whether hashes and encodings of a value are searched too.", usual.hashes),
            statistics: table.or("statistics", "Whether the planner's statistics are searched.", usual.statistics),
            views: table.or("views", "Whether materialised views are searched.", usual.views),
            shortest: table.or("shortest", "Shortest value that is searched, in characters.", usual.shortest),
        }
    }

    /// Whether a table is searched.
    #[must_use]
    pub fn contains(&self, schema: &str, table: &str) -> bool {
        let any = |selectors: &[TableSelector]| selectors.iter().any(|selector| selector.matches(schema, table));
        (self.tables.is_empty() || any(&self.tables)) && !any(&self.exclude)
    }
}
