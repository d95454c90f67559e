//! Which types can be keys of which indexes.

use dbopt_catalog::{Catalog, Column, Datum, TypeName};

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

/// Whether the column's values stay far below the third of a page that an index entry may take: with one wider value,
/// the `INSERT` that brings it fails (<https://www.postgresql.org/docs/current/btree.html>).
pub(crate) fn stays_small(column: &Column) -> bool {
    const LONGEST_DECLARED: u32 = 500;
    const LONGEST_SEEN: usize = 200;
    const AVERAGE: f64 = 32.0;
    if column.kind.length > 0 {
        return true;
    }
    let declared = column.kind.modifier.trim_matches(['(', ')']).parse::<u32>();
    match column.kind.base.as_deref().unwrap_or(&column.kind.name) {
        "numeric" | "inet" | "cidr" => true,
        "text" | "character varying" | "character" if matches!(declared, Ok(0..=LONGEST_DECLARED)) => true,
        "text" | "character varying" | "character" | "citext" => column.statistics.as_ref().is_some_and(|statistics| {
            let common = statistics.common.iter().map(|common| match &common.value {
                Datum::Text(value) => value.len(),
                Datum::Hashed(_) => 0,
            });
            let longest = common.chain(statistics.histogram.iter().map(String::len)).max().unwrap_or(0);
            statistics.average_width <= AVERAGE && longest <= LONGEST_SEEN
        }),
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use dbopt_catalog::ColumnStatistics;

    use super::*;

    #[test]
    fn only_columns_that_stay_small_are_included() {
        let column = |kind: &str, modifier: &str, statistics: Option<ColumnStatistics>| Column {
            kind: TypeName { modifier: modifier.to_owned(), ..TypeName::of(kind) },
            statistics,
            ..Column::default()
        };
        let seen = |average_width: f64, longest: usize| {
            Some(ColumnStatistics {
                average_width,
                histogram: vec!["x".repeat(longest)],
                ..ColumnStatistics::default()
            })
        };
        assert!(stays_small(&column("integer", "", None)));
        assert!(stays_small(&column("character varying", "(20)", None)));
        assert!(stays_small(&column("text", "", seen(10.0, 40))));
        assert!(!stays_small(&column("text", "", None)));
        assert!(!stays_small(&column("text", "", seen(10.0, 5_000))));
        assert!(!stays_small(&column("jsonb", "", seen(20.0, 40))));
        assert!(!stays_small(&column("integer[]", "", seen(20.0, 40))));
    }
}
