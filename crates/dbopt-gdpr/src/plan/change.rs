//! The statements: what is written in place of a value, and what goes.

use dbopt_sql::{quote_ident, quote_literal};
use jiff::Timestamp;

use super::{Part, Statement, StatementKind, Value, facts::Facts, fate::Change};
use crate::{
    graph::{Edge, EdgeId, Graph, Node, NodeId, cast},
    policy::{ColumnErase, Detach, GdprPolicy, Keep, ReferenceErase},
    walk::{Key, keys, same},
};

/// What is written to a column.
struct Set {
    column: String,
    value: String,
    /// Whether the value is made of what the row had, which is `o` then.
    is_of_row: bool,
}

/// Changes rows of one table in one way. It gives a row for each, with whether the row has what was written: a trigger may have had
/// another mind.
pub(super) fn change(
    (graph, policy, facts): (&Graph, &GdprPolicy, &Facts),
    as_of: Timestamp,
    table: NodeId,
    change: &Change,
    rows: Vec<Key>,
) -> Option<Statement> {
    let node = graph.node(table);
    let width = node.identity.width();
    let (mut sets, mut values): (Vec<Set>, Vec<Value>) = (Vec::new(), Vec::new());
    for id in &change.detach {
        let edge = graph.edge(*id);
        let ReferenceErase::Detach(detach) = &edge.erase else { continue };
        let emptied = emptied(node, edge);
        for (at, name) in edge.child_columns.iter().enumerate().filter(|(_, name)| !change.except.contains(*name)) {
            let value = match detach {
                Detach::Null if emptied.contains(&name) => "NULL".to_owned(),
                Detach::Null => continue,
                Detach::Values(values) => literal(node, name, values.get(at).map_or("", String::as_str)),
            };
            sets.push(Set { column: name.clone(), value, is_of_row: false });
        }
    }
    let columns = policy.table(&node.table).filter(|_| change.mask).map(|rule| &*rule.columns).unwrap_or_default();
    for (name, rule) in columns.iter().filter(|(name, _)| !change.except.contains(name)) {
        if sets.iter().any(|set| set.column == *name) {
            continue;
        }
        if matches!(rule.erase, ColumnErase::Hmac | ColumnErase::Pseudonym) {
            values.push(Value { column: name.clone(), how: rule.erase.clone() });
            let kind = node.column(name).map(|column| cast(&column.kind)).unwrap_or_default();
            let value = format!("k.v{}::{kind}", values.len() - 1);
            sets.push(Set { column: name.clone(), value, is_of_row: false });
        } else if let Some(value) = masked(graph, node, name, &rule.erase, as_of) {
            sets.push(Set { column: name.clone(), value, is_of_row: rule.erase != ColumnErase::Null });
        }
    }
    if sets.is_empty() {
        return None;
    }
    let mut from = arrays(width, values.len());
    let of_row: Vec<String> = sets
        .iter_mut()
        .filter(|set| set.is_of_row)
        .enumerate()
        .map(|(at, set)| format!("{} AS n{at}", std::mem::replace(&mut set.value, format!("k.n{at}"))))
        .collect();
    if !of_row.is_empty() {
        // What a row had is gone when it is looked whether it has what was written, so the values are made before.
        from = format!(
            "(SELECT k.*, {} FROM {from} JOIN {} AS o ON {}) AS k",
            of_row.join(", "),
            node.from_item(),
            same(node, "o")
        );
    }
    let written = sets.iter().map(|Set { column, value, .. }| format!("{} = {value}", quote_ident(column)));
    let sql = format!(
        "UPDATE {} AS t SET {} FROM {from} WHERE {} RETURNING {};",
        node.from_item(),
        written.collect::<Vec<_>>().join(", "),
        same(node, "t"),
        sets.iter().map(|set| set.is_there(facts.kind(table, &set.column))).collect::<Vec<_>>().join(" AND ")
    );
    let columns = sets.into_iter().map(|set| set.column).collect();
    let parts = vec![Part { table, keys: rows }];
    Some(Statement { kind: StatementKind::Change, sql, parts, values, columns, is_divisible: true })
}

impl Set {
    /// Whether a row `t` has the value. Not all types have an equality, but all have a text, and the column's own type, which may
    /// round what is written to it, makes that the same. Two columns may have two collations, and one of them may not tell cases apart.
    fn is_there(&self, kind: &str) -> String {
        let column = format!("t.{}", quote_ident(&self.column));
        match &*self.value {
            "NULL" => format!("{column} IS NULL"),
            value => format!("{column}::text COLLATE \"C\" IS NOT DISTINCT FROM {value}::{kind}::text"),
        }
    }
}

/// The columns of a reference that become NULL when it is emptied: those that may.
pub(super) fn emptied<'a>(node: &Node, edge: &'a Edge) -> Vec<&'a String> {
    let may = |name: &&String| node.column(name).is_some_and(|column| !column.not_null && !column.generated);
    edge.child_columns.iter().filter(may).collect()
}

/// The arrays of keys, and of values behind them.
fn arrays(width: usize, values: usize) -> String {
    if values == 0 {
        return keys(width, 1);
    }
    let arrays: Vec<_> = (1..=width + values).map(|at| format!("${at}::text[]")).collect();
    let names = (0..width).map(|at| format!("k{at}")).chain((0..values).map(|at| format!("v{at}")));
    format!("unnest({}) AS k ({})", arrays.join(", "), names.collect::<Vec<_>>().join(", "))
}

