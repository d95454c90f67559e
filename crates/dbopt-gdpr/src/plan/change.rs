//! The statements: what is written in place of a value, and what goes.

use dbopt_sql::{quote_ident, quote_literal};
use jiff::Timestamp;

use super::{Part, Statement, StatementKind, Value, fate::Change};
use crate::{
    graph::{EdgeId, Graph, Node, NodeId, cast},
    policy::{ColumnErase, Detach, GdprPolicy, Keep, ReferenceErase},
    walk::{Key, keys, same},
};

/// Changes rows of one table in one way.
pub(super) fn change(
    graph: &Graph,
    policy: &GdprPolicy,
    as_of: Timestamp,
    table: NodeId,
    change: &Change,
    rows: Vec<Key>,
) -> Option<Statement> {
    let node = graph.node(table);
    let width = node.identity.width();
    let (mut sets, mut values) = (Vec::new(), Vec::new());
    for id in &change.detach {
        let edge = graph.edge(*id);
        let ReferenceErase::Detach(detach) = &edge.erase else { continue };
        for (at, name) in edge.child_columns.iter().enumerate().filter(|(_, name)| !change.except.contains(*name)) {
            let value = match detach {
                Detach::Null => "NULL".to_owned(),
                Detach::Values(values) => literal(node, name, values.get(at).map_or("", String::as_str)),
            };
            sets.push((name.clone(), value));
        }
    }
    let columns = policy.table(&node.table).filter(|_| change.mask).map(|rule| &*rule.columns).unwrap_or_default();
    for (name, rule) in columns.iter().filter(|(name, _)| !change.except.contains(name)) {
        if sets.iter().any(|(other, _)| other == name) {
            continue;
        }
        if matches!(rule.erase, ColumnErase::Hmac | ColumnErase::Pseudonym) {
            values.push(Value { column: name.clone(), how: rule.erase.clone() });
            let kind = node.column(name).map(|column| cast(&column.kind)).unwrap_or_default();
            sets.push((name.clone(), format!("k.v{}::{kind}", values.len() - 1)));
        } else if let Some(value) = masked(graph, node, name, &rule.erase, as_of) {
            sets.push((name.clone(), value));
        }
    }
    if sets.is_empty() {
        return None;
    }
    let sets: Vec<String> = sets.iter().map(|(name, value)| format!("{} = {value}", quote_ident(name))).collect();
    let sql = format!(
        "UPDATE {} AS t SET {} FROM {} WHERE {};",
        node.from_item(),
        sets.join(", "),
        arrays(width, values.len()),
        same(node, "t")
    );
    let parts = vec![Part { table, keys: rows }];
    Some(Statement { kind: StatementKind::Change, sql, parts, values, is_divisible: true })
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

/// What is written in place of a value; none when it is left as it is.
fn masked(graph: &Graph, node: &Node, name: &str, erase: &ColumnErase, as_of: Timestamp) -> Option<String> {
    let own = format!("t.{}", quote_ident(name));
    let kind = node.column(name).map(|column| cast(&column.kind)).unwrap_or_default();
    let unless_null = |value: String| format!("CASE WHEN {own} IS NOT NULL THEN {value} END");
    Some(match erase {
        ColumnErase::Null => "NULL".to_owned(),
        ColumnErase::Redact(text) if is_unique(graph, node, name) => {
            // The key is in the row already, and makes the text another in each.
            let key: Vec<String> = node.key_texts("t");
            unless_null(format!("concat_ws('-', {}, {})::{kind}", quote_literal(text), key.join(", ")))
        }
        ColumnErase::Redact(text) => unless_null(literal(node, name, text)),
        ColumnErase::Hash => format!("encode(sha256(convert_to({own}::text, 'UTF8')), 'hex')::{kind}"),
        ColumnErase::Random => unless_null(format!("replace(gen_random_uuid()::text, '-', '')::{kind}")),
        ColumnErase::Keep(Keep { after: Some((column, length)), .. }) => {
            let time = format!("t.{}::timestamptz", quote_ident(column));
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
pub(super) fn is_unique(graph: &Graph, node: &Node, column: &str) -> bool {
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
    Statement { kind: StatementKind::Untie, sql, parts, values: Vec::new(), is_divisible: true }
}

/// Lets the checks of foreign keys wait, given by schema and name.
pub(super) fn defer(names: &[(String, String)]) -> Statement {
    let names: Vec<String> =
        names.iter().map(|(schema, name)| format!("{}.{}", quote_ident(schema), quote_ident(name))).collect();
    let sql = format!("SET CONSTRAINTS {} DEFERRED;", names.join(", "));
    Statement { kind: StatementKind::Defer, sql, parts: Vec::new(), values: Vec::new(), is_divisible: false }
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
    Statement { kind: StatementKind::Delete, sql, parts, values: Vec::new(), is_divisible }
}
