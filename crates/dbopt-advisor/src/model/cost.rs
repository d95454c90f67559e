//! The cost formulas that several steps share (`costsize.c`).

use dbopt_catalog::Settings;

use super::path::Path;

/// Settings, and what of the whole query its scans' costs depend on.
#[derive(Clone, Debug)]
pub(crate) struct Costs<'a> {
    /// The server's settings.
    pub(crate) set: &'a Settings,
    /// `server_version_num`.
    pub(crate) version: u32,
    /// Pages of all tables of the query, among which the cache is shared (`total_table_pages`).
    pub(crate) total_pages: f64,
}

/// What a disabled kind of plan costs more (`disable_cost`).
pub(crate) const DISABLED: f64 = 1.0e10;

/// `clamp_row_est`.
pub(crate) fn clamp_rows(rows: f64) -> f64 {
    if rows.is_nan() { 1.0 } else { rows.clamp(1.0, 1e100).round() }
}

/// A width with its alignment (`MAXALIGN`).
fn max_align(width: f64) -> f64 {
    (width / 8.0).ceil() * 8.0
}

/// `relation_byte_size`.
pub(crate) fn byte_size(rows: f64, width: f64) -> f64 {
    rows * (max_align(width) + 24.0)
}

/// Pages of rows on disk (`page_size`).
pub(crate) fn page_size(rows: f64, width: f64) -> f64 {
    (byte_size(rows, width) / 8192.0).ceil()
}

impl Costs<'_> {
    /// Memory of a hash table in bytes.
    pub(crate) fn hash_mem(&self) -> f64 {
        let multiplier = if self.version < 130_000 { 1.0 } else { self.set.hash_mem_multiplier };
        self.set.work_mem * multiplier
    }

    /// Total cost of a path whose rows are kept for another reading (`cost_material`).
    pub(crate) fn materialize(&self, path: &Path, width: f64) -> f64 {
        path.total + 2.0 * self.set.cpu_operator_cost * path.rows + self.spill(path.rows, width)
    }

    /// Cost of rows that do not fit into `work_mem`, written or read once.
    pub(crate) fn spill(&self, rows: f64, width: f64) -> f64 {
        let spills = byte_size(rows, width) > self.set.work_mem;
        if spills { self.set.seq_page_cost * page_size(rows, width) } else { 0.0 }
    }

    /// Pages that fetching `tuples` rows in index order reads, with what the cache keeps (`index_pages_fetched`, after
    /// Mackert and Lohman).
    pub(crate) fn pages_fetched(&self, tuples: f64, pages: f64, index_pages: f64) -> f64 {
        let table = pages.max(1.0);
        let all = (self.total_pages + index_pages).max(1.0);
        let cache = (self.set.effective_cache_size * table / all).max(1.0).ceil();
        let fetched = if table <= cache {
            (2.0 * table * tuples / (2.0 * table + tuples)).min(table)
        } else {
            let limit = 2.0 * table * cache / (2.0 * table - cache);
            if tuples <= limit {
                2.0 * table * tuples / (2.0 * table + tuples)
            } else {
                cache + (tuples - limit) * (table - cache) / table
            }
        };
        fetched.ceil()
    }

    /// Cost of sorting: before the first row, and in all beyond the input's total (`cost_tuplesort`).
    pub(crate) fn sort(&self, tuples: f64, width: f64, limit: Option<f64>) -> (f64, f64) {
        let tuples = tuples.max(2.0);
        let compare = 2.0 * self.set.cpu_operator_cost;
        let input = byte_size(tuples, width);
        let (kept, output) = match limit {
            Some(limit) if limit > 0.0 && limit < tuples => (limit, byte_size(limit, width)),
            _ => (tuples, input),
        };
        let memory = self.set.work_mem;
        let startup = if output > memory {
            let pages = (input / 8192.0).ceil();
            let runs = input / memory;
            // `tuplesort_merge_order`: a buffer of 32 pages and two pages' overhead a tape.
            let order = (memory / (2.0 * 8192.0 + 32.0 * 8192.0)).floor().clamp(6.0, 500.0);
            let passes = if runs > order { (runs.ln() / order.ln()).ceil() } else { 1.0 };
            let page = 0.75 * self.set.seq_page_cost + 0.25 * self.set.random_page_cost;
            compare * tuples * tuples.log2() + 2.0 * pages * passes * page
        } else if tuples > 2.0 * kept || input > memory {
            compare * tuples * (2.0 * kept).log2()
        } else {
            compare * tuples * tuples.log2()
        };
        (startup, startup + self.set.cpu_operator_cost * tuples)
    }

    /// Share of a partial path's rows that one process handles (`get_parallel_divisor`).
    pub(crate) fn divisor(workers: u32) -> f64 {
        let workers = f64::from(workers);
        let leader = 1.0 - 0.3 * workers;
        workers + leader.max(0.0)
    }

    /// Workers for a scan of so many heap and index pages (`compute_parallel_worker`); 0 when it is too small.
    pub(crate) fn workers(&self, heap_pages: Option<f64>, index_pages: Option<f64>) -> u32 {
        let (heap_min, index_min) = (self.set.min_parallel_table_scan_size, self.set.min_parallel_index_scan_size);
        let too_small = |pages: Option<f64>, least: f64| pages.is_some_and(|pages| pages < least);
        let small_heap = too_small(heap_pages, heap_min);
        let small_index = too_small(index_pages, index_min);
        if (heap_pages.is_some() && small_heap && index_pages.is_none())
            || (index_pages.is_some() && small_index && heap_pages.is_none())
            || (small_heap && small_index)
            || (index_pages.is_some() && (small_heap || small_index))
        {
            return 0;
        }
        let by = |pages: f64, least: f64| {
            let mut workers = 1;
            let mut threshold = least.max(1.0);
            while pages >= threshold * 3.0 && workers < 1024 {
                workers += 1;
                threshold *= 3.0;
            }
            workers
        };
        let heap = heap_pages.map(|pages| by(pages, heap_min));
        let index = index_pages.map(|pages| by(pages, index_min));
        let wanted = match (heap, index) {
            (Some(heap), Some(index)) => heap.min(index),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 0,
        };
        wanted.min(self.set.max_parallel_workers_per_gather)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_table_is_read_at_most_once() {
        let set = Settings::default();
        let costs = Costs { set: &set, version: 150_000, total_pages: 1000.0 };
        assert_eq!(costs.pages_fetched(1e9, 1000.0, 100.0), 1000.0);
        assert_eq!(costs.pages_fetched(1.0, 1000.0, 100.0), 1.0);
    }

    #[test]
    fn a_bounded_sort_is_cheaper() {
        let set = Settings::default();
        let costs = Costs { set: &set, version: 150_000, total_pages: 1000.0 };
        let (all, _) = costs.sort(10_000.0, 40.0, None);
        let (some, _) = costs.sort(10_000.0, 40.0, Some(10.0));
        assert!((all - 2.0 * 0.0025 * 10_000.0 * 10_000.0_f64.log2()).abs() < 1e-9);
        assert!((some - 2.0 * 0.0025 * 10_000.0 * 20.0_f64.log2()).abs() < 1e-9);
    }

    #[test]
    fn workers_grow_with_the_logarithm_of_the_size() {
        let set = Settings::default();
        let costs = Costs { set: &set, version: 150_000, total_pages: 1000.0 };
        assert_eq!([500.0, 1024.0, 3072.0, 1e6].map(|pages| costs.workers(Some(pages), None)), [0, 1, 2, 2]);
        assert_eq!(Costs::divisor(2), 2.4);
    }
}