/// What is written in place of a value; none when it is left as it is. The row as it was is `o`.
fn masked(graph: &Graph, node: &Node, name: &str, erase: &ColumnErase, as_of: Timestamp) -> Option<String> {
    let own = format!("o.{}", quote_ident(name));
    let kind = node.column(name).map(|column| cast(&column.kind)).unwrap_or_default();
    let unless_null = |value: String| format!("CASE WHEN {own} IS NOT NULL THEN {value} END");
    Some(match erase {
        ColumnErase::Null => "NULL".to_owned(),
        ColumnErase::Redact(text) if is_unique(graph, node, name) => {
            // The key is in the row already, and makes the text another in each.
            let key: Vec<String> = node.key_texts("o");
            unless_null(format!("concat_ws('-', {}, {})::{kind}", quote_literal(text), key.join(", ")))
        }
        ColumnErase::Redact(text) => unless_null(literal(node, name, text)),
        ColumnErase::Hash => format!("encode(sha256(convert_to({own}::text, 'UTF8')), 'hex')::{kind}"),
        ColumnErase::Random => unless_null(format!("replace(gen_random_uuid()::text, '-', '')::{kind}")),
        ColumnErase::Keep(Keep { after: Some((column, length)), .. }) => {
            let time = format!("o.{}::timestamptz", quote_ident(column));
            let length = quote_literal(&format!("{} milliseconds", length.get().as_millis()));
            let now = quote_literal(&as_of.to_string());
            format!("CASE WHEN ({time} + {length}::interval > {now}::timestamptz) IS NOT FALSE THEN {own} END")
        }
        ColumnErase::Keep(_) | ColumnErase::Encrypt | ColumnErase::Hmac | ColumnErase::Pseudonym => return None,
    })
}

fn literal(node: &Node, column: &str, text: &str) -> String {
    let kind = node.column(column).map(|column| cast(&column.kind)).unwrap_or_default();
    format!("{}::{kind}", quote_literal(text))
}

/// Whether a value may be in the table once only.
pub(crate) fn is_unique(graph: &Graph, node: &Node, column: &str) -> bool {
    graph.catalog.table(node.id).indexes.iter().any(|index| {
        index.unique
            && index.keys.iter().any(|key| match &key.part {
                dbopt_catalog::KeyPart::Column(name) => name == column,
                dbopt_catalog::KeyPart::Expression(text) => text.contains(column),
            })
    })
}

/// Empties a reference in rows that go.
pub(super) fn untie(graph: &Graph, edge: EdgeId, columns: &[String], rows: Vec<Key>) -> Statement {
    let table = graph.edge(edge).child;
    let node = graph.node(table);
    let sets: Vec<String> = columns.iter().map(|name| format!("{} = NULL", quote_ident(name))).collect();
    let sql = format!(
        "UPDATE {} AS t SET {} FROM {} WHERE {};",
        node.from_item(),
        sets.join(", "),
        keys(node.identity.width(), 1),
        same(node, "t")
    );
    let parts = vec![Part { table, keys: rows }];
    let columns = columns.to_vec();
    Statement { kind: StatementKind::Untie, sql, parts, values: Vec::new(), columns, is_divisible: true }
}

/// Lets the checks of foreign keys wait, given by schema and name.
pub(super) fn defer(names: &[(String, String)]) -> Statement {
    let names: Vec<String> =
        names.iter().map(|(schema, name)| format!("{}.{}", quote_ident(schema), quote_ident(name))).collect();
    let sql = format!("SET CONSTRAINTS {} DEFERRED;", names.join(", "));
    let (parts, values, columns) = (Vec::new(), Vec::new(), Vec::new());
    Statement { kind: StatementKind::Defer, sql, parts, values, columns, is_divisible: false }
}

/// Deletes rows of one table, or of several together; then it gives one row with a count for each.
pub(super) fn delete(graph: &Graph, parts: Vec<Part>) -> Statement {
    let mut first = 1;
    let mut deletes = Vec::new();
    for part in &parts {
        let node = graph.node(part.table);
        let width = node.identity.width();
        deletes.push(format!(
            "DELETE FROM {} AS t USING {} WHERE {}",
            node.from_item(),
            keys(width, first),
            same(node, "t")
        ));
        first += width;
    }
    let refers_to_itself =
        |part: &Part| graph.edges_from(part.table).any(|edge| edge.is_to_itself() && edge.is_declared());
    let is_divisible = parts.len() == 1 && !parts.iter().any(refers_to_itself);
    let sql = match &*deletes {
        [only] => format!("{only};"),
        several => {
            let ctes: Vec<String> =
                several.iter().enumerate().map(|(at, delete)| format!("d{at} AS ({delete} RETURNING 1)")).collect();
            let counts: Vec<String> = (0..several.len()).map(|at| format!("(SELECT count(*) FROM d{at})")).collect();
            format!("WITH {} SELECT {};", ctes.join(", "), counts.join(", "))
        }
    };
    Statement { kind: StatementKind::Delete, sql, parts, values: Vec::new(), columns: Vec::new(), is_divisible }
}
