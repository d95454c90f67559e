//! From EXPLAIN output to the query behind it.

use dbopt_plan::{ConditionKind, Node, NodeKind, Plan};
use dbopt_sql::{
    analyze, fingerprint_and_normalize,
    ir::{Statement, StatementKind},
    quote_ident,
};

use crate::query::Query;

/// The query of a plan: its statement when auto_explain printed it, or else one that scans, joins and sorts what the plan
/// does. `None` when the plan reads no table.
#[must_use]
pub fn query_from_plan(plan: &Plan) -> Option<Query> {
    let (sql, statement) = match &plan.query_text {
        Some(text) => (text.clone(), analyze(text)),
        None => put_together(plan)?,
    };
    if statement.kind == StatementKind::Utility {
        return None;
    }
    let (fingerprint, normalized) = fingerprint_and_normalize(sql.as_bytes());
    let loops = plan.root.actual.as_ref();
    Some(Query {
        fingerprint: fingerprint.to_string(),
        sql,
        normalized,
        statement,
        constants: Vec::new(),
        calls: 1.0,
        total_ms: plan.execution_ms,
        rows: loops.map(|actual| actual.rows),
    })
}

/// A statement with the plan's tables, conditions, order and limit. Conditions on sub-plans are left out: what they refer
/// to has no name outside the plan.
fn put_together(plan: &Plan) -> Option<(String, Statement)> {
    let mut tables: Vec<String> = Vec::new();
    let mut conditions: Vec<&str> = Vec::new();
    for (_, node) in plan.nodes() {
        tables.extend(table(node).filter(|table| !tables.contains(table)));
        let usable = node.conditions.iter().filter(|condition| is_of_rows(condition.kind)).map(|held| &*held.text);
        conditions.extend(usable.filter(|text| !(text.contains("SubPlan") || text.contains('$'))));
    }
    conditions.sort_unstable();
    conditions.dedup();
    if tables.is_empty() {
        return None;
    }
    let mut sql = format!("SELECT * FROM {}", tables.join(", "));
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    let find = |kind: NodeKind| plan.nodes().map(|(_, node)| node).find(|node| node.kind == kind);
    if let Some(sort) = find(NodeKind::Sort).or_else(|| find(NodeKind::IncrementalSort)) {
        sql.push_str(&format!(" ORDER BY {}", sort.sort_key.join(", ")));
    }
    if let Some(limit) = find(NodeKind::Limit) {
        sql.push_str(&format!(" LIMIT {:.0}", limit.plan_rows.max(1.0)));
    }
    let statement = analyze(&sql);
    Some((sql, statement))
}

/// The table that a node reads, as it stands in FROM.
fn table(node: &Node) -> Option<String> {
    let relation = node.relation.as_ref().filter(|_| node.kind.reads_table())?;
    let name = relation.name.as_deref()?;
    let schema = relation.schema.as_deref().map_or_else(String::new, |schema| format!("{}.", quote_ident(schema)));
    let alias = relation.alias.as_deref().filter(|alias| *alias != name);
    let alias = alias.map_or_else(String::new, |alias| format!(" AS {}", quote_ident(alias)));
    Some(format!("{schema}{}{alias}", quote_ident(name)))
}

/// Whether a condition is one of the statement's; a recheck repeats an index condition, and the rest is about plans.
fn is_of_rows(kind: ConditionKind) -> bool {
    matches!(
        kind,
        ConditionKind::IndexCond
            | ConditionKind::RecheckCond
            | ConditionKind::Filter
            | ConditionKind::JoinFilter
            | ConditionKind::HashCond
            | ConditionKind::MergeCond
    )
}
