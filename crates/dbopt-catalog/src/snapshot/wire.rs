//! The snapshot file's own structs, version 1. docs/snapshot.md describes them; the JSON Schema is made from them.
//!
//! They are apart from the model so that a change of the model cannot silently change the format. Within version 1
//! keys may be added, each with a default that says what its absence has meant so far; nothing may be renamed,
//! removed or given another meaning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::{Amount, Number, Share};

/// Everything but the tables, in the order in which it is written; the tables follow, one to a line.
#[derive(Serialize)]
pub(super) struct Head {
    pub(super) format: &'static str,
    pub(super) version: u32,
    pub(super) quality: Quality,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) database: Option<String>,
    pub(super) server: Server,
    pub(super) settings: Settings,
    pub(super) search_path: Vec<String>,
}

/// Schema, sizes, usage and column statistics of a PostgreSQL database, without its rows.
#[derive(Deserialize, JsonSchema)]
#[schemars(title = "dbopt snapshot")]
pub(super) struct Document {
    /// Always `dbopt-snapshot`.
    #[schemars(regex(pattern = r"^dbopt-snapshot$"))]
    #[expect(dead_code, reason = "it is checked before the document is read, and kept here for the JSON Schema")]
    pub(super) format: String,
    /// Version of the format; readers refuse a newer one and ignore keys they do not know.
    #[schemars(range(min = 1, max = 1))]
    #[expect(dead_code, reason = "it is checked before the document is read, and kept here for the JSON Schema")]
    pub(super) version: u32,
    /// How complete the column statistics are.
    #[serde(default)]
    pub(super) quality: Quality,
    /// Name of the database.
    #[serde(default)]
    pub(super) database: Option<String>,
    /// The server.
    #[serde(default)]
    pub(super) server: Server,
    /// Settings that change plans.
    #[serde(default)]
    pub(super) settings: Settings,
    /// Schemas in which unqualified names are looked up, in order.
    #[serde(default)]
    pub(super) search_path: Vec<String>,
    /// The tables, ordered by schema and name.
    pub(super) tables: Vec<Table>,
}

/// How complete the column statistics are.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub(super) enum Quality {
    /// None.
    #[default]
    Defaults,
    /// Values are keyed hashes, histograms are absent.
    Redacted,
    /// As the server has them.
    Full,
}

/// The server.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Server {
    /// `server_version_num`, such as 150008.
    pub(super) version_num: u32,
    /// Bytes in a page.
    #[schemars(range(min = 512, max = 65536))]
    #[serde(deserialize_with = "block_size")]
    pub(super) block_size: u32,
    /// Encoding of the database.
    pub(super) encoding: String,
    /// Default collation of the database.
    pub(super) collation: String,
    /// Whether the server was a standby.
    pub(super) in_recovery: bool,
    /// When the usage counters were last reset; seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) statistics_reset: Option<i64>,
    /// When the snapshot was taken; seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_at: Option<i64>,
}

/// A server's page size is a power of two of at least 512 bytes; anything else would break every size made of it.
fn block_size<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let size = u32::deserialize(from)?;
    if size.is_power_of_two() && (512..=65536).contains(&size) {
        Ok(size)
    } else {
        Err(serde::de::Error::custom("a page size that is not a power of two from 512 to 65536"))
    }
}

/// The settings struct and both conversions, from one list of the settings' names.
macro_rules! settings {
    (amounts: $($amount:ident)*; integers: $($integer:ident)*; booleans: $($boolean:ident)*;) => {
        /// Settings that change plans, by their server names. Memory sizes in bytes (`work_mem`,
        /// `maintenance_work_mem`) or pages (the others); one that is absent has PostgreSQL's default.
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(default)]
        pub(super) struct Settings {
            $(pub(super) $amount: Amount,)*
            $(pub(super) $integer: u32,)*
            $(pub(super) $boolean: bool,)*
        }

        impl From<&crate::Settings> for Settings {
            fn from(model: &crate::Settings) -> Self {
                Self {
                    $($amount: Amount(model.$amount),)*
                    $($integer: model.$integer,)*
                    $($boolean: model.$boolean,)*
                }
            }
        }

        impl From<Settings> for crate::Settings {
            fn from(wire: Settings) -> Self {
                Self {
                    $($amount: wire.$amount.0,)*
                    $($integer: wire.$integer,)*
                    $($boolean: wire.$boolean,)*
                }
            }
        }
    };
}

