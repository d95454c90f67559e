//! B-tree pages as `CREATE INDEX` fills them: `_bt_buildadd` and `_bt_load` in `nbtsort.c`, `nbtdedup.c`.

use dbopt_catalog::{Index, Table};

use super::{
    groups::{self, Class},
    table_rows,
    width::{self, Part},
};

/// A B-tree's shape.
pub(super) struct Tree {
    pub(super) pages: f64,
    pub(super) height: u32,
}

/// A page without its header (24 bytes), special space (16) and first line pointers.
const USABLE: f64 = 8192.0 - 24.0 - 16.0 - 8.0;
/// A line pointer.
const POINTER: f64 = 4.0;
/// A heap address in a posting list.
const ADDRESS: f64 = 6.0;
/// The largest posting list tuple: a tenth of a page, less a line pointer, aligned down.
const MAX_POSTING: f64 = 808.0;

/// Predicts the pages of a B-tree with `entries` entries.
pub(super) fn tree(table: &Table, index: &Index, entries: f64) -> Tree {
    let keys = width::keys(table, index);
    let included = width::included(table, index);
    let fillfactor = f64::from(index.fillfactor.unwrap_or(90).clamp(10, 100)) / 100.0;
    // Free space at which a page counts as full.
    let reserve = (8192.0 * (1.0 - fillfactor)).floor();
    let deduplicate = deduplicates(index, &keys);
    let leaves = leaf_pages(table, &keys, &included, entries, USABLE - reserve, deduplicate);
    let present: Vec<&Part<'_>> = keys.iter().collect();
    // Pivot tuples have no INCLUDE columns; keys with many duplicates keep a heap address to tell them apart.
    let pivot = width::tuple(&present, false) + POINTER;
    let fanout = ((USABLE - 8192.0 * 0.3) / pivot).floor().max(2.0);
    let (mut pages, mut level, mut height) = (leaves, leaves, 0);
    while level > 1.0 && height < 32 {
        level = (level / fanout).ceil();
        pages += level;
        height += 1;
    }
    Tree { pages: pages + 1.0, height }
}

/// Whether equal keys share tuples (`_bt_allequalimage`); a unique index is built without that.
fn deduplicates(index: &Index, keys: &[Part<'_>]) -> bool {
    let equal_image = |part: &Part<'_>| {
        let Some(kind) = part.kind else { return true };
        let name = kind.base.as_deref().unwrap_or(&kind.name);
        let differs = matches!(name, "numeric" | "real" | "double precision" | "jsonb" | "interval" | "record")
            || kind.category == 'A'
            || kind.category == 'R'
            || kind.category == 'C';
        !differs && !part.collation.is_some_and(|name| name.contains("nondeterministic"))
    };
    index.deduplicate && !index.unique && index.include.is_empty() && keys.iter().all(equal_image)
}

fn leaf_pages(table: &Table, keys: &[Part<'_>], included: &[Part<'_>], entries: f64, room: f64, dedup: bool) -> f64 {
    if entries < 1.0 {
        return 0.0;
    }
    let classes = groups::classes(keys, table_rows(table), entries);
    // Null INCLUDE columns are rare enough to be taken as present.
    let single = |class: &Class| {
        let present = keys.iter().enumerate().filter(|(at, _)| class.nulls >> (*at).min(63) & 1 == 0);
        let parts: Vec<&Part<'_>> = present.map(|(_, part)| part).chain(included).collect();
        width::tuple(&parts, class.nulls != 0)
    };
    let total: f64 = classes.iter().map(|class| class.share * class.values).sum();
    let entries = if total > 0.0 { entries / total } else { entries };
    let (mut bytes, mut tuples) = (0.0, 0.0);
    for class in &classes {
        let size = single(class);
        if !dedup {
            let rows = entries * class.share * class.values;
            bytes += rows * (size + POINTER);
            tuples += rows;
            continue;
        }
        bytes += groups::expected(class, entries, &|rows| posting_bytes(size, rows));
        tuples += groups::expected(class, entries, &|rows| posting_tuples(size, rows));
    }
    let average = bytes / tuples.max(1.0);
    if tuples <= 1.0 {
        return 1.0;
    }
    // A page takes tuples until it is full, and its last one then moves to the next page; a posting list that ends
    // a page gives back what its shortened copy, the high key, does not need.
    let regained = if dedup { (average - POINTER - 16.0).max(0.0) } else { 0.0 };
    let same_size = dedup && average > 700.0 || !dedup && (average - average.round()).abs() < 1e-9;
    let per_page = (room + regained) / average;
    let per_page = if same_size { per_page.floor() } else { per_page - 0.5 };
    (tuples / per_page.max(1.0)).ceil().max(1.0)
}

/// Rows of the posting lists that are full.
fn full_posting(single: f64) -> f64 {
    ((MAX_POSTING - single) / ADDRESS).floor().max(1.0)
}

/// Bytes, line pointers included, of a key that `rows` rows share and that takes `single` bytes alone.
fn posting_bytes(single: f64, rows: f64) -> f64 {
    let most = full_posting(single);
    if most <= 1.0 {
        return rows * (single + POINTER);
    }
    let size = |rows: f64| match rows {
        0.0 => 0.0,
        1.0 => single + POINTER,
        _ => super::max_align(single + ADDRESS * rows) + POINTER,
    };
    let full = (rows / most).floor();
    full * size(most) + size(rows - full * most)
}

/// Tuples of a key that `rows` rows share.
fn posting_tuples(single: f64, rows: f64) -> f64 {
    (rows / full_posting(single)).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posting_list_holds_132_rows_of_a_small_key() {
        assert_eq!(full_posting(16.0), 132.0);
        assert_eq!(posting_tuples(16.0, 133.0), 2.0);
        assert_eq!(posting_bytes(16.0, 1.0), 20.0);
        assert_eq!(posting_bytes(16.0, 2.0), 36.0);
        assert_eq!(posting_bytes(16.0, 132.0), 812.0);
        assert_eq!(posting_bytes(16.0, 133.0), 832.0);
    }
}
