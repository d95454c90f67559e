//! What the execution of a node used: sort and hash memory, blocks, files.
//!
//! PostgreSQL prints these as totals over all loops and all processes unless a field says otherwise.

/// What a node, or one worker of it, used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// How it sorted.
    pub sort: Option<SortUse>,
    /// How an incremental sort sorted its groups: those sorted by the full key first, then the presorted ones.
    pub sort_groups: Vec<SortGroups>,
    /// Hash table of a Hash, a hashed aggregate or a hashed set operation.
    pub hash: Option<HashUse>,
    /// Cache of a Memoize.
    pub cache: Option<CacheUse>,
    /// Tuple store of a Materialize, CTE Scan, WindowAgg or table function (PostgreSQL 17+).
    pub storage: Option<Storage>,
    /// Blocks touched.
    pub buffers: Option<Buffers>,
    /// Time spent on reading and writing blocks, with `track_io_timing`.
    pub io: Option<IoTimes>,
    /// Write-ahead log produced.
    pub wal: Option<Wal>,
    /// Rows of an index-only scan that had to be looked up in the heap.
    pub heap_fetches: Option<u64>,
    /// Heap blocks that a bitmap named row by row.
    pub exact_heap_blocks: u64,
    /// Heap blocks that a bitmap named only as a whole, because it outgrew `work_mem`.
    pub lossy_heap_blocks: u64,
    /// Descents of an index (PostgreSQL 18+).
    pub index_searches: Option<u64>,
}

/// The result of one sort. With several loops, it is the last one's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortUse {
    /// `quicksort`, `top-N heapsort`, `external sort`, `external merge`, or `still in progress`.
    pub method: String,
    /// Space used, kB.
    pub space_kb: u64,
    /// Whether the space is on disk.
    pub on_disk: bool,
}

/// The sorts of one kind of group in an incremental sort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortGroups {
    /// Whether these are the groups whose prefix was already sorted.
    pub presorted: bool,
    /// Number of groups.
    pub count: u64,
    /// Sort methods used.
    pub methods: Vec<String>,
    /// Average space of a group, kB.
    pub average_kb: u64,
    /// Largest space of a group, kB.
    pub peak_kb: u64,
    /// Whether some group went to disk; the space is then that on disk.
    pub on_disk: bool,
}

/// A hash table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashUse {
    /// Buckets at the end.
    pub buckets: Option<u64>,
    /// Buckets that were planned, when they differ.
    pub original_buckets: Option<u64>,
    /// Batches at the end; 1 means that everything fitted into memory.
    pub batches: Option<u64>,
    /// Batches that were planned, when they differ.
    pub original_batches: Option<u64>,
    /// Peak memory, kB.
    pub memory_kb: Option<u64>,
    /// Disk used by a hashed aggregate that spilled, kB.
    pub disk_kb: u64,
    /// Partitions that the planner expected a hashed aggregate to spill into.
    pub planned_partitions: Option<u64>,
}

/// The cache of a Memoize.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Lookups answered from the cache.
    pub hits: u64,
    /// Lookups that ran the inner side.
    pub misses: u64,
    /// Entries thrown out to make room.
    pub evictions: u64,
    /// Entries that did not fit at all.
    pub overflows: u64,
    /// Peak memory, kB.
    pub memory_kb: u64,
}

/// A tuple store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Whether it went to disk.
    pub on_disk: bool,
    /// Largest size, kB.
    pub maximum_kb: u64,
}

/// Counts of blocks (usually of 8 kB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockCounts {
    /// Found in the buffer cache.
    pub hit: u64,
    /// Read in.
    pub read: u64,
    /// Changed for the first time since their last write.
    pub dirtied: u64,
    /// Written out by this query.
    pub written: u64,
}

/// Blocks touched, of each kind of relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// Ordinary tables and indexes.
    pub shared: BlockCounts,
    /// Temporary tables of this session.
    pub local: BlockCounts,
    /// Spill files of sorts, hashes and materialised results.
    pub temp: BlockCounts,
}

impl BlockCounts {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            hit: f(self.hit, other.hit),
            read: f(self.read, other.read),
            dirtied: f(self.dirtied, other.dirtied),
            written: f(self.written, other.written),
        }
    }
}

impl Buffers {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64 + Copy) -> Self {
        Self {
            shared: self.shared.zip(other.shared, f),
            local: self.local.zip(other.local, f),
            temp: self.temp.zip(other.temp, f),
        }
    }

    /// The sum of both, per kind.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// What is left without `other`, per kind and never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    /// Whether no block was touched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Time spent on reading and writing blocks, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IoTimes {
    /// Reading ordinary tables and indexes.
    pub shared_read_ms: f64,
    /// Writing them.
    pub shared_write_ms: f64,
    /// Reading temporary tables.
    pub local_read_ms: f64,
    /// Writing them.
    pub local_write_ms: f64,
    /// Reading spill files.
    pub temp_read_ms: f64,
    /// Writing them.
    pub temp_write_ms: f64,
}

/// Write-ahead log produced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wal {
    /// Records.
    pub records: u64,
    /// Full page images.
    pub full_page_images: u64,
    /// Bytes.
    pub bytes: u64,
    /// Times the buffers were full (PostgreSQL 18+).
    pub buffers_full: u64,
}
