//! What stands in the way of the statements, looked for before any of them is run.

use std::collections::BTreeMap;

use dbopt_catalog::{ConstraintKind, Relkind};
use dbopt_finding::Finding;
use dbopt_sql::quote_ident;

use super::{
    Statement, StatementKind,
    change::is_unique,
    facts::{Facts, TableFacts},
};
use crate::{
    graph::{Graph, Node, NodeId},
    policy::{ColumnErase, Detach, GdprPolicy, ReferenceErase},
};

/// What is done to a table.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    changed: usize,
    deleted: usize,
}

pub(super) fn preflight(graph: &Graph, policy: &GdprPolicy, facts: &Facts, statements: &[Statement]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut done: BTreeMap<NodeId, Done> = BTreeMap::new();
    for statement in statements {
        for part in &statement.parts {
            let entry = done.entry(part.table).or_default();
            match statement.kind {
                StatementKind::Delete => entry.deleted += part.keys.len(),
                _ => entry.changed += part.keys.len(),
            }
        }
    }
    for (id, done) in &done {
        let node = graph.node(*id);
        let Some(table) = facts.table(*id) else {
            let message = format!("`{}` is there no longer", node.table);
            findings.push(Finding::error("unknown-table", message));
            continue;
        };
        obstacles(graph, node, *done, table, &mut findings);
    }
    for statement in statements.iter().filter(|statement| statement.kind == StatementKind::Change) {
        for part in &statement.parts {
            masks(graph, policy, part.table, part.keys.len(), statement, &mut findings);
        }
    }
    detached(graph, statements, &mut findings);
    if facts.logs_parameters {
        let message =
            "the server may write statements with their parameters to its log, and keys of rows are among them";
        findings.push(Finding::warning("logs-parameters", message).help(
            "For the role that erases, set `log_statement = 'none'`, `log_min_duration_statement = -1` and `log_parameter_max_length = 0`.",
        ));
    }
    // Two statements of one table find the same.
    let mut once: Vec<Finding> = Vec::new();
    for finding in findings {
        if !once.contains(&finding) {
            once.push(finding);
        }
    }
    once
}

fn obstacles(graph: &Graph, node: &Node, done: Done, table: &TableFacts, findings: &mut Vec<Finding>) {
    let name = &node.table;
    if node.kind == Relkind::Foreign {
        let message = format!("`{name}` is a foreign table, whose rows are not erased in the same transaction");
        findings.push(
            Finding::error("foreign-table", message)
                .help("Erase its rows where they are, by a policy of that database."),
        );
    }
    if table.has_rules {
        let message = format!("`{name}` has rules that turn a DELETE or an UPDATE into something else");
        findings.push(Finding::error("has-rules", message).help("Drop the rules, or make triggers of them."));
    }
    if table.row_security {
        let message = format!("row-level security may hide rows of `{name}` from this role");
        findings.push(
            Finding::error("row-security", message).help("Use a role with BYPASSRLS, or the owner of the table."),
        );
    }
    if !table.unidentified.is_empty() {
        let message = format!(
            "`{name}` is published by {} without a replica identity, so the server refuses to change it",
            list(&table.unidentified)
        );
        findings.push(
            Finding::error("no-replica-identity", message)
                .help(format!("Run `ALTER TABLE {name} REPLICA IDENTITY FULL;`, or give it a primary key.")),
        );
    }
    let mut lacks: Vec<&str> = Vec::new();
    lacks.extend((!table.may_select).then_some("SELECT"));
    lacks.extend((done.changed > 0 && !table.may_update).then_some("UPDATE"));
    lacks.extend((done.deleted > 0 && !table.may_delete).then_some("DELETE"));
    if !lacks.is_empty() {
        let message = format!("this role lacks {} on `{name}`", lacks.join(", "));
        let help = format!("Let its owner, `{}`, grant it.", table.owner);
        findings.push(Finding::error("no-privilege", message).help(help));
    }
    let mut triggers: Vec<String> = Vec::new();
    triggers.extend(if done.deleted > 0 { table.on_delete.clone() } else { Vec::new() });
    triggers.extend(if done.changed > 0 { table.on_update.clone() } else { Vec::new() });
    triggers.sort();
    triggers.dedup();
    if !triggers.is_empty() {
        let message = format!(
            "triggers of `{name}` fire, and may copy what is erased or keep it from being erased: {}",
            list(&triggers)
        );
        findings.push(
            Finding::warning("fires-triggers", message)
                .help("Cover the tables that they write to, and verify afterwards."),
        );
    }
    if done.deleted > 0 {
        let large: Vec<String> = node
            .columns
            .iter()
            .filter(|column| matches!(column.kind.name.rsplit('.').next(), Some("oid" | "lo")))
            .map(|column| column.name.clone())
            .collect();
        if !large.is_empty() {
            let message = format!("rows of `{name}` may refer to large objects, which stay: {}", list(&large));
            findings
                .push(Finding::warning("large-objects", message).help("Unlink them when nobody else refers to them."));
        }
    }
    if graph.catalog.table(node.id).kind == Relkind::Table && node.identity == crate::Identity::Place {
        let message = format!("`{name}` has no key, so its rows are told by their places and are locked meanwhile");
        findings.push(Finding::note("no-key", message));
    }
}

