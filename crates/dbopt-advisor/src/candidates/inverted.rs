//! GIN and GiST, for operators that no B-tree serves: containment, overlap, full text search.

use dbopt_catalog::{Index, IndexKey, Method};

use super::{
    Context,
    access::{Access, Key, Searched},
    blank,
};

/// Inverted indexes for the searched keys of one access.
pub(crate) fn indexes(context: &Context<'_>, access: &Access) -> Vec<Index> {
    access.searched.iter().filter_map(|searched| index(context, access, searched)).collect()
}

fn index(context: &Context<'_>, access: &Access, searched: &Searched) -> Option<Index> {
    let table = context.catalog.table(access.table);
    let (kind, category) = match &searched.key {
        Key::Column(column) => {
            let kind = &table.columns[column.0].kind;
            (kind.base.as_deref().unwrap_or(&kind.name), kind.category)
        }
        // The only expression with such operators that is known to be immutable.
        Key::Expression(text) if text.starts_with("to_tsvector(") => ("tsvector", 'U'),
        Key::Expression(_) => return None,
    };
    // Operators by class: "Built-in GIN Operator Classes" and "Built-in GiST Operator Classes" of the documentation.
    let (method, opclass) = match (kind, searched.operator.as_str()) {
        ("jsonb", "@>" | "@?" | "@@") => (Method::Gin, Some("jsonb_path_ops")),
        ("jsonb", "?" | "?|" | "?&") | ("tsvector", "@@") => (Method::Gin, None),
        (_, "@>" | "<@" | "&&") if category == 'A' => (Method::Gin, None),
        (_, "@>" | "<@" | "&&" | "<<" | ">>" | "&<" | "&>" | "-|-") if category == 'R' => (Method::Gist, None),
        _ => return None,
    };
    let key = IndexKey {
        part: searched.key.part(table),
        opclass: opclass.map(str::to_owned),
        collation: None,
        descending: false,
        nulls_first: false,
    };
    Some(Index { keys: vec![key], ..blank(table, method) })
}
