//! Which types can be keys of which indexes.

use dbopt_catalog::{Catalog, Column, TypeName};

/// Whether the type has a default B-tree operator class that is any use. Types of extensions are given the benefit of
/// the doubt: an engine that knows better refuses them.
pub(crate) fn has_btree(kind: &TypeName) -> bool {
    let name = kind.base.as_deref().unwrap_or(&kind.name);
    let element = name.strip_suffix("[]").unwrap_or(name);
    let without = [
        "json",
        "xml",
        "point",
        "line",
        "lseg",
        "box",
        "path",
        "polygon",
        "circle",
        "aclitem",
        "cid",
        "xid",
        "jsonpath",
        "refcursor",
        "pg_snapshot",
        "txid_snapshot",
        "geometry",
        "geography",
        "vector",
        "hstore",
    ];
    // These have an order, but nobody asks by it.
    let pointless = ["tsvector", "tsquery", "jsonb"];
    !without.contains(&element) && !pointless.contains(&name)
}

/// The operator class that serves `LIKE 'x%'`, when the column's order is not that of bytes
/// (<https://www.postgresql.org/docs/current/indexes-opclass.html>).
pub(crate) fn pattern_class(catalog: &Catalog, column: &Column) -> Option<String> {
    let collation = column.collation.as_deref().unwrap_or(&catalog.server.collation);
    if matches!(collation, "C" | "POSIX") {
        return None;
    }
    let name = column.kind.base.as_deref().unwrap_or(&column.kind.name);
    let class = match name {
        "text" => "text_pattern_ops",
        "character varying" => "varchar_pattern_ops",
        "character" => "bpchar_pattern_ops",
        _ => return None,
    };
    Some(class.to_owned())
}

/// Whether a cast between the types changes nothing that an index is ordered by.
pub(crate) fn is_relabelling(from: &TypeName, to: &str) -> bool {
    let string =
        |name: &str| matches!(name.split('(').next().unwrap_or(name).trim(), "text" | "varchar" | "character varying");
    (string(&from.name) && string(to)) || from.name == to
}
