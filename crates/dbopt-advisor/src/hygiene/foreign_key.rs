//! Foreign keys whose referencing side has no index: each delete or key change of a referenced row reads the whole
//! referencing table (<https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK>).

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, Index, IndexKey, Method, Relkind, TableId};

use crate::{
    advice::{CreateIndex, MissingForeignKey},
    naming::Names,
    write_cost::Writes,
};

/// Tables of fewer rows are read as quickly as an index would be.
const SMALLEST: f64 = 1000.0;

/// The foreign keys that neither an existing nor an advised index serves, the most expensive first. `size` predicts the
/// bytes of an index.
#[must_use]
pub(crate) fn missing_foreign_keys(
    catalog: &Catalog,
    create: &[CreateIndex],
    writes: &Writes,
    names: &mut Names<'_>,
    size: &dyn Fn(TableId, &Index) -> f64,
) -> Vec<MissingForeignKey> {
    let mut missing = Vec::new();
    for (at, table) in catalog.tables.iter().enumerate() {
        let id = TableId(at);
        let small = table.rows.is_some_and(|rows| rows < SMALLEST);
        // A partition's foreign keys are those of its parent.
        if small || table.parent.is_some() || matches!(table.kind, Relkind::Foreign | Relkind::View) {
            continue;
        }
        for (constraint, references, _) in table.foreign_keys() {
            let advised = create.iter().filter(|create| create.table == id).map(|create| &create.index);
            let mut indexes = table.indexes.iter().filter(|index| index.valid).chain(advised);
            if indexes.any(|index| leads_with(index, &constraint.columns)) {
                continue;
            }
            let keys = constraint.columns.iter().map(IndexKey::column).collect();
            let mut index = Index { schema: table.schema.clone(), keys, ..Index::default() };
            index.name = names.take(table, &index);
            let settings = &catalog.settings;
            let rows = table.rows.unwrap_or(SMALLEST);
            let comparisons = settings.cpu_operator_cost * constraint.columns.len() as f64;
            let referenced = catalog.find(Some(&references.0), &references.1);
            let counted = referenced.and_then(|id| catalog.table(id).activity.as_ref());
            let deletes = referenced.and_then(|id| writes.deleted(id)).filter(|deleted| *deleted > 0.0);
            missing.push(MissingForeignKey {
                table: id,
                constraint: constraint.name.clone(),
                columns: constraint.columns.clone(),
                references: references.clone(),
                bytes: size(id, &index),
                index,
                cost_per_delete: table.pages * settings.seq_page_cost + rows * (settings.cpu_tuple_cost + comparisons),
                deletes: deletes.or_else(|| counted.map(|activity| activity.deleted as f64)),
            });
        }
    }
    missing.sort_by(|a, b| {
        let cost = |key: &MissingForeignKey| key.cost_per_delete * key.deletes.unwrap_or(0.0);
        cost(b).total_cmp(&cost(a)).then(b.cost_per_delete.total_cmp(&a.cost_per_delete)).then(a.table.cmp(&b.table))
    });
    missing
}

/// Whether the first keys of an index are these columns, in any order: all are compared for equality.
pub(super) fn leads_with(index: &Index, columns: &[String]) -> bool {
    let leading: BTreeSet<&str> = index.keys.iter().take(columns.len()).filter_map(|key| key.as_column()).collect();
    let searchable = index.method == Method::Btree || (index.method == Method::Hash && columns.len() == 1);
    searchable
        && index.predicate.is_none()
        && leading.len() == columns.len()
        && columns.iter().all(|column| leading.contains(column.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_columns_serve_in_any_order() {
        let index =
            |keys: &[&str]| Index { keys: keys.iter().map(|key| IndexKey::column(*key)).collect(), ..Index::default() };
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(leads_with(&index(&["b", "a", "c"]), &columns(&["a", "b"])));
        assert!(!leads_with(&index(&["a", "c", "b"]), &columns(&["a", "b"])));
        let partial = Index { predicate: Some("c > 0".to_owned()), ..index(&["a"]) };
        assert!(!leads_with(&partial, &columns(&["a"])));
    }
}
