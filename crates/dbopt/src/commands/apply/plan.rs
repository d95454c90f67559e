//! From an advice to steps: every statement is built anew from what the catalogue confirms, and must be the file's.
//!
//! An advice is a file that anybody may have edited, and its statements run with the rights of a table's owner. So none
//! of them is taken over: names, keys and predicate are looked at one by one, the statements are made from them as
//! `dbopt advise` makes them, and any difference ends the command before it begins.

use std::collections::BTreeSet;

use dbopt_advisor::statements::{self, Part, PartKind};
use dbopt_catalog::{Catalog, Index, IndexKey, KeyPart, Method, Relkind, TableId};
use dbopt_finding::Finding;
use dbopt_run::{Action, CreateIndex, Ddl, DropIndex, Lock, Step, same_definition};
use dbopt_sql::{lex, quote_ident, quote_literal};

use super::file::{Create, Drop, Entry, File};
use super::key;
use super::verified::Verified;

/// Bytes of a name (`NAMEDATALEN` less one).
const LONGEST_NAME: usize = 63;

/// Steps in order.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Planned>,
    /// What does not fit, so that nothing may be done.
    pub(super) findings: Vec<Finding>,
    /// What is left alone.
    pub(super) notes: Vec<Finding>,
}

/// One step.
pub(super) struct Planned {
    pub(super) action: Box<dyn Action>,
    /// Whether the catalogue shows that there is nothing to do.
    pub(super) is_done: bool,
    /// The advised index that it belongs to, by position in the advice.
    pub(super) index: usize,
}

/// The steps that create, and with `drop` those that drop.
pub(super) fn forward(file: &File, catalog: &Catalog, drop: bool) -> Plan {
    let mut plan = Plan::default();
    for (at, create) in file.advice.create.iter().enumerate() {
        if let Some((table, index)) = confirmed(file, create, catalog, true, &mut plan.findings) {
            plan.create(at, &create.value, catalog, table, &index);
        }
    }
    for (at, advised) in file.advice.drop.iter().enumerate().filter(|_| drop) {
        plan.drop(file, file.advice.create.len() + at, advised, catalog);
    }
    plan
}

impl Plan {
    fn create(&mut self, at: usize, create: &Create, catalog: &Catalog, table: TableId, index: &Index) {
        let first = self.steps.len();
        let parts = statements::create_parts(&without_own(catalog, create), table, index);
        let builds = parts.iter().filter(|part| part.kind == PartKind::Build).count().max(1) as f64;
        for part in parts {
            let table = catalog.table(part.table);
            let names = (table.schema.as_str(), table.name.as_str());
            let (schema, name) = &part.index;
            let there = existing(catalog, part.table, name);
            let is_done = match &part.kind {
                PartKind::Build => {
                    there.is_some_and(|there| there.valid && same_definition(&there.definition, &part.sql))
                }
                PartKind::Parent => there.is_some(),
                PartKind::Attach(..) => there.is_some_and(|there| there.parent.is_some()),
            };
            let mut action: Box<dyn Action> = match &part.kind {
                PartKind::Build => Box::new(CreateIndex::new(names, name, &part.sql)),
                PartKind::Parent => {
                    let step = step("create-parent-index", schema, name, names, part.sql.clone(), Lock::Share);
                    Box::new(Ddl::new(step).unless(format!("SELECT EXISTS ({})", find_sql(schema, name))))
                }
                PartKind::Attach(parent_schema, parent) => {
                    let step = step("attach-index", schema, name, names, part.sql.clone(), Lock::AccessExclusive);
                    Box::new(Ddl::new(step).unless(attached_sql(&part, parent_schema, parent)))
                }
            };
            let step = action.step_mut();
            if part.kind == PartKind::Build {
                step.bytes = Some(create.bytes / builds);
                step.seconds = create.build_seconds.map(|seconds| seconds / builds);
            }
            step.needs = (first..self.steps.len()).collect();
            self.steps.push(Planned { action, is_done, index: at });
        }
        if catalog.table(table).kind == Relkind::Partitioned {
            let mut action = Verified::new((&create.schema, &create.table), &create.name, create.bytes);
            action.step_mut().needs = (first..self.steps.len()).collect();
            let is_done = existing(catalog, table, &create.name).is_some_and(|there| there.valid);
            self.steps.push(Planned { action: Box::new(action), is_done, index: at });
        }
    }

