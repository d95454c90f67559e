//! Advice as statements: what creates an index, what takes it back, one statement a string and in order.
//!
//! Whoever prints advice and whoever applies it take the statements from here, so that both are the same. Each runs by
//! itself, outside a transaction, since `CREATE INDEX CONCURRENTLY` refuses one
//! (<https://www.postgresql.org/docs/current/sql-createindex.html>).

use std::collections::BTreeSet;

use dbopt_catalog::{Build, Catalog, Index, IndexKey, Relkind, TableId, index_name};
use dbopt_sql::{Token, lex, quote_ident};

/// The statements that create an index without blocking writes.
///
/// `CONCURRENTLY` is not allowed on a partitioned table: there the parent's index is made empty (`ON ONLY`), each
/// partition gets its own concurrently, and is attached; with the last one the parent's index becomes valid
/// (<https://www.postgresql.org/docs/current/ddl-partitioning.html>).
#[must_use]
pub fn create(catalog: &Catalog, table: TableId, index: &Index) -> Vec<String> {
    create_parts(catalog, table, index).into_iter().map(|part| part.sql).collect()
}

/// The same statements, each with what it is about, for whoever runs them.
#[must_use]
pub fn create_parts(catalog: &Catalog, table: TableId, index: &Index) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut taken = BTreeSet::new();
    append_create(catalog, table, index, &mut taken, &mut parts);
    parts
}

/// One statement of the creation of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it does.
    pub kind: PartKind,
    /// The table of the index.
    pub table: TableId,
    /// Schema and name of the index that it makes or attaches.
    pub index: (String, String),
    /// The statement.
    pub sql: String,
}

/// What one statement of the creation of an index does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Builds the index of a table or a partition, concurrently.
    Build,
    /// Makes the empty index of a partitioned table.
    Parent,
    /// Attaches a partition's index to the index of this schema and name.
    Attach(String, String),
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

/// The statement that makes a dropped index again without blocking writes.
#[must_use]
pub fn recreate(index: &Index) -> String {
    let definition = index.definition.trim_end_matches(';');
    let word = |token: &Token| definition.get(token.start..token.end).unwrap_or_default();
    let mut tokens = lex(definition.as_bytes()).skip_while(|token| !word(token).eq_ignore_ascii_case("index"));
    match (tokens.next(), tokens.next()) {
        (Some(keyword), Some(next)) if !word(&next).eq_ignore_ascii_case("concurrently") => {
            let (head, tail) = definition.split_at(keyword.end);
            format!("{head} CONCURRENTLY{tail};")
        }
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
    parts: &mut Vec<Part>,
) {
    let part = |kind, table, index: &Index, sql: String| Part {
        kind,
        table,
        index: (index.schema.clone(), index.name.clone()),
        sql: format!("{sql};"),
    };
    let table = catalog.table(id);
    taken.insert((index.schema.clone(), index.name.clone()));
    if table.kind != Relkind::Partitioned {
        parts.push(part(PartKind::Build, id, index, index.create_sql(table, Build::Concurrently)));
        return;
    }
    parts.push(part(PartKind::Parent, id, index, index.create_sql(table, Build::OnlyParent)));
    for child in catalog.children(id) {
        let part_table = catalog.table(child);
        // Named after the parent's index, whose name is its own among all that is advised.
        let rest = index.name.strip_prefix(&format!("{}_", table.name)).unwrap_or(&index.name);
        let stem = IndexKey::column(rest.strip_suffix("_idx").unwrap_or(rest));
        let name = index_name(catalog, part_table, &[stem], taken);
        let own = Index { schema: part_table.schema.clone(), name, ..index.clone() };
        append_create(catalog, child, &own, taken, parts);
        let attach = PartKind::Attach(index.schema.clone(), index.name.clone());
        let sql = format!("ALTER INDEX {} ATTACH PARTITION {}", qualified(index), qualified(&own));
        parts.push(part(attach, child, &own, sql));
    }
}

fn qualified(index: &Index) -> String {
    format!("{}.{}", quote_ident(&index.schema), quote_ident(&index.name))
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::{Method, Table};

    use super::*;

    fn catalog() -> Catalog {
        let table = |name: &str, kind, parent: Option<&str>| Table {
            schema: "public".to_owned(),
            name: name.to_owned(),
            kind,
            parent: parent.map(|parent| ("public".to_owned(), parent.to_owned())),
            ..Table::default()
        };
        let mut catalog = Catalog::default();
        for (name, kind, parent) in [
            ("events", Relkind::Partitioned, None),
            ("events_2024", Relkind::Table, Some("events")),
            ("events_2025", Relkind::Partitioned, Some("events")),
            ("events_2025_h1", Relkind::Table, Some("events_2025")),
            ("users", Relkind::Table, None),
        ] {
            catalog.insert(table(name, kind, parent));
        }
        catalog
    }

    fn index(name: &str, column: &str) -> Index {
        Index {
            schema: "public".to_owned(),
            name: name.to_owned(),
            method: Method::Btree,
            keys: vec![IndexKey::column(column)],
            ..Index::default()
        }
    }

    fn check(table: &str, index: &Index, expected: &[&str]) {
        let catalog = catalog();
        let id = catalog.find(Some("public"), table).expect("the table is there");
        assert_eq!(create(&catalog, id, index), expected);
    }

    #[test]
    fn a_table_needs_one_statement() {
        check(
            "users",
            &index("users_email_idx", "email"),
            &["CREATE INDEX CONCURRENTLY users_email_idx ON public.users USING btree (email);"],
        );
    }

    #[test]
    fn partitions_get_their_own_and_are_attached() {
        check(
            "events",
            &index("events_at_idx1", "at"),
            &[
                "CREATE INDEX events_at_idx1 ON ONLY public.events USING btree (at);",
                "CREATE INDEX CONCURRENTLY events_2024_at_idx1_idx ON public.events_2024 USING btree (at);",
                "ALTER INDEX public.events_at_idx1 ATTACH PARTITION public.events_2024_at_idx1_idx;",
                "CREATE INDEX events_2025_at_idx1_idx ON ONLY public.events_2025 USING btree (at);",
                "CREATE INDEX CONCURRENTLY events_2025_h1_at_idx1_idx ON public.events_2025_h1 USING btree (at);",
                "ALTER INDEX public.events_2025_at_idx1_idx ATTACH PARTITION public.events_2025_h1_at_idx1_idx;",
                "ALTER INDEX public.events_at_idx1 ATTACH PARTITION public.events_2025_at_idx1_idx;",
            ],
        );
    }

    #[test]
    fn rollbacks_undo() {
        let catalog = catalog();
        let of = |table: &str| catalog.find(Some("public"), table).expect("the table is there");
        let odd = index("Odd", "a");
        assert_eq!(rollback(&catalog, of("users"), &odd), ["DROP INDEX CONCURRENTLY IF EXISTS public.\"Odd\";"]);
        assert_eq!(rollback(&catalog, of("events"), &odd), ["DROP INDEX IF EXISTS public.\"Odd\";"]);
        let definition = "CREATE UNIQUE INDEX i ON public.t USING btree (a)".to_owned();
        assert_eq!(
            recreate(&Index { definition, ..odd }),
            "CREATE UNIQUE INDEX CONCURRENTLY i ON public.t USING btree (a);"
        );
        let definition = "create index concurrently \"index\" on t (a);".to_owned();
        assert_eq!(
            recreate(&Index { definition, ..Index::default() }),
            "create index concurrently \"index\" on t (a);"
        );
    }
}
