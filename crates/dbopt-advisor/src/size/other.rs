//! Rules of thumb for the access methods other than B-tree.

use dbopt_catalog::{Index, Table};

use super::width;

/// Pages of a hash index: a page for each bucket, and overflow pages for what its values do not spread out.
pub(super) fn hash_pages(table: &Table, index: &Index, entries: f64) -> f64 {
    // 20 bytes an entry; buckets are filled to 75 %.
    let per_bucket = (8192.0 * f64::from(index.fillfactor.unwrap_or(75)) / 100.0 / 20.0).floor().max(10.0);
    let buckets = hash_buckets(entries / per_bucket);
    let most = (8192.0_f64 - 40.0) / 20.0;
    let rows = super::table_rows(table);
    let keys = width::keys(table, index);
    let distinct = keys.first().map_or(1.0, |part| super::groups::distinct(part, rows)).max(1.0);
    // With fewer values than buckets, each value has a chain of full pages of its own.
    let used = buckets.min(distinct);
    let chains = (entries / used / most).ceil().max(1.0) * used + (buckets - used);
    chains + 2.0
}

/// The number of buckets that a hash index starts with: a power of two in quarters (`_hash_spareindex`).
pub(super) fn hash_buckets(wanted: f64) -> f64 {
    if wanted <= 2.0 {
        return 2.0;
    }
    let wanted = wanted.min(1_073_741_824.0).ceil();
    let below = 2.0_f64.powf(wanted.log2().ceil() - 1.0);
    // Up to 512 buckets the steps are whole powers.
    let step = if below < 512.0 { below } else { below / 4.0 };
    below + ((wanted - below) / step).ceil() * step
}

/// Pages of a BRIN index with the default of 128 heap pages a range.
pub(super) fn brin_pages(table: &Table, index: &Index) -> f64 {
    let ranges = (table.pages / 128.0).ceil().max(1.0);
    let wide: f64 = width::keys(table, index).iter().map(|part| part.width().min(64.0)).sum();
    let summary = super::max_align(8.0 + 2.0 * wide) + 4.0;
    1.0 + (ranges / 1360.0).ceil() + (ranges * summary / 8152.0).ceil()
}

/// Pages of a GIN index: posting lists take about two bytes an element and row, keys their width.
pub(super) fn gin_pages(table: &Table, index: &Index, entries: f64) -> f64 {
    let bytes: f64 = width::keys(table, index)
        .iter()
        .map(|part| {
            let elements = match part.statistics {
                Some(statistics) if !statistics.common_elements.is_empty() => {
                    statistics.common_elements.iter().map(|element| element.frequency).sum::<f64>().max(1.0)
                }
                _ => (part.width() / 8.0).max(1.0),
            };
            let rows = entries * (1.0 - part.null_fraction());
            rows * elements * 2.5 + (rows * elements * 0.05) * 24.0
        })
        .sum();
    (bytes / 7300.0).ceil() + 2.0
}

/// Pages of a GiST or SP-GiST index: whole tuples, pages about 70 % full.
pub(super) fn gist_pages(table: &Table, index: &Index, entries: f64) -> f64 {
    let (keys, included) = (width::keys(table, index), width::included(table, index));
    let wide: f64 = keys.iter().chain(&included).map(width::Part::width).sum();
    (entries * (super::max_align(8.0 + wide) + 4.0) / (8152.0 * 0.7)).ceil() + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_come_in_quarters_of_a_power_of_two() {
        assert_eq!([1.0, 3.0, 5.0, 300.0].map(hash_buckets), [2.0, 4.0, 8.0, 512.0]);
        assert_eq!([513.0, 700.0, 1024.0, 1200.0].map(hash_buckets), [640.0, 768.0, 1024.0, 1280.0]);
    }
}