    fn drop(&mut self, file: &File, at: usize, entry: &Entry<Drop>, catalog: &Catalog) {
        let advised = &entry.value;
        let table = catalog.find(Some(&advised.schema), &advised.table);
        let there = table.and_then(|table| existing(catalog, table, &advised.name));
        if !confirmed_drop(file, entry, &mut self.findings) {
            return;
        }
        if let Some(there) = there.filter(|there| !same_definition(&there.definition, &advised.rollback)) {
            let message = format!("`{}` is not the index that the advice is about: {}", advised.name, there.definition);
            let finding = Finding::error("other-definition", message).at(file.place(entry, &advised.rollback));
            self.findings.push(finding.help("ask for the advice again, without --redact"));
            return;
        }
        if let (Some(table), Some(there)) = (table, there)
            && let Some(reason) = needed(catalog, table, there)
        {
            let message = format!("`{}` is not dropped: {reason}", advised.name);
            self.findings.push(Finding::error("needed-index", message).at(file.place(entry, &advised.sql)));
            return;
        }
        if let (Some(table), Some(there), Some("covered" | "duplicate" | "replaced")) =
            (table, there, advised.reason.as_deref())
            && !stays_covered(file, catalog, table, there)
        {
            let message = format!("`{}` is not dropped: no index that stays has its keys first", advised.name);
            self.findings.push(Finding::error("not-covered", message).at(file.place(entry, &advised.sql)));
            return;
        }
        let names = (advised.schema.as_str(), advised.table.as_str());
        let mut action = DropIndex::new(names, &advised.name, &advised.sql, &advised.rollback);
        // What replaces it has to be there first.
        let replaces = |create: &Create| {
            (&create.schema, &create.table) == (&advised.schema, &advised.table)
                && create.replaces.contains(&advised.name)
        };
        let is_replaced =
            |step: &Planned| file.advice.create.get(step.index).is_some_and(|entry| replaces(&entry.value));
        action.step_mut().needs = (0..self.steps.len()).filter(|at| is_replaced(&self.steps[*at])).collect();
        self.steps.push(Planned { action: Box::new(action), is_done: there.is_none(), index: at });
    }
}

/// Whether an index that is there, or comes to be, and is not dropped by the same advice does what this one does.
fn stays_covered(file: &File, catalog: &Catalog, table: TableId, index: &Index) -> bool {
    let names = catalog.table(table);
    let of_table = |schema: &str, name: &str| (schema, name) == (names.schema.as_str(), names.name.as_str());
    let is_dropped = |name: &str| {
        file.advice
            .drop
            .iter()
            .any(|entry| of_table(&entry.value.schema, &entry.value.table) && entry.value.name == name)
    };
    let keys: Vec<String> = index.keys.iter().map(IndexKey::sql).collect();
    let stays = names.indexes.iter().any(|other| {
        other.valid
            && !is_dropped(&other.name)
            && other.method == index.method
            && other.predicate == index.predicate
            && other.keys.starts_with(&index.keys)
    });
    stays
        || file.advice.create.iter().any(|entry| {
            of_table(&entry.value.schema, &entry.value.table)
                && Method::named(&entry.value.method) == index.method
                && entry.value.predicate == index.predicate
                && entry.value.keys.starts_with(&keys)
        })
}

/// Whether the statement of an entry is the one that drops the index it names.
pub(super) fn confirmed_drop(file: &File, entry: &Entry<Drop>, findings: &mut Vec<Finding>) -> bool {
    let Drop { schema, name, sql, .. } = &entry.value;
    let built = statements::drop(&Index { schema: schema.clone(), name: name.clone(), ..Index::default() });
    if built != *sql {
        findings.push(differs(file, entry, sql, &built));
    }
    built == *sql
}

/// The table and the index that an entry of the advice describes, when the catalogue confirms them and its statements
/// are those that they give. On the way back partitions may have come since, so `whole` is false and the first counts.
pub(super) fn confirmed(
    file: &File,
    entry: &Entry<Create>,
    catalog: &Catalog,
    whole: bool,
    findings: &mut Vec<Finding>,
) -> Option<(TableId, Index)> {
    let create = &entry.value;
    let known = findings.len();
    let Some(id) = catalog.find(Some(&create.schema), &create.table) else {
        let message = format!("the database has no table `{}.{}`", create.schema, create.table);
        findings.push(Finding::error("unknown-table", message).at(file.place(entry, &create.table)));
        return None;
    };
    let table = catalog.table(id);
    if create.name.len() > LONGEST_NAME {
        let message = format!("the name of the index is longer than {LONGEST_NAME} bytes");
        findings.push(Finding::error("long-name", message).at(file.place(entry, &create.name)));
    }
    let taken = existing(catalog, id, &create.name).filter(|there| there.valid);
    if let (Some(there), [only]) = (taken.filter(|_| whole), create.sql.as_slice())
        && !same_definition(&there.definition, only)
    {
        let message = format!("another index has this name: {}", there.definition);
        findings.push(Finding::error("name-taken", message).at(file.place(entry, &create.name)));
    }
    let mut keys = Vec::new();
    let unknown = |column: &str| {
        let message = format!("table `{}.{}` has no column `{column}`", create.schema, create.table);
        Finding::error("unknown-column", message)
    };
    for text in &create.keys {
        match key::parse(text) {
            None => {
                let message = format!("`{text}` is no key of an index");
                findings.push(Finding::error("not-a-key", message).at(file.place(entry, text)));
            }
            Some(key) => {
                if let KeyPart::Column(column) = &key.part
                    && table.column(column).is_none()
                {
                    findings.push(unknown(column).at(file.place(entry, text)));
                }
                keys.push(key);
            }
        }
    }
    for column in create.include.iter().filter(|column| table.column(column).is_none()) {
        findings.push(unknown(column).at(file.place(entry, column)));
    }
    let index = Index {
        schema: create.schema.clone(),
        name: create.name.clone(),
        method: Method::named(&create.method),
        keys,
        include: create.include.clone(),
        predicate: create.predicate.clone(),
        ..Index::default()
    };
    if findings.len() > known {
        return None;
    }
    let rebuilt = statements::create(&without_own(catalog, create), id, &index);
    let is_same = if whole { rebuilt == create.sql } else { rebuilt.first() == create.sql.first() };
    if !is_same {
        let pairs = create.sql.iter().zip(&rebuilt);
        let first = pairs.clone().find(|(written, built)| written != built);
        let written = first.map_or_else(|| create.sql.last().map_or("", String::as_str), |(written, _)| written);
        let built = first.map_or_else(|| rebuilt.join(" "), |(_, built)| built.clone());
        findings.push(differs(file, entry, written, &built));
        return None;
    }
    let back = statements::rollback(catalog, id, &index);
    if back != create.rollback {
        findings.push(differs(file, entry, create.rollback.first().map_or("", String::as_str), &back.concat()));
        return None;
    }
    if let Some(sql) = rebuilt.iter().find(|sql| !is_one_statement(sql)) {
        let message = "this is not one whole statement".to_owned();
        findings.push(Finding::error("not-one-statement", message).at(file.place(entry, sql)));
        return None;
    }
    Some((id, index))
}