settings! {
    amounts: seq_page_cost random_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost parallel_setup_cost
        parallel_tuple_cost effective_cache_size work_mem hash_mem_multiplier maintenance_work_mem
        min_parallel_table_scan_size min_parallel_index_scan_size;
    integers: max_parallel_workers_per_gather default_statistics_target from_collapse_limit join_collapse_limit;
    booleans: enable_seqscan enable_indexscan enable_indexonlyscan enable_bitmapscan enable_nestloop enable_hashjoin
        enable_mergejoin enable_sort enable_incremental_sort enable_hashagg enable_material enable_memoize;
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&crate::Settings::default())
    }
}

/// Schema and name of a relation.
pub(super) type QualifiedName = (String, String);

/// A table, materialised view, view or foreign table.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Table {
    /// Schema.
    pub(super) schema: String,
    /// Name.
    pub(super) name: String,
    /// What it is; an ordinary table or partition when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) kind: Relkind,
    /// Size in pages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) pages: Amount,
    /// Estimated rows; absent when never analysed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) rows: Option<Amount>,
    /// Share of pages marked all-visible.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) all_visible: Share,
    /// Bytes in TOAST.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) toast_bytes: u64,
    /// `fillfactor` in percent; 100 when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(min = 10, max = 100))]
    pub(super) fillfactor: Option<u8>,
    /// Columns in order.
    #[serde(default)]
    pub(super) columns: Vec<Column>,
    /// Indexes, ordered by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) indexes: Vec<Index>,
    /// Constraints, ordered by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) constraints: Vec<Constraint>,
    /// Extended statistics (`CREATE STATISTICS`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) extended: Vec<Extended>,
    /// Use since the counters were reset.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) activity: Option<Activity>,
    /// The partitioned table or inheritance parent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) parent: Option<QualifiedName>,
    /// Partitioning strategy and key columns.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) partition_key: Option<(String, Vec<String>)>,
    /// `FOR VALUES …` or `DEFAULT`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) partition_bound: Option<String>,
    /// The query of a view.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) definition: Option<String>,
}

/// What sort of relation a table is.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum Relkind {
    #[default]
    Table,
    Partitioned,
    MaterializedView,
    Foreign,
    View,
}

/// A column.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Column {
    /// Name.
    pub(super) name: String,
    /// Type as `format_type` names it, without modifier.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Type modifier as written, such as `(20)`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) modifier: String,
    /// What is to know of a type that is not built in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) facts: Option<TypeFacts>,
    /// `NOT NULL`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) not_null: bool,
    /// Collation other than the type's default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) collation: Option<String>,
    /// Whether it is a stored generated column.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) generated: bool,
    /// Statistics, when analysed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) statistics: Option<Statistics>,
}

/// What is to know of a type that is not built in.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct TypeFacts {
    /// `typlen`.
    pub(super) length: i16,
    /// `typalign` in bytes: 1, 2, 4 or 8.
    pub(super) align: u8,
    /// `typcategory`.
    pub(super) category: char,
    /// The base type of a domain.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) base: Option<String>,
}

/// Statistics of a column or an index expression, as `pg_stats` shows them.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Statistics {
    /// Share of rows that are null.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) null_fraction: Share,
    /// Average stored width in bytes.
    pub(super) average_width: Amount,
    /// Distinct values: a count when positive, minus their share of the rows when negative.
    pub(super) n_distinct: Number,
    /// Most common values and their shares of the rows, most frequent first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) common: Vec<(String, Share)>,
    /// The same in a redacted snapshot: keyed hashes of the values.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) common_hashed: Vec<(String, Share)>,
    /// Histogram bounds of the other values, ascending.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) histogram: Vec<String>,
    /// Correlation of value order with row order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) correlation: Option<Number>,
    /// Most common elements of an array or `tsvector`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) common_elements: Vec<(String, Share)>,
    /// The same in a redacted snapshot.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) common_elements_hashed: Vec<(String, Share)>,
}

