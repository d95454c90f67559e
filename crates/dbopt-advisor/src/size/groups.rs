//! How many rows share a key?
//!
//! A key's values are held as classes of equally likely ones: each most common value by itself, null, and all the rest
//! together. The rows of one value are then Poisson distributed, of which those values count that occur at all; so
//! classes of several columns can be multiplied, and the number of combinations that really occur comes out by itself.

use super::width::Part;

/// Equally likely values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    /// Probability that a row has one certain value of the class.
    pub(super) share: f64,
    /// Values in the class, those that could occur included.
    pub(super) values: f64,
    /// The key columns that are null, by bit.
    pub(super) nulls: u64,
}

/// Classes kept; smaller ones are merged.
const MAX_CLASSES: usize = 128;

/// The classes of a key over `entries` entries in a table of `rows` rows.
pub(super) fn classes(parts: &[Part<'_>], rows: f64, entries: f64) -> Vec<Class> {
    let mut all = vec![Class { share: 1.0, values: 1.0, nulls: 0 }];
    for (position, part) in parts.iter().enumerate() {
        let column = column_classes(part, position, rows, entries);
        let product = all.iter().flat_map(|left| {
            column.iter().map(move |right| Class {
                share: left.share * right.share,
                values: left.values * right.values,
                nulls: left.nulls | right.nulls,
            })
        });
        all = merge(product.collect());
    }
    all
}

fn column_classes(part: &Part<'_>, position: usize, rows: f64, entries: f64) -> Vec<Class> {
    let nulls = part.null_fraction();
    let mut classes = Vec::new();
    if nulls > 0.0 {
        classes.push(Class { share: nulls, values: 1.0, nulls: 1 << position.min(63) });
    }
    let common = part.statistics.map_or(&[][..], |statistics| &statistics.common);
    let mut rest = 1.0 - nulls;
    for common in common {
        let share = common.frequency.clamp(0.0, rest.max(0.0));
        if share > 0.0 {
            classes.push(Class { share, values: 1.0, nulls: 0 });
            rest -= share;
        }
    }
    let distinct = distinct(part, rows) - common.len() as f64;
    if rest > 1e-6 && entries * rest >= 0.5 {
        // A column that has few values left takes them from the rows of the whole table.
        let each = (rows.max(entries) * rest / distinct.max(1.0)).max(1.0);
        let values = (rows.max(entries) * rest / poisson_mean(each)).max(1.0);
        classes.push(Class { share: rest / values, values, nulls: 0 });
    }
    classes
}

/// Distinct values of a column.
pub(super) fn distinct(part: &Part<'_>, rows: f64) -> f64 {
    let known = part.statistics.map_or(0.0, |statistics| statistics.n_distinct);
    if known > 0.0 {
        known
    } else if known < 0.0 {
        -known * rows
    } else if part.kind.is_some_and(|kind| kind.name == "boolean") {
        2.0
    } else {
        // Nothing is known: more than the planner's 200 values in a large table, but some duplicates.
        (rows * 0.1).max(200.0).min(rows)
    }
}

/// The mean of the Poisson distribution whose mean over the values that occur at all is `mean`.
fn poisson_mean(mean: f64) -> f64 {
    if mean > 30.0 {
        return mean;
    }
    let (mut low, mut high) = (1e-6, mean);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if middle / -(-middle).exp_m1() < mean {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Keeps the classes with the largest shares of the rows; others with the same nulls are put together.
fn merge(mut classes: Vec<Class>) -> Vec<Class> {
    if classes.len() <= MAX_CLASSES {
        return classes;
    }
    classes.sort_by(|a, b| b.share.total_cmp(&a.share));
    let mut merged: Vec<Class> = classes.split_off(MAX_CLASSES - 16);
    // Neighbours in share are alike, so few runs of them lose little.
    merged.sort_by(|a, b| a.nulls.cmp(&b.nulls).then(b.share.total_cmp(&a.share)));
    let run = merged.len().div_ceil(16);
    for chunk in merged.chunks(run) {
        for same in chunk.chunk_by(|a, b| a.nulls == b.nulls) {
            let values: f64 = same.iter().map(|class| class.values).sum();
            let rows: f64 = same.iter().map(|class| class.values * class.share).sum();
            classes.push(Class { share: rows / values, values, nulls: same[0].nulls });
        }
    }
    classes
}

/// Expected sum of `cost(rows)` over the values of a class that occur, in an index of `entries` entries.
pub(super) fn expected(class: &Class, entries: f64, cost: &dyn Fn(f64) -> f64) -> f64 {
    let mean = entries * class.share;
    if mean <= 0.0 {
        return 0.0;
    }
    if mean > 200.0 {
        return class.values * cost(mean.round());
    }
    let mut probability = (-mean).exp();
    let mut sum = 0.0;
    let last = mean + 8.0 * mean.sqrt() + 8.0;
    let mut rows = 1.0;
    while rows <= last {
        probability *= mean / rows;
        sum += probability * cost(rows);
        rows += 1.0;
    }
    class.values * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_poisson_mean_is_inverted() {
        for mean in [1.0001_f64, 1.5, 3.0, 10.0] {
            let lambda = poisson_mean(mean);
            assert!((lambda / -(-lambda).exp_m1() - mean).abs() < 1e-3, "{mean}");
        }
    }

    #[test]
    fn all_rows_are_in_some_value() {
        let class = Class { share: 1e-4, values: 1e4, nulls: 0 };
        let rows = expected(&class, 50_000.0, &|rows| rows);
        assert!((rows - 50_000.0).abs() < 1.0, "{rows}");
        let occurring = expected(&class, 50_000.0, &|_| 1.0);
        assert!((occurring - 9_932.6).abs() < 1.0, "{occurring}");
    }
}
