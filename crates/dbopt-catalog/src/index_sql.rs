//! Indexes as SQL: the statements that make and drop one, and a name for a new one
//! (<https://www.postgresql.org/docs/current/sql-createindex.html>).

use std::collections::BTreeSet;

use dbopt_sql::quote_ident;

use crate::{
    catalog::Catalog,
    index::{Index, IndexKey, KeyPart, Method},
    table::Table,
    text::closing,
};

/// How an index is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// `CREATE INDEX`, which blocks writes.
    Plain,
    /// `CREATE INDEX CONCURRENTLY`, which does not, and is refused in a transaction and on a partitioned table.
    Concurrently,
    /// `CREATE INDEX … ON ONLY`: for a partitioned table, invalid until every partition's index is attached.
    OnlyParent,
}

impl Index {
    /// The statement that creates it on a table, without semicolon.
    #[must_use]
    pub fn create_sql(&self, table: &Table, build: Build) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let (concurrently, only) = match build {
            Build::Plain => ("", ""),
            Build::Concurrently => ("CONCURRENTLY ", ""),
            Build::OnlyParent => ("", "ONLY "),
        };
        // The schema is the table's; an index cannot be created in another, and no schema may be named.
        let name = if self.name.is_empty() { String::new() } else { format!("{} ", quote_ident(&self.name)) };
        let mut sql = format!(
            "CREATE {unique}INDEX {concurrently}{name}ON {only}{} USING {} ({})",
            qualified(&table.schema, &table.name),
            quote_ident(self.method.name()),
            list(self.keys.iter().map(IndexKey::sql)),
        );
        if !self.include.is_empty() {
            let columns = list(self.include.iter().map(|column| quote_ident(column).into_owned()));
            sql.push_str(&format!(" INCLUDE ({columns})"));
        }
        if self.nulls_not_distinct {
            sql.push_str(" NULLS NOT DISTINCT");
        }
        let mut parameters = Vec::new();
        parameters.extend(self.fillfactor.map(|percent| format!("fillfactor={percent}")));
        if self.method == Method::Btree && !self.deduplicate {
            parameters.push("deduplicate_items=off".to_owned());
        }
        if !parameters.is_empty() {
            sql.push_str(&format!(" WITH ({})", parameters.join(", ")));
        }
        if let Some(predicate) = &self.predicate {
            sql.push_str(&format!(" WHERE {predicate}"));
        }
        sql
    }

    /// The statement that drops it without blocking, without semicolon.
    ///
    /// It fails for an index of a constraint, which goes with the constraint, and for one of a partitioned table,
    /// which can only be dropped in the blocking way.
    #[must_use]
    pub fn drop_sql(&self) -> String {
        format!("DROP INDEX CONCURRENTLY {}", qualified(&self.schema, &self.name))
    }
}

impl IndexKey {
    /// The key as it stands in an index definition.
    #[must_use]
    pub fn sql(&self) -> String {
        let mut sql = match &self.part {
            KeyPart::Column(name) => quote_ident(name).into_owned(),
            KeyPart::Expression(text) if is_call(text) => text.clone(),
            KeyPart::Expression(text) => format!("({text})"),
        };
        if let Some(collation) = &self.collation {
            sql.push_str(&format!(" COLLATE {}", quote_ident(collation)));
        }
        if let Some(opclass) = &self.opclass {
            sql.push_str(&format!(" {}", quote_ident(opclass)));
        }
        // NULLS FIRST is what DESC implies, and NULLS LAST otherwise.
        sql.push_str(match (self.descending, self.nulls_first) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        });
        sql
    }
}

/// A name in PostgreSQL's own style, `orders_customer_id_created_at_idx`, that fits 63 bytes and is taken neither by a
/// relation in the table's schema nor by one of the names that are given, as (schema, name).
///
/// As PostgreSQL does (`makeObjectName` in `indexcmds.c`), the longer one of the table's name and the keys' names is cut
/// first, never within a character, and a number follows where the name is taken.
#[must_use]
pub fn index_name(catalog: &Catalog, table: &Table, keys: &[IndexKey], taken: &BTreeSet<(String, String)>) -> String {
    let parts: Vec<&str> = keys
        .iter()
        .map(|key| match &key.part {
            KeyPart::Column(name) => name,
            // PostgreSQL calls an expression by its function, or `expr`.
            KeyPart::Expression(text) if is_call(text) => {
                let function = text.split('(').next().unwrap_or_default();
                function.rsplit('.').next().unwrap_or_default().trim_matches('"')
            }
            KeyPart::Expression(_) => "expr",
        })
        .collect();
    let keys = parts.join("_");
    let is_taken = |name: &str| {
        let in_schema = |relation: &Table| {
            relation.schema == table.schema
                && (relation.name == name || relation.indexes.iter().any(|index| index.name == name))
        };
        taken.contains(&(table.schema.clone(), name.to_owned())) || catalog.tables.iter().any(in_schema)
    };
    free_name(&table.name, &keys, "idx", is_taken)
}

