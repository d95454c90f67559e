//! Logs and plans become queries.

use std::ops::ControlFlow;

use dbopt_advisor::{
    AdviseOptions, Budget, DropReason, ModelWhatIf, Query, advise, queries_from_workload, query_from_plan,
};
use dbopt_catalog::{Catalog, Column, KeyPart, Table};
use dbopt_finding::Finding;
use dbopt_sql::{Name, ir::Predicate};
use dbopt_workload::{Input, InputKind, ReadOptions, Workload, read_inputs};

fn catalog() -> Catalog {
    let columns = ["id", "customer_id", "state", "deleted_at"];
    let columns = columns.map(|name| Column { name: name.to_owned(), ..Column::default() });
    let mut catalog = Catalog { search_path: vec!["public".to_owned()], ..Catalog::default() };
    catalog.insert(Table {
        schema: "public".to_owned(),
        name: "orders".to_owned(),
        columns: columns.into(),
        ..Table::default()
    });
    catalog
}

fn workload(input: Input) -> Workload {
    read_inputs(vec![input], &ReadOptions::default(), &|_| ControlFlow::Continue(())).expect("the input can be read")
}

/// One log record a line; a second part in a line is the detail.
fn from_log(records: &[(&str, &str)]) -> (Vec<Query>, Vec<Finding>) {
    let mut log = String::new();
    for (at, (statement, detail)) in records.iter().enumerate() {
        let prefix = format!("2024-05-01 10:00:{at:02}.000 UTC [77] ");
        log.push_str(&format!("{prefix}LOG:  duration: {}.500 ms  {statement}\n", at + 1));
        if !detail.is_empty() {
            log.push_str(&format!("{prefix}DETAIL:  parameters: {detail}\n"));
        }
    }
    queries_from_workload(&workload(Input::bytes("a.log", log).kind(InputKind::Log)), &catalog())
}

/// The columns of a query's constant conditions.
fn constants(query: &Query) -> Vec<&str> {
    let column = |predicate| match predicate {
        &Predicate::Compare { ref left, .. } | &Predicate::IsNull { expr: ref left, .. } => match left {
            dbopt_sql::ir::Expr::Column(column) => column.name.as_str(),
            _ => "?",
        },
        _ => "?",
    };
    query.constants.iter().map(column).collect()
}

#[test]
fn parameters_are_put_in_and_the_programs_own_literals_are_constant() {
    let statement = "execute q1: SELECT * FROM orders WHERE customer_id = $1 AND state = 'open' AND deleted_at IS NULL";
    let (queries, findings) =
        from_log(&[(statement, "$1 = '4'"), (statement, "$1 = '5'"), (statement, "$1 = '6'"), (statement, "$1 = '7'")]);
    assert_eq!(findings, []);
    let [query] = queries.as_slice() else { panic!("{queries:?}") };
    assert_eq!((query.calls, query.total_ms), (4.0, Some(12.0)));
    assert!(query.sql.contains("customer_id = '5'"), "the middle of the durations: {}", query.sql);
    assert!(query.normalized.contains("$1"), "{}", query.normalized);
    assert_eq!(constants(query), ["state", "deleted_at"]);
}

#[test]
fn literals_of_the_simple_protocol_are_constant_when_they_never_change() {
    let statement = |id: u32| format!("statement: SELECT * FROM orders WHERE customer_id = {id} AND state = 'open'");
    let statements: Vec<String> = (1..=4).map(statement).collect();
    let records: Vec<(&str, &str)> = statements.iter().map(|statement| (statement.as_str(), "")).collect();
    assert_eq!(constants(&from_log(&records).0[0]), ["state"]);
    let none: [&str; 0] = [];
    assert_eq!(constants(&from_log(&records[..1]).0[0]), none, "one execution shows nothing");
}

#[test]
fn what_is_left_out_is_named() {
    let (queries, findings) = from_log(&[
        ("statement: SELECT * FROM orders WHERE id = 1", ""),
        ("statement: SELECT * FROM ghosts WHERE id = 1", ""),
        ("statement: SELECT o.haunted FROM orders o", ""),
        ("statement: VACUUM orders", ""),
        ("statement: SELECT 1", ""),
    ]);
    assert_eq!(queries.len(), 2);
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "the catalogue has no table `ghosts`, which 1 execution of 1 statement name",
            "no table has the column `o.haunted`, which 1 execution of 1 statement name",
            "1 execution of 1 statement are no queries and were left out",
        ]
    );
}

