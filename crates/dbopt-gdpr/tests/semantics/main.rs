//! What is easily got wrong, each planned and erased on a real server, with all rows of the database compared before and after.
//!
//! | what | test |
//! | --- | --- |
//! | references of a table to itself | `circles::answers_go_and_those_of_others_stand_in_the_way` |
//! | circles: nullable, deferrable, NOT NULL, RESTRICT, CASCADE | `circles::circles_go_whatever_their_constraints` |
//! | keys of several columns, targets other than the primary key | `keys::references_of_several_columns_and_to_other_keys` |
//! | masked values that others refer to | `keys::masked_values_that_others_refer_to_are_not_changed_along` |
//! | partitioned tables, and a row that moves to another part | `keys::rows_of_parts_go_and_masked_ones_may_move` |
//! | tables without keys, replica identities | `keys::rows_without_a_key_go_when_the_server_can_tell_them` |
//! | CASCADE and SET NULL onto rows of others | `others::rows_of_others_are_not_taken_along` |
//! | SET NULL of some columns | `others::references_are_emptied_as_the_policy_says` |
//! | shared messages | `others::messages_stay_without_their_author` |
//! | holds | `others::what_is_held_stays_and_the_rest_goes` |
//! | soft deletes | `others::rows_that_are_only_marked_as_deleted_go` |
//! | triggers that copy OLD, that undo, that keep | `server::triggers_*` |
//! | row-level security | `server::hidden_rows_are_refused` |
//! | rights | `server::rights_are_asked_for_before` |
//! | generated and unique columns | `values::unique_and_generated_columns_are_masked` |
//! | jsonb and arrays | `values::values_inside_of_json_and_arrays_lead_to_rows` |
//! | large objects | `values::large_objects_go_when_nobody_else_refers_to_them` |

mod circles;
mod keys;
mod others;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::{collections::BTreeMap, fmt::Write as _};

use dbopt_gdpr::{EraseError, Graph, Plan, StatementKind};
use dbopt_testkit::{Cluster, Database};
use support::{
    case::{Case, migrated},
    client,
};

/// Erases person 1 under a policy: what the plan says, what came of it, and which rows went (`-`) and came (`+`).
async fn check(schema: &str, body: &str) -> String {
    let database = migrated(Cluster::shared(), schema).await;
    checked(&database, body).await
}

async fn checked(database: &Database<'_>, body: &str) -> String {
    let mut client = client(database).await;
    let case = Case::new(&client, body, "1").await;
    let before = rows(database);
    let plan = case.plan(&mut client).await.expect("planned");
    assert_eq!(rows(database), before, "a plan changes nothing");
    let mut told = sketch(&case.graph, &plan);
    let erased = case.erase(&mut client).await;
    match &erased {
        Ok(erased) => erased.findings.iter().for_each(|finding| line(&mut told, &format!("then {finding}"))),
        Err(error) => line(&mut told, &format!("not erased: {error}")),
    }
    assert_eq!(plan.is_refused(), matches!(&erased, Err(EraseError::Refused(_))), "{erased:?}");
    let after = rows(database);
    if erased.is_err() {
        assert_eq!(after, before, "all of it is as it was");
    }
    let all: BTreeMap<&String, i64> = before.keys().chain(after.keys()).map(|row| (row, 0)).collect();
    for row in all.keys() {
        let count = |rows: &BTreeMap<String, i64>| rows.get(*row).copied().unwrap_or_default();
        let (was, is) = (count(&before), count(&after));
        let (sign, times) = if was > is { ("-", was - is) } else { ("+", is - was) };
        (0..times).for_each(|_| line(&mut told, &format!("{sign} {row}")));
    }
    told
}

fn line(told: &mut String, text: &str) {
    writeln!(told, "{text}").expect("it is written to memory");
}

/// The statements by kind, tables and rows, and what is to be known.
fn sketch(graph: &Graph, plan: &Plan) -> String {
    let mut told = String::new();
    for statement in &plan.statements {
        let parts: Vec<_> = statement
            .parts
            .iter()
            .map(|part| format!("{} of {}", part.keys.len(), graph.node(part.table).table.name))
            .collect();
        let kind = match statement.kind {
            StatementKind::Defer => "defer",
            StatementKind::Change => "change",
            StatementKind::Untie => "untie",
            StatementKind::Delete => "delete",
            StatementKind::Unlink => "unlink",
        };
        line(&mut told, &[kind, &*parts.join(" + ")].join(" "));
    }
    for kept in &plan.kept {
        let name = &graph.node(kept.table).table.name;
        let column = kept.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        line(&mut told, &format!("keep {} of {name}{column}: {}", kept.rows, kept.why));
    }
    for objects in &plan.large_objects {
        let name = &graph.node(objects.table).table.name;
        line(&mut told, &format!("of {name}.{}: {} unlinked, {} kept", objects.column, objects.unlinked, objects.kept));
    }
    for finding in plan.findings.iter().filter(|finding| finding.code.0 != "unindexed-reference") {
        line(&mut told, &format!("{}: {finding}", finding.severity));
    }
    told
}

/// All rows of all tables, each with how often it is there and in which part.
fn rows(database: &Database<'_>) -> BTreeMap<String, i64> {
    let tables = database.query(
        "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND nspname NOT IN ('pg_catalog', 'information_schema', 'dbopt')",
    );
    let mut all = BTreeMap::new();
    for table in tables.iter().filter_map(|row| row[0].as_ref()) {
        for row in database.query(&format!("SELECT concat(t.tableoid::regclass, ' ', t) FROM {table} t")) {
            *all.entry(row[0].clone().expect("a text")).or_default() += 1;
        }
    }
    for row in database.query("SELECT 'large object ' || oid FROM pg_largeobject_metadata") {
        *all.entry(row[0].clone().expect("a text")).or_default() += 1;
    }
    all
}

/// A table with columns without data of persons, and more.
fn table(name: &str, class: &str, plain: &str, rest: &str) -> String {
    let plain = plain.replace(' ', "', '");
    format!("[[table]]\nname = 'public.{name}'\nclass = '{class}'\nplain = ['{plain}']\n{rest}\n")
}
