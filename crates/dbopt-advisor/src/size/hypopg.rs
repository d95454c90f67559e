//! HypoPG's own sizes (`hypo_estimate_index` in `hypopg_index.c`), for `--sizes hypopg` and for costs that are to agree
//! with its.

use dbopt_catalog::{Index, Method, Table};

use super::{other, width};

/// Pages that HypoPG would say.
pub(super) fn pages(table: &Table, index: &Index, entries: f64) -> f64 {
    let (keys, included) = (width::keys(table, index), width::included(table, index));
    let columns = (keys.len() + included.len()) as f64;
    let wide: f64 = keys.iter().chain(&included).map(|part| part.width().floor()).sum();
    let pages = match index.method {
        Method::Btree => {
            let line = wide + 8.0 * columns + super::max_align(4.0 * columns);
            let bloat = (200.0 - f64::from(index.fillfactor.unwrap_or(90)) + 20.0) / 100.0;
            entries * line * bloat / (8192.0 - 24.0 - 16.0)
        }
        Method::Hash => {
            let fill = f64::from(index.fillfactor.unwrap_or(75)) / 100.0;
            let per_page = (8192.0 * fill / 20.0).floor().max(10.0);
            let buckets = other::hash_buckets(entries / per_page);
            let overflow = ((entries - buckets * per_page) / per_page + 1.0).floor().max(0.0);
            buckets + overflow + (overflow / 32_768.0).floor().max(1.0) + 1.0
        }
        _ => {
            let ranges = (table.pages / 128.0).floor() + 1.0;
            let data = ((5.0 + 2.0 * wide) * ranges / (8192.0 - 24.0)).floor() + 1.0;
            1.0 + (ranges / 1360.0).floor() + 1.0 + data
        }
    };
    pages.floor().max(1.0)
}
