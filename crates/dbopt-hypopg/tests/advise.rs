//! Advice from statements to really built indexes, with the server's planner as the engine.

use dbopt_advisor::{
    Advice, AdviseOptions, Budget, Confidence, DropReason, Engine, ModelWhatIf, Query, UnhelpedReason, advise,
};
use dbopt_catalog::{Build, Catalog, live};
use dbopt_hypopg::{HypoPgWhatIf, Timeouts, available};
use dbopt_sql::analyze;
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::NoTls;

fn database() -> Option<Database<'static>> {
    database_of(Cluster::shared())
}

fn database_of(cluster: &Cluster) -> Option<Database<'_>> {
    if !cluster.has_extension("hypopg") {
        return None;
    }
    let database = cluster.database();
    database.execute(
        "CREATE EXTENSION hypopg;
         CREATE TABLE customers (id int PRIMARY KEY, email text, country text);
         CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, state text, total numeric,
                              placed_at timestamp);
         INSERT INTO customers SELECT g, 'User' || g || '@example.org', 'c' || g % 50 FROM generate_series(1, 5000) g;
         INSERT INTO orders
         SELECT g, (g * 7919) % 5000 + 1, CASE WHEN g % 40 = 0 THEN 'open' ELSE 'done' END, g % 977,
                timestamp '2024-01-01' + g * interval '1 minute'
         FROM generate_series(1, 60000) g;
         CREATE INDEX customers_country_idx ON customers (country);
         CREATE INDEX customers_country_again ON customers (country);",
    );
    database.execute("VACUUM ANALYZE customers");
    database.execute("VACUUM ANALYZE orders");
    Some(database)
}

fn query(sql: &str, calls: f64) -> Query {
    let statement = analyze(sql);
    Query {
        fingerprint: format!("{:x}", sql.len()),
        sql: sql.to_owned(),
        normalized: sql.to_owned(),
        statement,
        constants: Vec::new(),
        calls,
        total_ms: None,
        rows: None,
    }
}

