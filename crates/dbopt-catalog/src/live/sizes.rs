//! Sizes in pages and rows, as the planner takes them.

use std::collections::HashMap;

use dbopt_finding::Finding;

use super::{error::Error, indexes::Indexes, session::Session, tables::Tables};
use crate::{Catalog, Relkind, TableId};

pub(super) async fn read(
    session: &Session<'_>,
    tables: &mut Tables,
    indexes: &mut Indexes,
    block_size: u32,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut oids = tables.oids();
    oids.extend(indexes.oids());
    let rows = session.about_unless_locked("sizes", include_str!("../queries/sizes.sql"), &oids).await?;
    if rows.is_none() {
        let message = "sizes are those of the last VACUUM or ANALYZE, since a table or index is locked";
        findings.push(Finding::warning("catalog-locked", message));
    }
    let mut measured = HashMap::new();
    for row in rows.iter().flatten() {
        // A table that is dropped meanwhile has no size any more.
        if let Some(bytes) = row.count("bytes")? {
            measured.insert(row.get::<u32>("oid")?, (pages(bytes, block_size), row.count("toast_bytes")?.unwrap_or(0)));
        }
    }
    for oid in tables.oids() {
        let Some(loaded) = tables.get_mut(oid) else { continue };
        let (now, toast_bytes) = measured.get(&oid).copied().unwrap_or((loaded.relpages.max(0.0), 0));
        let table = &mut loaded.table;
        if !matches!(table.kind, Relkind::View | Relkind::Partitioned) {
            table.pages = now;
            table.toast_bytes = toast_bytes;
            table.rows = scaled_rows(loaded.reltuples, loaded.relpages, now);
            table.all_visible = if now > 0.0 { (loaded.relallvisible / now).clamp(0.0, 1.0) } else { 0.0 };
        }
    }
    for oid in indexes.oids() {
        let Some(loaded) = indexes.get_mut(oid) else { continue };
        if loaded.partitioned {
            continue;
        }
        let now = measured.get(&oid).map_or(loaded.relpages.max(0.0), |(pages, _)| *pages);
        let of_table = tables.tables[loaded.table].table.rows;
        loaded.index.pages = Some(now);
        // An index has an entry for each row, unless a predicate leaves some out; its first page has none.
        loaded.index.rows = if loaded.index.predicate.is_none() {
            of_table
        } else {
            scaled_rows(loaded.reltuples, (loaded.relpages - 1.0).max(0.0), (now - 1.0).max(0.0))
                .map(|rows| of_table.map_or(rows, |of_table| rows.min(of_table)))
        };
    }
    Ok(())
}

/// Rows now, from the density of the last count and the pages now (`estimate_rel_size` in `plancat.c`). `reltuples`
/// is -1 before the first count. A count of an empty table says nothing of rows that came later.
fn scaled_rows(reltuples: f64, relpages: f64, pages: f64) -> Option<f64> {
    if reltuples < 0.0 {
        None
    } else if relpages > 0.0 {
        Some((reltuples / relpages * pages).round())
    } else {
        (pages == 0.0).then_some(0.0)
    }
}

/// Gives partitioned tables and indexes the sums of their leaves. Leaves without a row count have none to add; when
/// no leaf has one, the sum is unknown too.
pub(super) fn sum_partitions(catalog: &mut Catalog) {
    for at in 0..catalog.tables.len() {
        if catalog.tables[at].kind != Relkind::Partitioned {
            continue;
        }
        let (mut pages, mut toast_bytes, mut visible, mut rows) = (0.0, 0, 0.0, None);
        for leaf in catalog.leaves(TableId(at)) {
            let leaf = catalog.table(leaf);
            pages += leaf.pages;
            toast_bytes += leaf.toast_bytes;
            visible += leaf.pages * leaf.all_visible;
            if let Some(more) = leaf.rows {
                rows = Some(rows.unwrap_or(0.0) + more);
            }
        }
        let table = &mut catalog.tables[at];
        table.pages = pages;
        table.toast_bytes = toast_bytes;
        table.rows = rows;
        table.all_visible = if pages > 0.0 { visible / pages } else { 0.0 };
    }
    sum_partitioned_indexes(catalog);
}

fn sum_partitioned_indexes(catalog: &mut Catalog) {
    /// Deeper nesting is not to be had from a server: each level is a table that someone made.
    const DEPTH: usize = 64;
    let mut places = HashMap::new();
    for (table, of_table) in catalog.tables.iter().enumerate() {
        for (index, of_index) in of_table.indexes.iter().enumerate() {
            places.insert((of_index.schema.clone(), of_index.name.clone()), (table, index));
        }
    }
    for table in 0..catalog.tables.len() {
        for index in 0..catalog.tables[table].indexes.len() {
            let leaf = &catalog.tables[table].indexes[index];
            if catalog.tables[table].kind == Relkind::Partitioned {
                continue;
            }
            let (pages, rows, scans, mut parent) = (leaf.pages, leaf.rows, leaf.scans, leaf.parent.clone());
            for _ in 0..DEPTH {
                let Some((table, index)) = parent.and_then(|parent| places.get(&parent).copied()) else { break };
                let above = &mut catalog.tables[table].indexes[index];
                above.pages = sum(above.pages, pages);
                above.rows = sum(above.rows, rows);
                above.scans = above.scans.map(|sum| sum + scans.unwrap_or(0)).or(scans);
                parent = above.parent.clone();
            }
        }
    }
}

fn sum(one: Option<f64>, two: Option<f64>) -> Option<f64> {
    one.map(|one| one + two.unwrap_or(0.0)).or(two)
}

/// Whole pages of a size in bytes.
fn pages(bytes: u64, block_size: u32) -> f64 {
    let pages = bytes.div_ceil(u64::from(block_size.max(1)));
    #[expect(clippy::cast_precision_loss, reason = "a relation has fewer than 2^32 pages")]
    let pages = pages as f64;
    pages
}

#[cfg(test)]
mod tests {
    use super::scaled_rows;

    #[test]
    fn rows_follow_the_size() {
        assert_eq!(scaled_rows(1000.0, 10.0, 15.0), Some(1500.0));
        assert_eq!(scaled_rows(-1.0, 0.0, 15.0), None);
        assert_eq!(scaled_rows(0.0, 0.0, 0.0), Some(0.0));
        assert_eq!(scaled_rows(0.0, 0.0, 15.0), None);
        assert_eq!(scaled_rows(0.0, 4.0, 4.0), Some(0.0));
    }
}
