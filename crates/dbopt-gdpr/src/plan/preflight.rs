//! What stands in the way of the statements, looked for before any of them is run.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_catalog::{ConstraintKind, Relkind};
use dbopt_finding::Finding;
use dbopt_sql::quote_ident;

use super::{
    Statement, StatementKind,
    change::{emptied, is_unique},
    facts::{Facts, TableFacts},
    fate::{Fate, Fates},
};
use crate::{
    graph::{Graph, Node, NodeId},
    policy::{ColumnErase, Detach, GdprPolicy, ReferenceErase},
};

/// What is done to a table.
#[derive(Clone, Debug, Default)]
struct Done {
    changed: usize,
    deleted: usize,
    /// Columns that are written.
    columns: BTreeSet<String>,
}

pub(super) fn preflight(
    graph: &Graph,
    policy: &GdprPolicy,
    facts: &Facts,
    fates: &Fates,
    statements: &[Statement],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut done: BTreeMap<NodeId, Done> = BTreeMap::new();
    for statement in statements.iter().filter(|statement| statement.kind.is_of_rows()) {
        for part in &statement.parts {
            let entry = done.entry(part.table).or_default();
            entry.columns.extend(statement.columns.iter().cloned());
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
        obstacles(graph, node, done, table, &mut findings);
        findings.extend(lacking(node, done, table, &facts.role));
    }
    for statement in statements.iter().filter(|statement| statement.kind == StatementKind::Change) {
        for part in &statement.parts {
            masks(graph, policy, part.table, part.keys.len(), statement, &mut findings);
        }
    }
    detached(graph, fates, &mut findings);
    // Refreshing computes the whole view and locks out its readers, so it is no part of the erasure.
    for view in &facts.materialised {
        let message = format!("the materialised view `{view}` shows rows as they were until it is refreshed");
        let help = format!("Run `REFRESH MATERIALIZED VIEW {view};` after the erasure.");
        findings.push(Finding::warning("materialised-view", message).help(help));
    }
    if facts.logs_parameters {
        let message =
            "the server may write statements with their parameters to its log, and keys of rows are among them";
        findings.push(Finding::warning("logs-parameters", message).help(
            "For the role that erases, set `log_parameter_max_length` and `log_parameter_max_length_on_error` to 0.",
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

fn obstacles(graph: &Graph, node: &Node, done: &Done, table: &TableFacts, findings: &mut Vec<Finding>) {
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
    if graph.catalog.table(node.id).kind == Relkind::Table && node.identity == crate::Identity::Place {
        let message = format!("`{name}` has no key, so its rows are told by their places and are locked meanwhile");
        findings.push(Finding::note("no-key", message));
    }
}

/// Rights that the role lacks. Rows are locked before they are deleted, for which the server wants UPDATE on some column.
fn lacking(node: &Node, done: &Done, table: &TableFacts, role: &str) -> Option<Finding> {
    let columns: Vec<String> =
        done.columns.difference(&table.may_update).map(|name| quote_ident(name).into()).collect();
    let mut lacks: Vec<String> = Vec::new();
    lacks.extend((!table.may_select).then(|| "SELECT".to_owned()));
    let locks_only = columns.is_empty() && table.may_update.is_empty();
    if !columns.is_empty() {
        lacks.push(format!("UPDATE ({})", columns.join(", ")));
    } else if locks_only {
        lacks.push("UPDATE".to_owned());
    }
    lacks.extend((done.deleted > 0 && !table.may_delete).then(|| "DELETE".to_owned()));
    let (name, lacks) = (&node.table, lacks.join(", "));
    let why = if locks_only { " (to lock rows, of one column at least)" } else { "" };
    (!lacks.is_empty()).then(|| {
        let grant = format!("GRANT {lacks} ON {name} TO {};", quote_ident(role));
        Finding::error("no-privilege", format!("this role lacks {lacks} on `{name}`{why}"))
            .help(format!("Let its owner, `{}`, run `{grant}`", table.owner))
    })
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
        if !statement.columns.contains(name) {
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
        for edge in graph.edges_to(id).filter(|edge| edge.is_declared() && edge.parent_columns.contains(name)) {
            let message = format!("rows may refer to `{shown}` by `{edge}`, and are changed along or refuse it then");
            let help = "Rows that are changed along roll the erasure back. Say by `erase` of the reference what becomes of them.";
            findings.push(Finding::warning("mask-referenced", message).help(help));
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
fn detached(graph: &Graph, fates: &Fates, findings: &mut Vec<Finding>) {
    let changes = fates.values().flat_map(BTreeMap::values).filter_map(|fate| match fate {
        Fate::Change(change) => Some(&change.detach),
        _ => None,
    });
    for id in changes.flatten().collect::<BTreeSet<_>>() {
        let edge = graph.edge(*id);
        let node = graph.node(edge.child);
        if edge.erase == ReferenceErase::Detach(Detach::Null) && emptied(node, edge).is_empty() {
            let message = format!("no column of `{edge}` may be NULL, so it cannot be emptied");
            let help = "Write `become`, the key of an account for all who are gone.";
            findings.push(Finding::error("mask-not-null", message).help(help));
        }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