async fn run(database: &Database<'_>, queries: &[Query], options: &AdviseOptions) -> (Catalog, Advice) {
    let (client, connection) =
        tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("the cluster takes connections");
    tokio::spawn(connection);
    let (catalog, _) = live::read(&client, &live::ReadOptions::default()).await.expect("the catalogue can be read");
    let availability = available(&client).await.expect("an answer");
    let timeouts = Timeouts::default();
    let mut engine = HypoPgWhatIf::new(&client, &availability, &catalog, queries, timeouts).expect("usable");
    let advice = advise(&catalog, queries, options, &mut engine, None::<&mut HypoPgWhatIf<'_>>).await.expect("advice");
    (catalog, advice)
}

fn created(catalog: &Catalog, advice: &Advice) -> Vec<String> {
    let sql = |create: &dbopt_advisor::CreateIndex| create.index.create_sql(catalog.table(create.table), Build::Plain);
    advice.create.iter().map(sql).collect()
}

#[tokio::test]
async fn what_is_advised_makes_the_workload_cheaper_when_it_is_built() {
    let Some(database) = database() else { return };
    let queries = [
        query("SELECT * FROM orders WHERE customer_id = 42 ORDER BY placed_at DESC LIMIT 10", 500.0),
        query("SELECT count(*) FROM orders WHERE customer_id = 17", 300.0),
        query("SELECT * FROM customers WHERE lower(email) = 'user7@example.org'", 200.0),
        query("SELECT * FROM orders WHERE id = 5", 1000.0),
        query("SELECT sum(total) FROM orders", 3.0),
        query("SELECT * FROM customers WHERE email LIKE '%7@example.org'", 3.0),
        query("SELECT * FROM customers WHERE country = 'c7'", 3.0),
        query("INSERT INTO orders VALUES (60001, 3, 'open', 5, now())", 50.0),
    ];
    let (catalog, advice) = run(&database, &queries, &AdviseOptions::default()).await;
    assert_eq!(
        created(&catalog, &advice),
        [
            "CREATE INDEX orders_customer_id_placed_at_idx ON public.orders USING btree (customer_id, placed_at)",
            "CREATE INDEX customers_lower_idx ON public.customers USING btree (lower(email))",
        ]
    );
    let first = &advice.create[0];
    assert_eq!(first.benefits.iter().map(|benefit| benefit.query.0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((first.engine, first.confidence), (Engine::HypoPg, Confidence::High));
    assert_eq!(first.write.entries, 50.0);
    assert!(first.write.share_of_gain > 0.0 && first.write.share_of_gain < 0.1);
    assert!(advice.totals.cost_after * 5.0 < advice.totals.cost_before, "{:?}", advice.totals);
    assert!(advice.foreign_keys.is_empty(), "the advice serves it");
    assert_eq!(advice.frontier.len(), 3);
    let drops: Vec<_> = advice.drop.iter().map(|drop| (drop.index, drop.reason.clone())).collect();
    let position = |name: &str| {
        let customers = catalog.find(None, "customers").expect("it is there");
        catalog.table(customers).indexes.iter().position(|index| index.name == name).expect("it is there")
    };
    let stays = position("customers_country_again");
    assert_eq!(drops, [(position("customers_country_idx"), DropReason::Duplicate(stays))]);

    let reasons: Vec<_> = advice.unhelped.iter().map(|unhelped| (unhelped.query.0, &unhelped.reason)).collect();
    assert!(reasons.contains(&(3, &UnhelpedReason::AlreadyServed)), "{reasons:?}");
    assert!(reasons.contains(&(4, &UnhelpedReason::ReadsMostRows)), "{reasons:?}");
    assert!(reasons.contains(&(5, &UnhelpedReason::NotIndexable)), "{reasons:?}");
    assert!(reasons.contains(&(7, &UnhelpedReason::NothingToRead)), "{reasons:?}");

    created(&catalog, &advice).iter().for_each(|sql| database.execute(sql));
    for create in &advice.create {
        let real: f64 =
            database.value(&format!("SELECT pg_relation_size('{}')", create.index.name)).parse().expect("a size");
        assert!(
            (create.bytes - real).abs() <= 0.15 * real,
            "{}: {} and really {real}",
            create.index.name,
            create.bytes
        );
        for benefit in &create.benefits {
            let plan = database.query(&format!("EXPLAIN (FORMAT JSON) {}", queries[benefit.query.0].sql));
            let (plans, _) = dbopt_plan::parse_json(plan[0][0].as_deref().expect("a plan"));
            assert!(plans[0].indexes_used().contains(&&*create.index.name), "{}", queries[benefit.query.0].sql);
            let off = (plans[0].total_cost() - benefit.cost_after).abs() / plans[0].total_cost();
            assert!(off < 0.1, "{benefit:?} {}", plans[0].total_cost());
        }
    }
    let (catalog, again) = run(&database, &queries, &AdviseOptions::default()).await;
    assert_eq!(created(&catalog, &again), Vec::<String>::new(), "advice that is followed is not repeated");
}

#[tokio::test]
async fn the_server_confirms_what_the_model_picked_with_few_questions() {
    let Some(database) = database() else { return };
    let queries = [
        query("SELECT * FROM orders WHERE customer_id = 42 ORDER BY placed_at DESC LIMIT 10", 500.0),
        query("SELECT count(*) FROM orders WHERE customer_id = 17", 300.0),
        query("SELECT * FROM orders WHERE total = 3 AND state = 'open'", 100.0),
        query("SELECT * FROM orders WHERE id = 5", 1000.0),
    ];
    let (client, connection) =
        tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("the cluster takes connections");
    tokio::spawn(connection);
    let (catalog, _) = live::read(&client, &live::ReadOptions::default()).await.expect("the catalogue can be read");
    let availability = available(&client).await.expect("an answer");
    let timeouts = Timeouts::default();
    let mut live = HypoPgWhatIf::new(&client, &availability, &catalog, &queries, timeouts).expect("usable");
    let mut model = ModelWhatIf::new(&catalog, &queries);
    let options = AdviseOptions::default();
    let both = advise(&catalog, &queries, &options, &mut model, Some(&mut live)).await.expect("advice");
    assert_eq!(live.refusals(), []);
    assert_eq!(both.totals.explains, live.explains());
    let (_, alone) = run(&database, &queries, &options).await;
    assert!(both.totals.explains < alone.totals.questions, "{:?} {:?}", both.totals, alone.totals);
    assert_eq!(created(&catalog, &both), created(&catalog, &alone));
    assert!(both.create.iter().all(|create| create.engine == Engine::HypoPg));
}

#[tokio::test]
async fn a_budget_holds_and_costly_writes_refuse_an_index() {
    let Some(database) = database() else { return };
    let read = "SELECT * FROM orders WHERE customer_id = 42";
    let tight = AdviseOptions { budget: Budget::Bytes(100_000.0), ..AdviseOptions::default() };
    let (catalog, advice) = run(&database, &[query(read, 10.0)], &tight).await;
    assert_eq!(created(&catalog, &advice), Vec::<String>::new());
    assert_eq!(advice.unhelped[0].reason, UnhelpedReason::OverBudget);
    let queries = [query(read, 10.0), query("INSERT INTO orders (id) VALUES (1)", 1e6)];
    let (catalog, advice) = run(&database, &queries, &AdviseOptions::default()).await;
    assert_eq!(created(&catalog, &advice), Vec::<String>::new());
    assert_eq!(
        advice.unhelped.iter().find(|it| it.query.0 == 0).map(|it| &it.reason),
        Some(&UnhelpedReason::WritesCostMore)
    );
    assert_eq!(advice.foreign_keys.len(), 1, "orders.customer_id");
}

#[tokio::test]
async fn an_interrupt_gives_the_best_answer_so_far() {
    let Some(database) = database() else { return };
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let options = AdviseOptions { interrupt: Some(flag), ..AdviseOptions::default() };
    let (_, advice) = run(&database, &[query("SELECT * FROM orders WHERE customer_id = 42", 10.0)], &options).await;
    assert!(advice.interrupted);
    assert!(advice.create.is_empty());
}

/// Tenants' schemas often have the same tables with indexes of the same names.
#[tokio::test]
async fn indexes_of_the_same_name_are_told_apart_by_schema() {
    let Some(database) = database() else { return };
    for schema in ["one", "two"] {
        database.execute(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.t (a int, b text);
             INSERT INTO {schema}.t SELECT g, g::text FROM generate_series(1, 20000) g;
             CREATE INDEX t_a_idx ON {schema}.t (a); ANALYZE {schema}.t;"
        ));
    }
    let queries = [query("SELECT * FROM two.t WHERE a = 7", 50.0)];
    let (catalog, advice) = run(&database, &queries, &AdviseOptions::default()).await;
    let unused: Vec<&str> = advice
        .unproven
        .iter()
        .map(|unproven| catalog.table(unproven.table).schema.as_str())
        .filter(|schema| ["one", "two"].contains(schema))
        .collect();
    assert_eq!(unused, ["one"]);
}

/// A value that every logged call happens to have is no state that every later call will have.
#[tokio::test]
async fn one_value_of_many_gets_no_index_of_its_own() {
    let Some(database) = database() else { return };
    let mut same = query("SELECT total FROM orders WHERE customer_id = 42 ORDER BY placed_at", 50.0);
    same.constants = same.statement.blocks.iter().flat_map(|block| block.filters.clone()).collect();
    let (catalog, advice) = run(&database, &[same], &AdviseOptions::default()).await;
    let created = created(&catalog, &advice);
    assert!(!created.is_empty() && created.iter().all(|sql| !sql.contains("WHERE")), "{created:?}");
}

/// auto_explain looks for the indexes of plans in the catalogue, where HypoPG's are not.
#[tokio::test]
async fn auto_explain_does_not_stand_in_the_way() {
    let cluster = Cluster::builder()
        .setting("session_preload_libraries", "auto_explain")
        .setting("auto_explain.log_min_duration", "0")
        .start()
        .expect("a cluster starts");
    let Some(database) = database_of(&cluster) else { return };
    let queries = [query("SELECT * FROM orders WHERE customer_id = 42", 50.0)];
    let (catalog, advice) = run(&database, &queries, &AdviseOptions::default()).await;
    assert_eq!(
        created(&catalog, &advice),
        ["CREATE INDEX orders_customer_id_idx ON public.orders USING btree (customer_id)"]
    );
}