fn masks(
    graph: &Graph,
    policy: &GdprPolicy,
    id: NodeId,
    rows: usize,
    statement: &Statement,
    findings: &mut Vec<Finding>,
) {
    let node = graph.node(id);
    let Some(rule) = policy.table(&node.table) else { return };
    let catalog = graph.catalog.table(node.id);
    for (name, rule) in &rule.columns {
        let Some(column) = node.column(name) else { continue };
        if !statement.sql.contains(&format!("{} = ", quote_ident(name))) {
            continue;
        }
        let shown = format!("{}.{}", node.table, quote_ident(name));
        if column.generated {
            let message = format!("`{shown}` is computed of others and cannot be written");
            findings.push(
                Finding::error("generated-column", message)
                    .help("Mask the columns that it is made of, and list it in `plain`."),
            );
            continue;
        }
        if column.not_null && rule.erase == ColumnErase::Null {
            let message = format!("`{shown}` is NOT NULL");
            findings.push(Finding::error("mask-not-null", message).help("Write `erase = \"redact\"` or `\"random\"`."));
        }
        let base = column.kind.base.as_deref().unwrap_or(&column.kind.name);
        let is_text =
            matches!(base.rsplit('.').next(), Some("text" | "character varying" | "character" | "bpchar" | "citext"));
        let needs_text =
            matches!(rule.erase, ColumnErase::Hash | ColumnErase::Hmac | ColumnErase::Pseudonym | ColumnErase::Random);
        if needs_text && !is_text {
            let message = format!("`{shown}` is of type `{base}`, which no {} is", rule.erase.name());
            findings.push(
                Finding::error("mask-type", message).help("Write `erase = \"null\"` or `\"redact\"` with a `value`."),
            );
        }
        let needed = match &rule.erase {
            ColumnErase::Redact(text) => text.chars().count() + if is_unique(graph, node, name) { 21 } else { 0 },
            ColumnErase::Hash | ColumnErase::Hmac => 64,
            ColumnErase::Pseudonym | ColumnErase::Random => 32,
            _ => 0,
        };
        let most = column.kind.modifier.trim_matches(['(', ')']).parse::<usize>().ok().filter(|_| is_text);
        if most.is_some_and(|most| needed > most) {
            let message =
                format!("`{shown}` holds {} characters, and what is written has {needed}", column.kind.modifier);
            findings
                .push(Finding::error("mask-length", message).help("Write a shorter `value`, or `erase = \"null\"`."));
        }
        if rule.erase == ColumnErase::Pseudonym && rows > 1 && is_unique(graph, node, name) {
            let message = format!("`{shown}` is unique, and {rows} rows would have the same pseudonym");
            findings.push(Finding::error("mask-unique", message).help("Write `erase = \"random\"` or `\"hmac\"`."));
        }
        for constraint in &catalog.constraints {
            if let ConstraintKind::Check(text) = &constraint.kind
                && constraint.columns.contains(name)
            {
                let message =
                    format!("the check `{}` of `{shown}` may refuse what is written: {text}", constraint.name);
                findings.push(Finding::warning("mask-check", message));
            }
        }
    }
}

/// References that are to be emptied and cannot be.
fn detached(graph: &Graph, statements: &[Statement], findings: &mut Vec<Finding>) {
    for edge in graph.edges.iter().filter(|edge| edge.erase == ReferenceErase::Detach(Detach::Null)) {
        let node = graph.node(edge.child);
        let changes = |statement: &Statement| {
            statement.kind == StatementKind::Change && statement.parts.iter().any(|part| part.table == edge.child)
        };
        let first = edge.child_columns.iter().find(|name| node.column(name).is_some_and(|column| column.not_null));
        if let Some(name) = first
            && statements
                .iter()
                .any(|statement| changes(statement) && statement.sql.contains(&format!("{} = NULL", quote_ident(name))))
        {
            let message = format!("`{}.{}` is NOT NULL, so `{edge}` cannot be emptied", node.table, quote_ident(name));
            let help = "Write `become`, the key of an account for all who are gone.";
            findings.push(Finding::error("mask-not-null", message).help(help));
        }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