fn differs<T>(file: &File, entry: &Entry<T>, written: &str, built: &str) -> Finding {
    let message = format!("the statement is not the one that its fields and this database give: {built}");
    Finding::error("statement-differs", message)
        .at(file.place(entry, written))
        .help("ask for the advice again; a file that was edited is not applied")
}

/// Why an index must stay whatever an advice says: queries are not all that an index serves.
fn needed(catalog: &Catalog, table: TableId, index: &Index) -> Option<&'static str> {
    let keeps_the_same = |other: &Index| {
        other.name != index.name
            && other.valid
            && other.unique
            && other.keys == index.keys
            && other.predicate == index.predicate
            && other.nulls_not_distinct == index.nulls_not_distinct
    };
    if index.primary || index.constraint.is_some() {
        Some("a constraint stands on it")
    } else if index.identity {
        Some("the table is replicated or clustered by it")
    } else if index.valid && index.unique && !catalog.table(table).indexes.iter().any(keeps_the_same) {
        Some("it keeps rows unique, and no other index does")
    } else {
        None
    }
}

/// Whether a text holds one statement, closed by its only semicolon.
pub(super) fn is_one_statement(sql: &str) -> bool {
    let mut depth = 0_i64;
    let mut ended = false;
    for token in lex(sql.as_bytes()) {
        let word = sql.get(token.start..token.end).unwrap_or_default();
        if ended || !token.closed {
            return false;
        }
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            ";" => ended = true,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    ended && depth == 0
}

/// The catalogue without the indexes that the entry's own statements name: an earlier run may have made some of them, and
/// then their names would count as taken.
pub(super) fn without_own(catalog: &Catalog, create: &Create) -> Catalog {
    let mut catalog = catalog.clone();
    let words: BTreeSet<&str> = create
        .sql
        .iter()
        .flat_map(|sql| lex(sql.as_bytes()).filter_map(|token| sql.get(token.start..token.end)))
        .collect();
    for table in &mut catalog.tables {
        table.indexes.retain(|index| !words.contains(&*quote_ident(&index.name)));
    }
    catalog
}

pub(super) fn existing<'a>(catalog: &'a Catalog, table: TableId, name: &str) -> Option<&'a Index> {
    catalog.table(table).indexes.iter().find(|index| index.name == name)
}

pub(super) fn step(
    kind: &'static str,
    schema: &str,
    name: &str,
    (table_schema, table): (&str, &str),
    statement: String,
    lock: Lock,
) -> Step {
    Step {
        kind,
        schema: schema.to_owned(),
        object: name.to_owned(),
        table: Some((table_schema.to_owned(), table.to_owned())),
        statements: vec![statement],
        lock,
        risk: "for a moment nobody else can write the table or plan with the index",
        seconds: None,
        bytes: None,
        needs: Vec::new(),
    }
}

pub(super) fn find_sql(schema: &str, name: &str) -> String {
    format!(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('i', 'I')",
        quote_literal(schema),
        quote_literal(name)
    )
}

fn attached_sql(part: &Part, parent_schema: &str, parent: &str) -> String {
    let (schema, name) = &part.index;
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = (SELECT c.oid {}) \
         AND h.inhparent = (SELECT c.oid {}))",
        find_sql(schema, name).trim_start_matches("SELECT "),
        find_sql(parent_schema, parent).trim_start_matches("SELECT ")
    )
}
