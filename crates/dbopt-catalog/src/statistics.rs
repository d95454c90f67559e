//! Column statistics as `pg_stats` shows them.

/// Where statistics come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Quality {
    /// No statistics at all: sizes and selectivities are PostgreSQL's defaults.
    #[default]
    Defaults,
    /// A redacted snapshot: values are keyed hashes and histogram bounds are absent.
    Redacted,
    /// A snapshot or a live session with full statistics.
    Full,
}

/// A value within statistics.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// The value in its text form.
    Text(String),
    /// A keyed hash of the text form: only equality is left.
    Hashed(String),
}

/// A most common value and its share of all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonValue {
    /// The value.
    pub value: Datum,
    /// Share of rows, 0 to 1.
    pub frequency: f64,
}

/// Statistics of one column or index expression.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ColumnStatistics {
    /// Share of rows that are null, 0 to 1.
    pub null_fraction: f64,
    /// Average stored width in bytes of non-null values.
    pub average_width: f64,
    /// Distinct non-null values: a count when positive, minus their share of the rows when negative, 0 when unknown.
    pub n_distinct: f64,
    /// Most common values, most frequent first.
    pub common: Vec<CommonValue>,
    /// Histogram bounds of the values that are not common, ascending, as text; empty when absent.
    pub histogram: Vec<String>,
    /// Correlation of value order with row order, -1 to 1, when the type has an order.
    pub correlation: Option<f64>,
    /// Most common elements of an array or `tsvector`, with their frequencies.
    pub common_elements: Vec<CommonValue>,
}

/// A `CREATE STATISTICS` object.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtendedStatistics {
    /// Its schema and name.
    pub name: String,
    /// The columns, by name.
    pub columns: Vec<String>,
    /// `ndistinct` per set of columns, the sets by column names; counts as in `n_distinct`.
    pub n_distinct: Vec<(Vec<String>, f64)>,
    /// Functional dependencies: determining columns, dependent column, degree 0 to 1.
    pub dependencies: Vec<(Vec<String>, String, f64)>,
}
