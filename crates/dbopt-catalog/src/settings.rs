//! The server and its settings, as far as they change plans and sizes.

/// The server a catalogue was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// `server_version_num`, such as 150008.
    pub version_num: u32,
    /// Bytes in a page, 8192 unless the server was built otherwise.
    pub block_size: u32,
    /// Encoding of the database.
    pub encoding: String,
    /// Default collation of the database (`C`, `en_US.UTF-8`).
    pub collation: String,
    /// Whether the server is a standby.
    pub in_recovery: bool,
    /// When the cumulative statistics were last reset, and when this was read; seconds since 1970.
    pub statistics_reset: Option<i64>,
    /// When the catalogue was read; seconds since 1970.
    pub read_at: Option<i64>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            version_num: 150_000,
            block_size: 8192,
            encoding: "UTF8".to_owned(),
            collation: "C".to_owned(),
            in_recovery: false,
            statistics_reset: None,
            read_at: None,
        }
    }
}

/// Planner settings, with PostgreSQL's defaults (<https://www.postgresql.org/docs/current/runtime-config-query.html>).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each field is the server setting of the same name")]
pub struct Settings {
    pub seq_page_cost: f64,
    pub random_page_cost: f64,
    pub cpu_tuple_cost: f64,
    pub cpu_index_tuple_cost: f64,
    pub cpu_operator_cost: f64,
    pub parallel_setup_cost: f64,
    pub parallel_tuple_cost: f64,
    /// In pages.
    pub effective_cache_size: f64,
    /// In bytes.
    pub work_mem: f64,
    pub hash_mem_multiplier: f64,
    /// In bytes.
    pub maintenance_work_mem: f64,
    pub max_parallel_workers_per_gather: u32,
    /// In pages.
    pub min_parallel_table_scan_size: f64,
    /// In pages.
    pub min_parallel_index_scan_size: f64,
    pub default_statistics_target: u32,
    pub enable_seqscan: bool,
    pub enable_indexscan: bool,
    pub enable_indexonlyscan: bool,
    pub enable_bitmapscan: bool,
    pub enable_nestloop: bool,
    pub enable_hashjoin: bool,
    pub enable_mergejoin: bool,
    pub enable_sort: bool,
    pub enable_incremental_sort: bool,
    pub enable_hashagg: bool,
    pub enable_material: bool,
    pub enable_memoize: bool,
    pub from_collapse_limit: u32,
    pub join_collapse_limit: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seq_page_cost: 1.0,
            random_page_cost: 4.0,
            cpu_tuple_cost: 0.01,
            cpu_index_tuple_cost: 0.005,
            cpu_operator_cost: 0.0025,
            parallel_setup_cost: 1000.0,
            parallel_tuple_cost: 0.1,
            effective_cache_size: 524_288.0,
            work_mem: 4.0 * 1024.0 * 1024.0,
            hash_mem_multiplier: 2.0,
            maintenance_work_mem: 64.0 * 1024.0 * 1024.0,
            max_parallel_workers_per_gather: 2,
            min_parallel_table_scan_size: 1024.0,
            min_parallel_index_scan_size: 64.0,
            default_statistics_target: 100,
            enable_seqscan: true,
            enable_indexscan: true,
            enable_indexonlyscan: true,
            enable_bitmapscan: true,
            enable_nestloop: true,
            enable_hashjoin: true,
            enable_mergejoin: true,
            enable_sort: true,
            enable_incremental_sort: true,
            enable_hashagg: true,
            enable_material: true,
            enable_memoize: true,
            from_collapse_limit: 8,
            join_collapse_limit: 8,
        }
    }
}
