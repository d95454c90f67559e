//! Tables, their columns and constraints.

use crate::{
    index::Index,
    statistics::{ColumnStatistics, ExtendedStatistics},
};

/// What sort of relation a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Relkind {
    /// An ordinary table, possibly a partition.
    #[default]
    Table,
    /// A partitioned table; it has no rows of its own.
    Partitioned,
    /// A materialised view.
    MaterializedView,
    /// A foreign table; it cannot be indexed from here.
    Foreign,
    /// A view; only its name and columns are known.
    View,
}

/// Index of a column in [`Table::columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub usize);

/// A table. The default has no columns and a fillfactor of 100.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: Relkind,
    /// Size in pages (`relpages`, or the real size when read live); for a partitioned table the sum of its leaves.
    pub pages: f64,
    /// Estimated rows (`reltuples`, scaled to the real size when read live); `None` when never analysed.
    pub rows: Option<f64>,
    /// Share of pages marked all-visible, 0 to 1.
    pub all_visible: f64,
    /// Bytes in TOAST.
    pub toast_bytes: u64,
    /// `fillfactor`, in percent.
    pub fillfactor: u8,
    /// Columns in order, dropped ones left out.
    pub columns: Vec<Column>,
    /// Indexes, ordered by name.
    pub indexes: Vec<Index>,
    /// Constraints other than `NOT NULL`, ordered by name.
    pub constraints: Vec<Constraint>,
    /// Extended statistics.
    pub extended: Vec<ExtendedStatistics>,
    /// Use since the statistics were reset.
    pub activity: Option<Activity>,
    /// The partitioned table (or inheritance parent) this is a part of, as (schema, name).
    pub parent: Option<(String, String)>,
    /// For a partitioned table: `RANGE`, `LIST` or `HASH`, and the key columns by name.
    pub partition_key: Option<(String, Vec<String>)>,
    /// `FOR VALUES …` or `DEFAULT`, for a partition.
    pub partition_bound: Option<String>,
    /// The query, for a view or a materialised view.
    pub definition: Option<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: TypeName,
    /// `NOT NULL`.
    pub not_null: bool,
    /// Collation other than the type's default; `C` and `POSIX` order as bytes.
    pub collation: Option<String>,
    /// Whether it is a stored generated column.
    pub generated: bool,
    /// Statistics, when analysed.
    pub statistics: Option<ColumnStatistics>,
}

/// A type by its `format_type` name, with what sizes and index choices need of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TypeName {
    /// Name as `format_type(oid, NULL)` gives it: `integer`, `timestamp with time zone`, `text[]`.
    pub name: String,
    /// `typlen`: bytes, or -1 for varlena and -2 for C strings.
    pub length: i16,
    /// `typalign` in bytes: 1, 2, 4 or 8.
    pub align: u8,
    /// `typcategory`: `N` numeric, `S` string, `D` date/time, `B` boolean, `A` array, `U` user and so on.
    pub category: char,
    /// For a domain, the base type's name.
    pub base: Option<String>,
    /// The modifier as written, such as `(20)` of `varchar(20)`; empty when there is none.
    pub modifier: String,
}

/// Use of a table since the statistics were reset (`pg_stat_user_tables`).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Activity {
    /// Sequential scans.
    pub seq_scans: u64,
    /// Rows read by them.
    pub seq_rows: u64,
    /// Index scans.
    pub index_scans: u64,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated, the HOT ones among them.
    pub updated: u64,
    /// Rows updated without a new index entry.
    pub hot_updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Estimated live rows.
    pub live: u64,
    /// Estimated dead rows.
    pub dead: u64,
    /// Last `ANALYZE`, manual or automatic; seconds since 1970.
    pub last_analyze: Option<i64>,
    /// Last `VACUUM`, manual or automatic; seconds since 1970.
    pub last_vacuum: Option<i64>,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// Name.
    pub name: String,
    /// What it says.
    pub kind: ConstraintKind,
    /// Its columns by name, in the constraint's order.
    pub columns: Vec<String>,
}

/// What a constraint says.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`.
    Primary,
    /// `UNIQUE`.
    Unique,
    /// `EXCLUDE`.
    Exclude,
    /// `FOREIGN KEY`.
    Foreign {
        /// Referenced schema and table.
        table: (String, String),
        /// Referenced columns, in the same order as [`Constraint::columns`].
        columns: Vec<String>,
        /// `ON DELETE` action: `NO ACTION`, `RESTRICT`, `CASCADE`, `SET NULL`, `SET DEFAULT`.
        on_delete: String,
    },
    /// `CHECK`, with its expression.
    Check(String),
}

impl Default for Table {
    fn default() -> Self {
        Self {
            schema: String::new(),
            name: String::new(),
            kind: Relkind::Table,
            pages: 0.0,
            rows: None,
            all_visible: 0.0,
            toast_bytes: 0,
            fillfactor: 100,
            columns: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            extended: Vec::new(),
            activity: None,
            parent: None,
            partition_key: None,
            partition_bound: None,
            definition: None,
        }
    }
}

impl Table {
    /// Its foreign keys: the constraint, the referenced schema and table, and the referenced columns.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (&Constraint, &(String, String), &[String])> {
        self.constraints.iter().filter_map(|constraint| match &constraint.kind {
            ConstraintKind::Foreign { table, columns, .. } => Some((constraint, table, &**columns)),
            _ => None,
        })
    }

    /// The column of a name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<ColumnId> {
        self.columns.iter().position(|column| column.name == name).map(ColumnId)
    }
}