/// An index.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Index {
    /// Name.
    pub(super) name: String,
    /// Access method; `btree` when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) method: Option<String>,
    /// Keys in order.
    pub(super) keys: Vec<Key>,
    /// `INCLUDE` columns.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) include: Vec<String>,
    /// `WHERE` predicate.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) predicate: Option<String>,
    /// `UNIQUE`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) unique: bool,
    /// `NULLS NOT DISTINCT`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) nulls_not_distinct: bool,
    /// Whether it is the primary key's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) primary: bool,
    /// The constraint it belongs to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) constraint: Option<String>,
    /// Whether it is invalid, left by a failed concurrent build.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) invalid: bool,
    /// Whether it does not take new entries yet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) not_ready: bool,
    /// Whether it is the replica identity or the clustering index.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) identity: bool,
    /// Size in pages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) pages: Option<Amount>,
    /// Entries.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) rows: Option<Amount>,
    /// Scans since the counters were reset.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) scans: Option<u64>,
    /// Last scan; seconds since 1970.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) last_scan: Option<i64>,
    /// `fillfactor` in percent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) fillfactor: Option<u8>,
    /// Whether B-tree deduplication is switched off.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) no_deduplication: bool,
    /// Statistics of expression keys, by key position from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) statistics: Vec<(usize, Statistics)>,
    /// The partitioned index it is a part of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) parent: Option<QualifiedName>,
    /// `CREATE INDEX` as the server prints it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) definition: String,
}

/// One key of an index: a column or an expression.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Key {
    /// What the key is over.
    #[serde(flatten)]
    pub(super) part: Part,
    /// Operator class other than the type's default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) opclass: Option<String>,
    /// Collation other than the column's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) collation: Option<String>,
    /// `DESC`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) descending: bool,
    /// `NULLS FIRST`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) nulls_first: bool,
}

/// What an index key is over.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    /// A column by name.
    Column(String),
    /// An expression.
    Expression(String),
}

/// A constraint other than `NOT NULL`.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Constraint {
    /// Name.
    pub(super) name: String,
    /// What it says.
    pub(super) kind: ConstraintKind,
    /// Its columns.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) columns: Vec<String>,
    /// The referenced table of a foreign key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) references: Option<References>,
    /// The expression of a check.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) check: Option<String>,
}

/// What a constraint says.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConstraintKind {
    Primary,
    Unique,
    Exclude,
    Foreign,
    Check,
}

/// What a foreign key references.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct References {
    /// Schema and table.
    pub(super) table: QualifiedName,
    /// Columns, in the order of the constraint's.
    pub(super) columns: Vec<String>,
    /// `ON DELETE` action; `NO ACTION` when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) on_delete: Option<String>,
}

/// A `CREATE STATISTICS` object.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Extended {
    /// Schema and name, with a point between.
    pub(super) name: String,
    /// Columns.
    pub(super) columns: Vec<String>,
    /// Sets of columns and their distinct combinations, as in `n_distinct`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) n_distinct: Vec<(Vec<String>, Number)>,
    /// Determining columns, dependent column, degree.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) dependencies: Vec<(Vec<String>, String, Share)>,
}

/// Use of a table since the counters were reset (`pg_stat_all_tables`).
#[derive(PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Activity {
    /// Sequential scans.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) seq_scans: u64,
    /// Rows read by them.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) seq_rows: u64,
    /// Index scans.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) index_scans: u64,
    /// Rows inserted.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) inserted: u64,
    /// Rows updated.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) updated: u64,
    /// Rows updated without a new index entry.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) hot_updated: u64,
    /// Rows deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) deleted: u64,
    /// Estimated live rows.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) live: u64,
    /// Estimated dead rows.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) dead: u64,
    /// Last `ANALYZE`; seconds since 1970.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) last_analyze: Option<i64>,
    /// Last `VACUUM`; seconds since 1970.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) last_vacuum: Option<i64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
