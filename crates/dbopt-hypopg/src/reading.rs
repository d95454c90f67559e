//! What a plan says: the indexes that it uses, and the plan in a few words.

use std::collections::BTreeMap;

use dbopt_advisor::{CandidateId, UsedIndex};
use dbopt_catalog::{Catalog, Index, KeyPart, TableId};
use dbopt_plan::{Node, Plan, Relation};

/// The indexes that exist only in this session, by the names that plans give them.
pub(crate) type Hypothetical = BTreeMap<String, CandidateId>;

/// The indexes that a plan uses, each once, sorted.
pub(crate) fn used(plan: &Plan, hypothetical: &Hypothetical, catalog: &Catalog) -> Vec<UsedIndex> {
    let mut used: Vec<UsedIndex> = Vec::new();
    let mut table: Option<&Relation> = None;
    for (_, node) in plan.nodes() {
        if let Some(relation) = node.relation.as_ref().filter(|relation| relation.name.is_some()) {
            table = Some(relation);
        }
        let Some(name) = &node.index_name else { continue };
        match hypothetical.get(name) {
            Some(id) => used.push(UsedIndex::Candidate(*id)),
            // A Bitmap Index Scan names no table; the Bitmap Heap Scan above it does.
            None => used.extend(existing(catalog, table, name)),
        }
    }
    used.sort();
    used.dedup();
    used
}

/// An existing index by its name and its table's. Schemas may have tables and indexes of the same names, so the table's
/// schema counts where the plan says it.
fn existing(catalog: &Catalog, table: Option<&Relation>, name: &str) -> Option<UsedIndex> {
    let found = |id: TableId| {
        let index = catalog.table(id).indexes.iter().position(|index| index.name == name)?;
        Some(UsedIndex::Existing(id, index))
    };
    let named = table.and_then(|table| catalog.find(table.schema.as_deref(), table.name.as_deref()?));
    named.and_then(found).or_else(|| {
        let all = (0..catalog.tables.len()).map(TableId);
        all.filter(|id| table.is_none_or(|table| table.name.as_deref() == Some(&catalog.table(*id).name)))
            .find_map(found)
    })
}

/// The plan's accesses and joins in short, in the order of the plan: `Nested Loop (Seq Scan on a, Index Scan on b (x))`.
pub(crate) fn brief(plan: &Plan, keys: &dyn Fn(&str) -> Option<String>) -> String {
    brief_node(&plan.root, None, keys).unwrap_or_else(|| plan.root.kind.name().to_owned())
}

fn brief_node(node: &Node, table: Option<&str>, keys: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let table = node.relation.as_ref().and_then(|relation| relation.name.as_deref()).or(table);
    let below: Vec<String> = node.children.iter().filter_map(|child| brief_node(child, table, keys)).collect();
    if let Some(index) = &node.index_name {
        let keys = keys(index).unwrap_or_else(|| index.clone());
        return Some(format!("{} on {} ({keys})", node.kind, table.unwrap_or("?")));
    }
    match (node.kind.reads_table(), node.kind.is_join(), below.as_slice()) {
        (true, _, []) => Some(format!("{} on {}", node.kind, table.unwrap_or("?"))),
        (_, true, below) => Some(format!("{} ({})", node.kind, below.join(", "))),
        (_, _, []) => None,
        (_, _, below) => Some(below.join(", ")),
    }
}

/// The keys of an index as text.
pub(crate) fn keys_of(index: &Index) -> String {
    let keys = index.keys.iter().map(|key| match &key.part {
        KeyPart::Column(name) => name.as_str(),
        KeyPart::Expression(text) => text.as_str(),
    });
    keys.collect::<Vec<_>>().join(", ")
}
