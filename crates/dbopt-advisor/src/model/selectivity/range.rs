//! `scalarineqsel`: inequalities by the histogram.

use std::cmp::Ordering;

use crate::model::{
    datum::Datum,
    selectivity::{DEFAULT_INEQUALITY, Var, share},
};

/// The side of an inequality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// `>` or `>=`.
    pub(crate) greater: bool,
    /// `<=` or `>=`.
    pub(crate) or_equal: bool,
}

/// `var op constant`; `None` stands for a constant that is not known.
pub(crate) fn compare(var: &Var<'_>, side: Side, value: Option<&Datum>) -> f64 {
    let (Some(value), Some(_)) = (value, var.statistics) else { return DEFAULT_INEQUALITY };
    let mut unreadable = false;
    let mut common = 0.0;
    for (datum, frequency) in var.common() {
        match datum {
            Some(datum) if holds(datum.compare(value, var.family), side) => common += frequency,
            Some(_) => {}
            None => unreadable = true,
        }
    }
    if unreadable {
        // Redacted: which of the common values are in the range is not known.
        return DEFAULT_INEQUALITY;
    }
    let rest = share(1.0 - var.null_fraction() - var.common_share());
    // Without a histogram half of the rest is taken (`scalarineqsel`).
    let within = by_histogram(var, side, value).unwrap_or(0.5);
    share(rest * within + common)
}

fn holds(order: Ordering, side: Side) -> bool {
    match order {
        Ordering::Less => !side.greater,
        Ordering::Equal => side.or_equal,
        Ordering::Greater => side.greater,
    }
}

/// `ineq_histogram_selectivity`: the share of the values behind the histogram.
fn by_histogram(var: &Var<'_>, side: Side, value: &Datum) -> Option<f64> {
    let bounds = &var.values.histogram;
    if bounds.len() < 2 {
        return None;
    }
    // The first bound that is not below the value; for `<=` and `>`, the first above it.
    let inclusive = side.or_equal != side.greater;
    let below = bounds.partition_point(|bound| match bound.compare(value, var.family) {
        Ordering::Less => true,
        Ordering::Equal => inclusive,
        Ordering::Greater => false,
    });
    let bins = (bounds.len() - 1) as f64;
    let mut under = if below == 0 {
        0.0
    } else if below >= bounds.len() {
        1.0
    } else {
        let fraction = value.fraction(&bounds[below - 1], &bounds[below], var.family);
        let mut under = ((below - 1) as f64 + fraction) / bins;
        let others = var.distinct().0 - var.common().count() as f64;
        let each = if others > 1.0 { 1.0 / others } else { 0.0 };
        // The estimate is that of `<=`, but in the first bin that of `<`.
        if below == 1 {
            under += each * (1.0 - fraction);
        }
        if side.greater == side.or_equal {
            under -= each;
        }
        under
    };
    if side.greater {
        under = 1.0 - under;
    }
    // The histogram is never so precise as to rule out a bin's hundredth.
    let cutoff = 0.01 / bins;
    Some(share(under).clamp(cutoff, 1.0 - cutoff))
}

/// The shares of two variables' rows, from the lower end, that a merge join has to read (`mergejoinscansel`): start and
/// end of the left, start and end of the right.
pub(crate) fn scan_share(left: &Var<'_>, right: &Var<'_>) -> [f64; 4] {
    let (Some(left_range), Some(right_range)) = (extremes(left), extremes(right)) else { return [0.0, 1.0, 0.0, 1.0] };
    if left.family != right.family {
        return [0.0, 1.0, 0.0, 1.0];
    }
    let at_most = Side { greater: false, or_equal: true };
    let less = Side { greater: false, or_equal: false };
    let mut ends = [compare(left, at_most, Some(right_range.1)), compare(right, at_most, Some(left_range.1))];
    // One of the two is read to its end.
    if ends[0] > ends[1] {
        ends[0] = 1.0;
    } else if ends[0] < ends[1] {
        ends[1] = 1.0;
    } else {
        ends = [1.0, 1.0];
    }
    let mut starts = [compare(left, less, Some(right_range.0)), compare(right, less, Some(left_range.0))];
    if starts[0] < starts[1] {
        starts[0] = 0.0;
    } else if starts[0] > starts[1] {
        starts[1] = 0.0;
    } else {
        starts = [0.0, 0.0];
    }
    if starts[0] >= ends[0] || starts[1] >= ends[1] {
        return [0.0, 1.0, 0.0, 1.0];
    }
    [starts[0], ends[0], starts[1], ends[1]]
}

/// Least and greatest value that the statistics show (`get_variable_range`).
fn extremes<'a>(var: &Var<'a>) -> Option<(&'a Datum, &'a Datum)> {
    let values = var.values;
    let family = var.family;
    let all = values.common.iter().flatten().chain(values.histogram.first()).chain(values.histogram.last());
    // Common values alone show the ends only when they are all the values.
    if values.histogram.is_empty() && var.common_share() + var.null_fraction() < 0.99 {
        return None;
    }
    let low = all.clone().min_by(|a, b| a.compare(b, family))?;
    let high = all.max_by(|a, b| a.compare(b, family))?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{datum::Family, selectivity::tests::*};

    const LESS: Side = Side { greater: false, or_equal: false };
    const GREATER: Side = Side { greater: true, or_equal: false };

    #[test]
    fn the_histogram_is_interpolated() {
        let statistics = statistics(-1.0, &[], &["0", "100", "200", "300", "400"]);
        let below = |side, value| {
            with(Some(&statistics), Family::Number, |var| compare(var, side, Some(&Datum::Number(value))))
        };
        assert!((below(LESS, 150.0) - 0.375).abs() < 1e-3);
        assert!((below(GREATER, 150.0) - 0.625).abs() < 1e-3);
        assert!((below(LESS, -5.0) - 0.0025).abs() < 1e-9, "never nothing");
        assert!((below(GREATER, 999.0) - 0.0025).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_bound_is_a_third() {
        let statistics = statistics(-1.0, &[], &["0", "100"]);
        assert_eq!(with(Some(&statistics), Family::Number, |var| compare(var, LESS, None)), DEFAULT_INEQUALITY);
        assert_eq!(with(None, Family::Number, |var| compare(var, LESS, Some(&Datum::Number(1.0)))), DEFAULT_INEQUALITY);
    }

    #[test]
    fn a_merge_reads_the_common_range() {
        let (a, b) = (statistics(-1.0, &[], &["0", "100"]), statistics(-1.0, &[], &["50", "250"]));
        let shares =
            with(Some(&a), Family::Number, |left| with(Some(&b), Family::Number, |right| scan_share(left, right)));
        assert!((shares[0] - 0.5).abs() < 0.02, "{shares:?}");
        assert_eq!(shares[1], 1.0);
        assert_eq!(shares[2], 0.0);
        assert!((shares[3] - 0.25).abs() < 0.02, "{shares:?}");
    }
}
