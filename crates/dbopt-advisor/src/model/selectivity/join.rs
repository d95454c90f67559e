//! `eqjoinsel`, and how evenly a hash join's inner side spreads.

use std::collections::BTreeMap;

use dbopt_catalog::{ColumnStatistics, Datum as Stored};

use crate::model::selectivity::{Var, share};

/// What matching the common values of both sides gives.
struct Matches {
    /// Sum of the products of the matched frequencies.
    product: f64,
    /// Sum of the left's and of the right's matched frequencies.
    left: f64,
    right: f64,
    count: f64,
}

/// Matches common values by text, up to `limit` of the right's.
fn matches(left: &ColumnStatistics, right: &ColumnStatistics, limit: usize) -> Matches {
    fn key(value: &Stored) -> (&str, bool) {
        match value {
            Stored::Text(text) => (text, false),
            Stored::Hashed(text) => (text, true),
        }
    }
    let by_value: BTreeMap<_, f64> =
        right.common.iter().take(limit).map(|common| (key(&common.value), share(common.frequency))).collect();
    let mut found = Matches { product: 0.0, left: 0.0, right: 0.0, count: 0.0 };
    for common in &left.common {
        if let Some(frequency) = by_value.get(&key(&common.value)) {
            let here = share(common.frequency);
            found.product += here * frequency;
            found.left += here;
            found.right += frequency;
            found.count += 1.0;
        }
    }
    found
}

/// `left = right` of an inner join (`eqjoinsel_inner`).
pub(crate) fn inner_equality(left: &Var<'_>, right: &Var<'_>) -> f64 {
    let (distinct1, distinct2) = (left.distinct().0, right.distinct().0);
    let (nulls1, nulls2) = (left.null_fraction(), right.null_fraction());
    if let (Some(stats1), Some(stats2)) = (left.statistics, right.statistics)
        && !stats1.common.is_empty()
        && !stats2.common.is_empty()
    {
        let found = matches(stats1, stats2, usize::MAX);
        let (unmatched1, unmatched2) =
            (share(left.common_share() - found.left), share(right.common_share() - found.right));
        let other1 = share(1.0 - nulls1 - found.left - unmatched1);
        let other2 = share(1.0 - nulls2 - found.right - unmatched2);
        let (count1, count2) = (stats1.common.len() as f64, stats2.common.len() as f64);
        let mut total1 = found.product;
        if distinct2 > count2 {
            total1 += unmatched1 * other2 / (distinct2 - count2);
        }
        if distinct2 > found.count {
            total1 += other1 * (other2 + unmatched2) / (distinct2 - found.count);
        }
        let mut total2 = found.product;
        if distinct1 > count1 {
            total2 += unmatched2 * other1 / (distinct1 - count1);
        }
        if distinct1 > found.count {
            total2 += other2 * (other1 + unmatched1) / (distinct1 - found.count);
        }
        return share(total1.min(total2));
    }
    share((1.0 - nulls1) * (1.0 - nulls2) / distinct1.max(distinct2))
}

/// Share of the left's rows that have a partner among `inner_rows` rows on the right (`eqjoinsel_semi`).
pub(crate) fn semi_equality(left: &Var<'_>, right: &Var<'_>, right_rows: f64, inner_rows: f64) -> f64 {
    let (mut distinct1, mut guess1) = left.distinct();
    let (mut distinct2, mut guess2) = right.distinct();
    let _ = &mut guess1;
    for rows in [right_rows, inner_rows] {
        if distinct2 >= rows {
            distinct2 = rows;
            guess2 = false;
        }
    }
    let nulls = left.null_fraction();
    let mut selectivity = None;
    if let (Some(stats1), Some(stats2)) = (left.statistics, right.statistics)
        && !stats1.common.is_empty()
        && !stats2.common.is_empty()
    {
        let limit = (stats2.common.len() as f64).min(distinct2) as usize;
        let found = matches(stats1, stats2, limit);
        let matched = share(found.left);
        let uncertain = if guess1 || guess2 {
            0.5
        } else {
            distinct1 -= found.count;
            distinct2 -= found.count;
            if distinct1 <= distinct2 || distinct2 < 0.0 { 1.0 } else { distinct2 / distinct1 }
        };
        selectivity = Some(matched + uncertain * share(1.0 - matched - nulls));
    }
    let selectivity = selectivity.unwrap_or_else(|| {
        if guess1 || guess2 {
            0.5 * (1.0 - nulls)
        } else if distinct1 <= distinct2 || distinct2 < 0.0 {
            1.0 - nulls
        } else {
            distinct2 / distinct1 * (1.0 - nulls)
        }
    });
    share(selectivity.min(inner_rows * inner_equality(left, right)))
}

/// Share of a hash table's rows in the average bucket that is probed, and the most common value's share
/// (`estimate_hash_bucket_stats`).
pub(crate) fn bucket_share(var: &Var<'_>, rows: f64, buckets: f64) -> (f64, f64) {
    let (mut distinct, guess) = var.distinct();
    let top = var.top_share().unwrap_or(0.0);
    if guess {
        return (top.max(0.1), top);
    }
    let average = (1.0 - var.null_fraction()) / distinct;
    if var.tuples > 0.0 {
        distinct = (distinct * rows / var.tuples).round().max(1.0);
    }
    let mut estimate = if distinct > buckets { 1.0 / buckets } else { 1.0 / distinct };
    if average > 0.0 && top > average {
        estimate *= top / average;
    }
    (estimate.clamp(1.0e-6, 1.0), top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{datum::Family, selectivity::tests::*};

    fn both<T>(a: &ColumnStatistics, b: &ColumnStatistics, run: impl Fn(&Var<'_>, &Var<'_>) -> T) -> T {
        with(Some(a), Family::Number, |left| with(Some(b), Family::Number, |right| run(left, right)))
    }

    #[test]
    fn a_key_joins_its_references_once() {
        let (key, reference) = (statistics(-1.0, &[], &[]), statistics(500.0, &[], &[]));
        assert_eq!(both(&key, &reference, inner_equality), 1.0 / 10_000.0);
    }

    #[test]
    fn common_values_are_matched() {
        let (a, b) = (statistics(2.0, &[("1", 0.9), ("2", 0.1)], &[]), statistics(2.0, &[("1", 0.2), ("3", 0.8)], &[]));
        assert!((both(&a, &b, inner_equality) - 0.18).abs() < 1e-12);
    }

    #[test]
    fn a_semi_join_keeps_rows_by_the_share_of_values() {
        let (a, b) = (statistics(1000.0, &[], &[]), statistics(250.0, &[], &[]));
        assert_eq!(both(&a, &b, |left, right| semi_equality(left, right, 10_000.0, 10_000.0)), 0.25);
    }
}
