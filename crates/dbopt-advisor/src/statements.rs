//! Advice as statements: what creates an index, what takes it back, one statement a string and in order.
//!
//! Whoever prints advice and whoever applies it take the statements from here, so that both are the same. Each runs by
//! itself, outside a transaction, since `CREATE INDEX CONCURRENTLY` refuses one
//! (<https://www.postgresql.org/docs/current/sql-createindex.html>).

use std::collections::BTreeSet;

use dbopt_catalog::{Build, Catalog, Index, IndexKey, Relkind, TableId, index_name};
use dbopt_sql::quote_ident;

/// The statements that create an index without blocking writes.
///
/// `CONCURRENTLY` is not allowed on a partitioned table: there the parent's index is made empty (`ON ONLY`), each
/// partition gets its own concurrently, and is attached; with the last one the parent's index becomes valid
/// (<https://www.postgresql.org/docs/current/ddl-partitioning.html>).
#[must_use]
pub fn create(catalog: &Catalog, table: TableId, index: &Index) -> Vec<String> {
    let mut statements = Vec::new();
    let mut taken = BTreeSet::new();
    append_create(catalog, table, index, &mut taken, &mut statements);
    statements
}

/// The statement that takes the creation of an index back; for a partitioned table it takes the partitions' with it.
#[must_use]
pub fn rollback(catalog: &Catalog, table: TableId, index: &Index) -> Vec<String> {
    let concurrently = if catalog.table(table).kind == Relkind::Partitioned { "" } else { "CONCURRENTLY " };
    vec![format!("DROP INDEX {concurrently}IF EXISTS {};", qualified(index))]
}

/// The statement that drops an existing index without blocking.
#[must_use]
pub fn drop(index: &Index) -> String {
    format!("{};", index.drop_sql())
}

/// The statement that makes a dropped index again.
#[must_use]
pub fn recreate(index: &Index) -> String {
    let definition = index.definition.trim_end_matches(';');
    match definition.split_once(" INDEX ") {
        Some((head, tail)) if !tail.starts_with("CONCURRENTLY ") => format!("{head} INDEX CONCURRENTLY {tail};"),
        _ => format!("{definition};"),
    }
}

/// One key as it stands in an index definition.
#[must_use]
pub fn key(key: &IndexKey) -> String {
    key.sql()
}

fn append_create(
    catalog: &Catalog,
    id: TableId,
    index: &Index,
    taken: &mut BTreeSet<(String, String)>,
    statements: &mut Vec<String>,
) {
    let table = catalog.table(id);
    taken.insert((index.schema.clone(), index.name.clone()));
    if table.kind != Relkind::Partitioned {
        statements.push(format!("{};", index.create_sql(table, Build::Concurrently)));
        return;
    }
    statements.push(format!("{};", index.create_sql(table, Build::OnlyParent)));
    for part in catalog.children(id) {
        let part_table = catalog.table(part);
        let name = index_name(catalog, part_table, &index.keys, taken);
        let own = Index { schema: part_table.schema.clone(), name, ..index.clone() };
        append_create(catalog, part, &own, taken, statements);
        statements.push(format!("ALTER INDEX {} ATTACH PARTITION {};", qualified(index), qualified(&own)));
    }
}

fn qualified(index: &Index) -> String {
    format!("{}.{}", quote_ident(&index.schema), quote_ident(&index.name))
}