#[test]
fn a_plan_without_its_statement_gives_one_that_asks_the_same() {
    let text = "\
Limit  (cost=0.00..0.20 rows=20 width=4)
  ->  Sort  (cost=0.00..100.00 rows=1000 width=4)
        Sort Key: o.id DESC
        ->  Hash Join  (cost=0.00..100.00 rows=1000 width=4)
              Hash Cond: (o.customer_id = c.id)
              ->  Seq Scan on orders o  (cost=0.00..100.00 rows=1000 width=4)
                    Filter: (state = 'open'::text)
              ->  Hash  (cost=0.00..100.00 rows=1000 width=4)
                    ->  Seq Scan on customers c  (cost=0.00..100.00 rows=1000 width=4)
";
    let (plans, _) = dbopt_plan::parse("plan.txt", text);
    let query = query_from_plan(&plans[0]).expect("it reads tables");
    assert_eq!(
        query.sql,
        "SELECT * FROM orders AS o, customers AS c WHERE (o.customer_id = c.id) AND (state = 'open'::text) \
         ORDER BY o.id DESC LIMIT 20"
    );
    let tables: Vec<&Name> =
        query.statement.blocks[0].relations.iter().filter_map(|relation| relation.alias.as_ref()).collect();
    assert_eq!(tables, [&Name::folded("o"), &Name::folded("c")]);
    assert_eq!(query.statement.blocks[0].filters.len(), 2);
}

#[tokio::test]
async fn the_examples_log_and_snapshot_give_the_advice_that_its_incidents_ask_for() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop/");
    let snapshot = std::fs::read_to_string(format!("{folder}shop.snapshot.json")).expect("the snapshot is there");
    let catalog = dbopt_catalog::snapshot::read("shop.snapshot.json", &snapshot).expect("it can be read");
    let workload = workload(Input::path(format!("{folder}postgresql.log")));
    let (queries, findings) = queries_from_workload(&workload, &catalog);
    assert!(queries.len() >= 30, "{}", queries.len());
    assert!(findings.iter().all(|finding| finding.code.0 == "utility-statements"), "{findings:?}");

    let mut model = ModelWhatIf::new(&catalog, &queries);
    let options = AdviseOptions::default();
    let advice = advise(&catalog, &queries, &options, &mut model, None::<&mut ModelWhatIf<'_>>).await.expect("advice");
    let leading: Vec<(&str, &KeyPart)> =
        advice.create.iter().map(|create| (&*catalog.table(create.table).name, &create.index.keys[0].part)).collect();
    for (table, column) in [
        ("orders", "customer_id"),
        ("payments", "provider_ref"),
        ("shipments", "tracking_number"),
        ("addresses", "customer_id"),
        ("events", "occurred_at"),
    ] {
        assert!(leading.contains(&(table, &KeyPart::Column(column.to_owned()))), "{table} {column}: {leading:#?}");
    }
    // Its cost is next to nothing for the planner, which expects the row at once; the log says otherwise.
    assert!(leading.contains(&("customers", &KeyPart::Expression("lower(email)".to_owned()))), "{leading:#?}");
    assert!(advice.create.iter().any(|create| create.index.predicate.as_deref() == Some("status = 'pending'")));
    assert!(advice.create.iter().all(|create| !create.benefits.is_empty() && create.write.share_of_gain < 1.0));
    assert!(advice.totals.cost_after * 10.0 < advice.totals.cost_before, "{:?}", advice.totals);
    let reasons: Vec<&DropReason> = advice.drop.iter().map(|drop| &drop.reason).collect();
    assert!(reasons.iter().any(|reason| matches!(reason, DropReason::Duplicate(_))), "{reasons:?}");
    assert!(reasons.iter().any(|reason| matches!(reason, DropReason::CoveredBy(_))), "{reasons:?}");
    assert!(!reasons.iter().any(|reason| matches!(reason, DropReason::Unused { .. })), "{reasons:?}");
    // Its statistics are seconds old, so that the index that nothing uses is to be watched, not dropped.
    let unproven: Vec<&str> = advice
        .unproven
        .iter()
        .inspect(|idle| assert!(matches!(idle.reason, DropReason::Unused { days: Some(days) } if days < 1.0)))
        .map(|idle| &*catalog.table(idle.table).indexes[idle.index].name)
        .collect();
    assert!(!unproven.is_empty());
    assert!(advice.drop.iter().all(|drop| !unproven.contains(&&*catalog.table(drop.table).indexes[drop.index].name)));

    let tight = AdviseOptions { budget: Budget::TableShare(0.02), ..options };
    let some = advise(&catalog, &queries, &tight, &mut model, None::<&mut ModelWhatIf<'_>>).await.expect("advice");
    assert!(some.totals.create_bytes <= tight.budget.bytes(&catalog));
    assert!(!some.create.is_empty() && some.create.len() < advice.create.len());
}
