//! How large will an index be?
//!
//! HypoPG, and every advisor built on it, multiplies rows by width and adds 30 %; since PostgreSQL 13 a B-tree keeps
//! the duplicates of a key in posting lists, so that answer is up to four times too large. Here the pages are filled as
//! `CREATE INDEX` fills them (`nbtsort.c`), from what `ANALYZE` knows of the key: how many rows share each value, how
//! wide the values are, how many are null. HypoPG's own formula is kept, to compare with it.

mod btree;
mod groups;
mod hypopg;
mod other;
mod width;

use dbopt_catalog::{Catalog, Index, Method, Table, TableId};

pub(crate) use width::average as average_width;

/// Which formula predicts sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SizeMode {
    /// The size that `CREATE INDEX` would build.
    #[default]
    Built,
    /// What HypoPG says, which is what other advisors budget with.
    HypoPg,
}

/// The predicted size of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IndexSize {
    /// Pages, the metapage among them.
    pub pages: f64,
    /// Bytes: pages times the block size.
    pub bytes: f64,
    /// Entries: rows of the table that the index's predicate lets in.
    pub entries: f64,
    /// Levels above the leaves of a B-tree; 0 when the root is a leaf, and for other methods.
    pub height: u32,
    /// Whether the access method is modelled by a rule of thumb only.
    pub rough: bool,
}

/// Predicts the size of an index that has `entries` entries.
#[must_use]
pub fn index_size(catalog: &Catalog, table: TableId, index: &Index, entries: f64, mode: SizeMode) -> IndexSize {
    let table = catalog.table(table);
    let entries = if entries.is_finite() { entries.max(0.0) } else { 0.0 };
    let (pages, height, rough) = match (mode, &index.method) {
        (SizeMode::HypoPg, Method::Btree | Method::Hash | Method::Brin) => {
            (hypopg::pages(table, index, entries), 0, false)
        }
        (_, Method::Btree) => {
            let tree = btree::tree(table, index, entries);
            (tree.pages, tree.height, false)
        }
        (_, Method::Hash) => (other::hash_pages(table, index, entries), 0, true),
        (_, Method::Brin) => (other::brin_pages(table, index), 0, true),
        (_, Method::Gin) => (other::gin_pages(table, index, entries), 0, true),
        (_, Method::Gist | Method::Spgist | Method::Other(_)) => (other::gist_pages(table, index, entries), 0, true),
    };
    let bytes = pages * f64::from(catalog.server.block_size);
    IndexSize { pages, bytes, entries, height, rough }
}

/// Rows of a table for sizes: the known number, or what its pages would hold.
pub(crate) fn table_rows(table: &Table) -> f64 {
    let rows = table.rows.unwrap_or_else(|| {
        let width: f64 = table.columns.iter().map(width::average).sum();
        (table.pages * PAGE_SPACE / (width + 28.0)).round()
    });
    if rows.is_finite() { rows.max(0.0) } else { 0.0 }
}

/// A page without its header: 8192 - 24 bytes. The formulas assume the block size that every packaged server has.
const PAGE_SPACE: f64 = 8168.0;

/// `MAXALIGN`: rounds up to eight bytes.
fn max_align(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}
