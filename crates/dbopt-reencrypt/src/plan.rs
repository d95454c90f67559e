//! Which tables are worked through, and what speaks against that.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use dbopt_crypto::{ColumnRule, EncryptionPolicy, FieldCipher};
use dbopt_finding::{Finding, Severity};
use dbopt_sql::quote_ident;

use crate::{
    action::ReEncrypt,
    catalogue::{Catalogue, Column, Table},
    sql::{KeyColumn, Member, Target},
    tally::Tally,
};

/// What is to be done, and what is to be known of it.
#[derive(Debug)]
pub struct Planned {
    /// An action for each table.
    pub actions: Vec<ReEncrypt>,
    /// What is to be known. With an error among it nothing may be run.
    pub findings: Vec<Finding>,
}

impl Planned {
    /// Whether something speaks against running it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Plans for the columns of a policy. The tables are in the order in which the policy first names them.
#[must_use]
pub fn plan(policy: &EncryptionPolicy, cipher: &Arc<FieldCipher>, catalogue: &Catalogue) -> Planned {
    let mut findings = policy.review_database(&catalogue.facts);
    if !catalogue.has_subject_keys && policy.columns.iter().any(|rule| rule.subject.is_some()) {
        let message = "there is no table `dbopt.subject_key` for keys of persons";
        findings.push(Finding::error("no-subject-keys", message).help("Run `dbopt migrate up`."));
    }
    let mut targets: Vec<Target> = Vec::new();
    for (at, rule) in policy.columns.iter().enumerate() {
        let Some(table) = catalogue.table(rule) else { continue };
        findings.extend(obstacles(rule, table));
        let Some(keys) = keys(rule, table) else { continue };
        let is_same = |target: &&mut Target| target.oid == table.oid && target.keys == keys;
        let member = member(at, rule, table, &keys);
        match targets.iter_mut().find(is_same) {
            Some(target) => target.members.push(member),
            None => {
                findings.extend(triggers(table));
                let (schema, name) = (table.schema.clone(), table.name.clone());
                targets.push(Target { oid: table.oid, schema, name, rows: table.rows, keys, members: vec![member] });
            }
        }
    }
    let tally = |member: &Member| Tally { column: policy.columns[member.field].name(), ..Tally::default() };
    let action = |target: Target| {
        let tallies = Rc::new(RefCell::new(target.members.iter().map(tally).collect()));
        ReEncrypt::new(target, Arc::clone(cipher), tallies)
    };
    let actions = targets.into_iter().map(action).collect();
    Planned { actions, findings }
}

/// The columns of a unique index over the rule's row, in the index's order, so that rows can be read in its order.
fn keys(rule: &ColumnRule, table: &Table) -> Option<Vec<KeyColumn>> {
    let is_row = |key: &&Vec<String>| key.len() == rule.row.len() && key.iter().all(|name| rule.row.contains(name));
    let column = |name: &String| {
        table.column(name).map(|column| KeyColumn { name: column.name.clone(), cast: column.cast.clone() })
    };
    table.keys.iter().find(is_row)?.iter().map(column).collect()
}

fn member(field: usize, rule: &ColumnRule, table: &Table, keys: &[KeyColumn]) -> Member {
    let plain = rule.plain.as_ref().and_then(|plain| table.column(plain));
    let position = |name: &String| keys.iter().position(|key| key.name == *name).unwrap_or_default();
    Member {
        field,
        column: rule.column.clone(),
        plain: plain.map(|plain| (plain.name.clone(), plain.cast == "bytea")),
        terms: rule.indexes.iter().map(|index| (index.column.clone(), index.written.version)).collect(),
        subject: rule.subject.clone(),
        row: rule.row.iter().map(position).collect(),
    }
}

/// What of a table makes it impossible, beyond what the policy's own review says.
fn obstacles(rule: &ColumnRule, table: &Table) -> Vec<Finding> {
    let name = rule.table_name();
    let mut findings = Vec::new();
    if !matches!(table.kind.as_str(), "r" | "p") {
        let message = format!("`{name}` is no table whose rows can be locked one by one");
        findings.push(Finding::error("no-plain-table", message).help("Name the table behind it."));
    }
    if let Some(role) = &table.refused {
        let message = format!("role `{role}` may not read and change `{name}`");
        let help = format!("Have its owner run `GRANT SELECT, UPDATE ON {name} TO {}`.", quote_ident(role));
        findings.push(Finding::error("no-rights", message).help(help));
    }
    if table.has_rules {
        let message = format!("`{name}` has rules that turn an UPDATE into something else");
        findings.push(Finding::error("has-rules", message).help("Drop the rules, or make triggers of them."));
    }
    for key in rule.row.iter().filter_map(|key| table.column(key)).filter(|key| !key.is_builtin) {
        let message = format!(
            "`{name}.{}` is of type `{}`, which is not built in and may compare in another way",
            key.name, key.cast
        );
        findings.push(Finding::error("row-type", message).help("Name a key of built-in types as `row`."));
    }
    let written = [&rule.column].into_iter().chain(rule.indexes.iter().map(|index| &index.column)).chain(&rule.plain);
    for Column { name: column, .. } in
        written.filter_map(|name| table.column(name)).filter(|column| column.is_generated)
    {
        let message = format!("`{name}.{}` is a generated column, which cannot be written", quote_ident(column));
        findings.push(Finding::error("generated-column", message).help("Make it a plain column first."));
    }
    if let Some(plain) = rule.plain.as_ref().and_then(|plain| table.column(plain)).filter(|plain| plain.is_not_null) {
        let column = quote_ident(&plain.name);
        let message = format!("`{name}.{column}` cannot be emptied, because it is NOT NULL");
        let help = format!("Run `ALTER TABLE {name} ALTER COLUMN {column} DROP NOT NULL`.");
        findings.push(Finding::error("plain-not-null", message).help(help));
    }
    findings
}

fn triggers(table: &Table) -> Option<Finding> {
    if table.triggers.is_empty() {
        return None;
    }
    let names: Vec<_> = table.triggers.iter().map(|name| format!("`{name}`")).collect();
    let message =
        format!("each row that is written fires triggers of `{}.{}`: {}", table.schema, table.name, names.join(", "));
    let help = "What they copy of old rows elsewhere stays there in plain.";
    Some(Finding::note("fires-triggers", message).help(help))
}