/// The first of `one_two_label`, `one_two_label1` and so on that is not taken; without `two` it is `one_label`.
pub(crate) fn free_name(one: &str, two: &str, label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = object_name(one, two, label);
    let mut number = 1_u64;
    while is_taken(&name) {
        name = object_name(one, two, &format!("{label}{number}"));
        number += 1;
    }
    name
}

/// `NAMEDATALEN` less its terminating zero.
const NAME_BYTES: usize = 63;

fn object_name(one: &str, two: &str, label: &str) -> String {
    let room = NAME_BYTES - label.len() - 1 - usize::from(!two.is_empty());
    let (mut one_bytes, mut two_bytes) = (one.len(), two.len());
    while one_bytes + two_bytes > room {
        if one_bytes > two_bytes {
            one_bytes -= 1;
        } else {
            two_bytes -= 1;
        }
    }
    let two = if two.is_empty() { String::new() } else { format!("{}_", cut(two, two_bytes)) };
    format!("{}_{two}{label}", cut(one, one_bytes))
}

/// The beginning of a text, of so many bytes at most and whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// Whether an expression is a function call and nothing else, and so stands in an index definition without
/// parentheses of its own.
fn is_call(text: &str) -> bool {
    const NOT_FUNCTIONS: [&str; 10] = ["not", "row", "exists", "array", "any", "all", "some", "in", "case", "interval"];
    let Some(open) = text.find('(') else {
        return false;
    };
    let function = &text[..open];
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"');
    !function.is_empty()
        && function.chars().all(is_name)
        && !NOT_FUNCTIONS.contains(&&*function.to_lowercase())
        && closing(&text[open..]).is_some_and(|close| open + close + 1 == text.len())
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn orders() -> Table {
        Table { schema: "public".to_owned(), name: "orders".to_owned(), ..Table::default() }
    }

    fn expression(text: &str) -> IndexKey {
        IndexKey { part: KeyPart::Expression(text.to_owned()), ..IndexKey::column("") }
    }

    #[test]
    fn statements_have_every_part() {
        let index = Index {
            schema: "public".to_owned(),
            name: "Orders idx".to_owned(),
            keys: vec![
                IndexKey { opclass: Some("text_pattern_ops".to_owned()), ..IndexKey::column("user") },
                IndexKey { descending: true, nulls_first: true, ..IndexKey::column("b") },
                IndexKey { collation: Some("en_US.utf8".to_owned()), ..expression("lower(name)") },
                IndexKey { descending: true, ..expression("a || b") },
            ],
            include: vec!["c".to_owned()],
            predicate: Some("(d IS NULL)".to_owned()),
            fillfactor: Some(90),
            unique: true,
            ..Index::default()
        };
        insta::assert_snapshot!(
            index.create_sql(&orders(), Build::Concurrently),
            @r#"CREATE UNIQUE INDEX CONCURRENTLY "Orders idx" ON public.orders USING btree ("user" text_pattern_ops, b DESC, lower(name) COLLATE "en_US.utf8", (a || b) DESC NULLS LAST) INCLUDE (c) WITH (fillfactor=90) WHERE (d IS NULL)"#
        );
        insta::assert_snapshot!(index.drop_sql(), @r#"DROP INDEX CONCURRENTLY public."Orders idx""#);
        let plain = Index { keys: vec![IndexKey::column("a")], deduplicate: false, ..Index::default() };
        insta::assert_snapshot!(
            plain.create_sql(&orders(), Build::OnlyParent),
            @"CREATE INDEX ON ONLY public.orders USING btree (a) WITH (deduplicate_items=off)"
        );
    }

    #[test]
    fn only_calls_go_without_parentheses() {
        for call in ["lower(x)", "app.\"F\"(a, ')')", "date_trunc('day'::text, at)"] {
            assert!(is_call(call), "{call}");
        }
        for other in ["a || b", "lower(x) || upper(y)", "not(a)", "(a)", "x IN (1)", "f(a))("] {
            assert!(!is_call(other), "{other}");
        }
    }

    #[test]
    fn names_are_free_and_in_the_servers_style() {
        let mut catalog = Catalog::default();
        let keys = [IndexKey::column("customer_id"), expression("lower(name)"), expression("a + b")];
        let mut taken = BTreeSet::new();
        assert_eq!(index_name(&catalog, &orders(), &keys, &taken), "orders_customer_id_lower_expr_idx");
        catalog.insert(Table { name: "orders_customer_id_lower_expr_idx".to_owned(), ..orders() });
        assert_eq!(index_name(&catalog, &orders(), &keys, &taken), "orders_customer_id_lower_expr_idx1");
        taken.insert(("public".to_owned(), "orders_customer_id_lower_expr_idx1".to_owned()));
        assert_eq!(index_name(&catalog, &orders(), &keys, &taken), "orders_customer_id_lower_expr_idx2");
    }

    proptest! {
        #[test]
        fn names_fit(table in "\\PC{1,40}", columns in proptest::collection::vec("\\PC{1,30}", 1..5)) {
            let table = Table { name: table, ..orders() };
            let keys: Vec<_> = columns.into_iter().map(IndexKey::column).collect();
            let name = index_name(&Catalog::default(), &table, &keys, &BTreeSet::new());
            prop_assert!(name.len() <= 63);
            prop_assert!(name.ends_with("_idx"));
        }
    }
}
