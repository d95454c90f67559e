//! Which of the conditions on a B-tree's columns bound its scan, and in how many parts it is scanned
//! (`btcostestimate`).
//!
//! Conditions bound a scan up to the first column without an equality. From PostgreSQL 18 a scan may skip: over a column
//! without an equality it goes once for each of the column's values, as if they were listed.

use super::matching::{About, Condition, Use};
use crate::model::prepared::{Shape, quals_together};

/// Skipping pays only when the conditions on the skipped column leave at least this share of it
/// (`DEFAULT_RANGE_INEQ_SEL` of PostgreSQL 18's `btcostestimate`).
const LEAST_SKIPPED: f64 = 1.0 / 3.0;

/// The bounds of a scan.
#[derive(Debug)]
pub(super) struct Bounds<'u, 'q> {
    /// The conditions that bound it.
    pub(super) conditions: Vec<(&'u Condition<'q>, &'u Use)>,
    /// The parts in which it is scanned, at least 1.
    pub(super) scans: f64,
    /// Whether there is exactly one value for each of the first columns: so many columns.
    pub(super) values: usize,
}

/// An index as far as its scans' bounds depend on it.
pub(super) struct Tree<'t> {
    /// `server_version_num`.
    pub(super) version: u32,
    pub(super) pages: f64,
    /// Distinct values of a column, unless that would be a guess.
    pub(super) distinct: &'t dyn Fn(usize) -> Option<f64>,
}

impl<'u, 'q> Bounds<'u, 'q> {
    /// The bounds by conditions in the order of the index's columns.
    pub(super) fn of(tree: &Tree<'_>, uses: &'u [(usize, Use, Condition<'q>)]) -> Self {
        let mut found = Self { conditions: Vec::new(), scans: 1.0, values: 0 };
        let (mut column, mut equal, mut one_value, mut row) = (0, false, true, false);
        let mut ranges: Vec<(&Condition<'_>, &Use)> = Vec::new();
        for (at, tested, condition) in uses {
            if *at != column {
                let next = if equal { column + 1 } else { column };
                if *at != next {
                    one_value = false;
                    let skipped = if row { None } else { skipped(tree, next..*at, &ranges, found.scans) };
                    let Some(scans) = skipped else { break };
                    found.scans = scans;
                }
                (column, equal) = (*at, false);
                ranges.clear();
            }
            match tested {
                Use::Equal => equal = true,
                Use::Any(count) => {
                    (equal, one_value) = (true, false);
                    found.scans *= count.max(1.0);
                }
                Use::Null => (equal, one_value) = (true, false),
                Use::Range | Use::Prefix(_) => ranges.push((condition, tested)),
            }
            row |= matches!(condition.about, About::Own(Shape::Row(..)));
            found.conditions.push((condition, tested));
            if one_value && equal {
                found.values = column + 1;
            }
        }
        found
    }
}

/// Parts of a scan that skips over columns, the first of which may have conditions of its own; `None` when the scan
/// goes on without skipping.
fn skipped(
    tree: &Tree<'_>,
    columns: std::ops::Range<usize>,
    ranges: &[(&Condition<'_>, &Use)],
    scans: f64,
) -> Option<f64> {
    if tree.version < 180_000 {
        return None;
    }
    let mut scans = scans;
    let mut ranges = ranges;
    for column in columns {
        let values = (tree.distinct)(column)?;
        let values = if ranges.is_empty() {
            // One more for the search of the first value.
            values + 1.0
        } else {
            let left = together(ranges.iter().copied());
            if left < LEAST_SKIPPED {
                return None;
            }
            (values * left).round().max(1.0)
        };
        scans *= values;
        if tree.pages < scans {
            return None;
        }
        ranges = &[];
    }
    Some(scans)
}

/// Share of the rows for which all of some conditions hold.
pub(super) fn together<'a>(conditions: impl Iterator<Item = (&'a Condition<'a>, &'a Use)>) -> f64 {
    quals_together(conditions.map(|(condition, tested)| match tested {
        Use::Prefix(share) => (*share, None),
        _ => (condition.selectivity, condition.range),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape::Other;

    /// Columns that bound a scan, and its parts.
    fn check(version: u32, uses: &[(usize, Use)], distinct: Option<f64>, expected: (usize, f64, usize)) {
        let condition = Condition { about: About::Own(&SHAPE), selectivity: 0.5, range: None, bit: 1, class: None };
        let uses: Vec<_> = uses.iter().map(|(at, tested)| (*at, *tested, condition)).collect();
        let tree = Tree { version, pages: 100.0, distinct: &|_| distinct };
        let found = Bounds::of(&tree, &uses);
        assert_eq!((found.conditions.len(), found.scans, found.values), expected);
    }

    #[test]
    fn equalities_lead_and_one_range_ends() {
        check(150_000, &[(0, Use::Equal), (1, Use::Range), (2, Use::Equal)], Some(3.0), (2, 1.0, 1));
        check(150_000, &[(0, Use::Equal), (1, Use::Equal)], Some(3.0), (2, 1.0, 2));
        check(150_000, &[(0, Use::Any(4.0)), (1, Use::Equal)], Some(3.0), (2, 4.0, 0));
        check(150_000, &[(1, Use::Equal)], Some(3.0), (0, 1.0, 0));
    }

    #[test]
    fn scans_skip_over_few_values_from_18() {
        check(180_000, &[(1, Use::Equal)], Some(3.0), (1, 4.0, 0));
        check(180_000, &[(0, Use::Equal), (2, Use::Range)], Some(3.0), (2, 4.0, 1));
        check(180_000, &[(2, Use::Equal)], Some(3.0), (1, 16.0, 0));
        check(180_000, &[(0, Use::Range), (1, Use::Equal)], Some(8.0), (2, 4.0, 0));
    }

    #[test]
    fn scans_do_not_skip_over_many_or_unknown_values() {
        check(180_000, &[(1, Use::Equal)], Some(100.0), (0, 1.0, 0));
        check(180_000, &[(1, Use::Equal)], None, (0, 1.0, 0));
        check(180_000, &[(2, Use::Equal)], Some(10.0), (0, 1.0, 0));
    }
}
