//! Which share of the rows does a condition keep? The formulas are those of `selfuncs.c` and `clausesel.c`.

mod equality;
mod join;
mod pattern;
mod range;

use dbopt_catalog::{ColumnStatistics, Datum as Stored};

use super::datum::{Datum, Family};

pub(crate) use equality::{equal_to, equal_to_unknown, in_list};
pub(crate) use join::{bucket_share, inner_equality, semi_equality};
pub(crate) use pattern::{like, prefix_of, prefix_share};
pub(crate) use range::{Side, compare, scan_share};

/// `DEFAULT_NUM_DISTINCT`.
pub(crate) const DEFAULT_DISTINCT: f64 = 200.0;
/// `DEFAULT_INEQ_SEL`.
pub(crate) const DEFAULT_INEQUALITY: f64 = 1.0 / 3.0;
/// `DEFAULT_RANGE_INEQ_SEL`.
pub(crate) const DEFAULT_RANGE: f64 = 0.005;
/// `DEFAULT_MATCH_SEL`.
pub(crate) const DEFAULT_MATCH: f64 = 0.005;
/// `DEFAULT_UNK_SEL`.
pub(crate) const DEFAULT_UNKNOWN: f64 = 0.005;
/// `DEFAULT_MATCHING_SEL`, of `@>`, `?` and the like on types without an estimator of their own.
pub(crate) const DEFAULT_MATCHING: f64 = 0.01;
/// `boolvarsel` and `function_selectivity` of a function.
pub(crate) const DEFAULT_FUNCTION: f64 = 1.0 / 3.0;

/// A column or indexed expression, with what is known of its values (`examine_variable`).
#[derive(Clone, Debug)]
pub(crate) struct Var<'a> {
    /// Its statistics, when analysed.
    pub(crate) statistics: Option<&'a ColumnStatistics>,
    /// How its values are compared.
    pub(crate) family: Family,
    /// Rows of its table.
    pub(crate) tuples: f64,
    /// Whether a unique index is over it alone.
    pub(crate) unique: bool,
    /// Statistics' values and bounds on the family's scale.
    pub(crate) values: &'a Values,
}

/// The values of statistics, parsed once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// Common values on the scale, `None` where hashed or unreadable.
    pub(crate) common: Vec<Option<Datum>>,
    /// Histogram bounds; empty when any is unreadable.
    pub(crate) histogram: Vec<Datum>,
}

impl Values {
    /// Parses the values of statistics.
    pub(crate) fn new(statistics: Option<&ColumnStatistics>, family: Family) -> Self {
        let Some(statistics) = statistics else { return Self::default() };
        let common = statistics.common.iter().map(|common| match &common.value {
            Stored::Text(text) => Datum::parse(family, text),
            Stored::Hashed(_) => None,
        });
        let histogram: Option<Vec<Datum>> =
            statistics.histogram.iter().map(|text| Datum::parse(family, text)).collect();
        let mut histogram = histogram.unwrap_or_default();
        if histogram.len() < 2 {
            histogram.clear();
        }
        Self { common: common.collect(), histogram }
    }
}

impl Var<'_> {
    /// Share of nulls.
    pub(crate) fn null_fraction(&self) -> f64 {
        self.statistics.map_or(0.0, |statistics| share(statistics.null_fraction))
    }

    /// Distinct values, and whether that is a guess (`get_variable_numdistinct`).
    pub(crate) fn distinct(&self) -> (f64, bool) {
        let mut known = match (self.statistics, self.family) {
            (Some(statistics), _) if statistics.n_distinct.is_finite() => statistics.n_distinct,
            (_, Family::Bool) => 2.0,
            _ => 0.0,
        };
        if self.unique {
            known = -(1.0 - self.null_fraction());
        }
        if known > 0.0 {
            return (known.round().max(1.0), false);
        }
        if self.tuples <= 0.0 {
            return (DEFAULT_DISTINCT, true);
        }
        if known < 0.0 {
            return ((-known * self.tuples).round().max(1.0), false);
        }
        if self.tuples < DEFAULT_DISTINCT {
            return (self.tuples.round().max(1.0), false);
        }
        (DEFAULT_DISTINCT, true)
    }

    /// The common values with their frequencies.
    pub(crate) fn common(&self) -> impl Iterator<Item = (Option<&Datum>, f64)> {
        let common = self.statistics.map_or(&[][..], |statistics| &statistics.common);
        common.iter().zip(&self.values.common).map(|(common, value)| (value.as_ref(), share(common.frequency)))
    }

    /// Sum of the common values' frequencies.
    pub(crate) fn common_share(&self) -> f64 {
        share(self.common().map(|(_, frequency)| frequency).sum())
    }

    /// The most common value's frequency.
    pub(crate) fn top_share(&self) -> Option<f64> {
        self.common().next().map(|(_, frequency)| frequency)
    }
}

/// `IS NULL` (`nulltestsel`).
pub(crate) fn is_null(var: &Var<'_>, negated: bool) -> f64 {
    let nulls = if var.statistics.is_some() { var.null_fraction() } else { DEFAULT_UNKNOWN };
    if negated { 1.0 - nulls } else { nulls }
}

/// `CLAMP_PROBABILITY`; what is not a number is nothing.
pub(crate) fn share(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

#[cfg(test)]
pub(crate) mod tests {
    use dbopt_catalog::CommonValue;

    use super::*;

    /// Statistics with common values and a histogram.
    pub(crate) fn statistics(n_distinct: f64, common: &[(&str, f64)], histogram: &[&str]) -> ColumnStatistics {
        ColumnStatistics {
            n_distinct,
            common: common
                .iter()
                .map(|(value, frequency)| CommonValue {
                    value: Stored::Text((*value).to_owned()),
                    frequency: *frequency,
                })
                .collect(),
            histogram: histogram.iter().map(|bound| (*bound).to_owned()).collect(),
            ..ColumnStatistics::default()
        }
    }

    /// Runs a check on a variable over statistics, in a table of 10000 rows.
    pub(crate) fn with<T>(statistics: Option<&ColumnStatistics>, family: Family, run: impl FnOnce(&Var<'_>) -> T) -> T {
        let values = Values::new(statistics, family);
        run(&Var { statistics, family, tuples: 10_000.0, unique: false, values: &values })
    }

    #[test]
    fn distinct_counts_follow_the_defaults() {
        let distinct = |n| with(Some(&statistics(n, &[], &[])), Family::Number, |var| var.distinct());
        assert_eq!(distinct(42.0), (42.0, false));
        assert_eq!(distinct(-0.5), (5000.0, false));
        assert_eq!(distinct(0.0), (200.0, true));
        assert_eq!(with(None, Family::Bool, |var| var.distinct()), (2.0, false));
    }
}
