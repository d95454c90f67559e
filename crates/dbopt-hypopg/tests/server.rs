//! The engine on a real server: answers like built indexes, and no traces.

use dbopt_advisor::{Candidate, CandidateId, Configuration, Query, QueryId, Question, UsedIndex, WhatIf, WhatIfError};
use dbopt_catalog::{Build, Catalog, Index, IndexKey, Method, TableId, live};
use dbopt_hypopg::{Availability, HypoPgWhatIf, Timeouts, available};
use dbopt_sql::ir::{Source, Statement, StatementKind};
use dbopt_testkit::{Cluster, Database};
use tokio_postgres::{Client, NoTls};

/// The database, unless the server has no HypoPG, as those of other majors have not.
fn database() -> Option<Database<'static>> {
    let cluster = Cluster::shared();
    if !cluster.has_extension("hypopg") {
        return None;
    }
    let database = cluster.database();
    database.execute(
        "CREATE EXTENSION hypopg;
         CREATE TABLE customers (id int PRIMARY KEY, name text, country text);
         CREATE TABLE orders (id int PRIMARY KEY, customer_id int, state text, total numeric, placed_at timestamp);
         INSERT INTO customers SELECT g, 'name ' || g, 'c' || g % 50 FROM generate_series(1, 5000) g;
         INSERT INTO orders
         SELECT g, (g * 7919) % 5000 + 1, CASE WHEN g % 40 = 0 THEN 'open' ELSE 'done' END, g % 977,
                timestamp '2024-01-01' + g * interval '1 minute'
         FROM generate_series(1, 60000) g",
    );
    // VACUUM cannot run in the implicit transaction of several statements.
    database.execute("VACUUM ANALYZE customers");
    database.execute("VACUUM ANALYZE orders");
    Some(database)
}

async fn connect(settings: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(settings, NoTls).await.expect("the cluster takes connections");
    tokio::spawn(connection);
    client
}

fn query(sql: &str) -> Query {
    Query {
        fingerprint: String::new(),
        sql: sql.to_owned(),
        normalized: sql.to_owned(),
        statement: Statement { kind: StatementKind::Select, target: None, blocks: Vec::new(), source: Source::Parser },
        constants: Vec::new(),
        calls: 1.0,
        total_ms: None,
        rows: None,
    }
}

async fn catalog(client: &Client) -> Catalog {
    live::read(client, &live::ReadOptions::default()).await.expect("the catalogue can be read").0
}

fn candidate(catalog: &Catalog, table: &str, keys: &[&str], include: &[&str]) -> Candidate {
    let index = Index {
        schema: "public".to_owned(),
        keys: keys.iter().map(|key| IndexKey::column(*key)).collect(),
        include: include.iter().map(|name| (*name).to_owned()).collect(),
        ..Index::default()
    };
    Candidate { table: catalog.find(Some("public"), table).expect("the table is there"), index, bytes: 0.0 }
}

fn question(query: usize, add: &[usize]) -> Question {
    let add = add.iter().map(|id| CandidateId(*id)).collect();
    Question { query: QueryId(query), configuration: Configuration { add, ..Configuration::default() } }
}

#[tokio::test]
async fn answers_equal_those_of_built_indexes() {
    let Some(database) = database() else { return };
    let client = connect(&database.conn_string()).await;
    let catalog = catalog(&client).await;
    let queries = [
        "SELECT * FROM orders WHERE customer_id = 42",
        "SELECT count(*) FROM orders WHERE customer_id BETWEEN 100 AND 900",
        "SELECT o.* FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.country = 'c7'",
        "SELECT * FROM orders WHERE customer_id = 42 ORDER BY placed_at DESC LIMIT 5",
        "SELECT * FROM orders WHERE customer_id IN (3, 5, 8, 13, 21, 34)",
        "SELECT customer_id, placed_at FROM orders WHERE customer_id < 700",
        "SELECT c.name, (SELECT max(placed_at) FROM orders o WHERE o.customer_id = c.id) FROM customers c WHERE c.id < 90",
        "UPDATE orders SET total = 0 WHERE customer_id = 7",
    ]
    .map(query);
    let candidates = [
        candidate(&catalog, "orders", &["customer_id"], &[]),
        candidate(&catalog, "orders", &["customer_id", "placed_at"], &[]),
        candidate(&catalog, "orders", &["customer_id"], &["placed_at"]),
        candidate(&catalog, "customers", &["country"], &["name"]),
    ];
    let availability = available(&client).await.expect("an answer");
    let mut engine =
        HypoPgWhatIf::new(&client, &availability, &catalog, &queries, Timeouts::default()).expect("usable");
    engine.candidates(&candidates);
    let questions: Vec<Question> =
        (0..candidates.len()).flat_map(|id| (0..queries.len()).map(move |at| question(at, &[id]))).collect();
    let answers = engine.ask(&questions).await.expect("answers");
    assert_eq!(engine.explains(), questions.len());

    for (id, candidate) in candidates.iter().enumerate() {
        let table = catalog.table(candidate.table);
        let built = Index { name: "built".to_owned(), ..candidate.index.clone() };
        database.execute(&built.create_sql(table, Build::Plain));
        for (at, query) in queries.iter().enumerate() {
            let plan = database.query(&format!("EXPLAIN (FORMAT JSON) {}", query.sql));
            let (plans, _) = dbopt_plan::parse_json(plan[0][0].as_deref().expect("a plan"));
            let real = plans[0].total_cost();
            let answer = answers[id * queries.len() + at].as_ref().expect("an answer");
            let used = plans[0].indexes_used().contains(&"built");
            assert_eq!(answer.used.contains(&UsedIndex::Candidate(CandidateId(id))), used, "{}", query.sql);
            let off = (answer.cost - real).abs() / real;
            assert!(off <= 0.03, "{} with {:?}: {} and really {real}", query.sql, built.keys, answer.cost);
        }
        database.execute("DROP INDEX built");
    }
}

#[tokio::test]
async fn a_user_who_can_only_read_gets_answers_and_leaves_no_trace() {
    let Some(database) = database() else { return };
    let name = database.name();
    database.execute(&format!(
        "CREATE ROLE reader_{name} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}"
    ));
    let traces = "SELECT string_agg(c.oid::regclass || ' ' || c.relpages || ' ' || c.reltuples, ',' ORDER BY c.oid) || \
                  (SELECT count(*) FROM orders)::text || (SELECT sum(total) FROM orders)::text FROM pg_class c";
    let before = database.value(traces);
    let settings = database.conn_string().replace("user=postgres", &format!("user=reader_{name}"));
    let client = connect(&settings).await;
    let catalog = catalog(&client).await;
    let queries = [
        query("SELECT * FROM orders WHERE customer_id = $1 AND state = $2"),
        query("SELECT 1; DROP TABLE orders"),
        query("SELECT * FROM nowhere"),
        query("SELECT * FROM orders WHERE customer_id = 42"),
        query("SELECT * FROM customers WHERE id = 3"),
    ];
    let mut gin = candidate(&catalog, "orders", &["state"], &[]);
    gin.index.method = Method::Gin;
    let candidates = [candidate(&catalog, "orders", &["customer_id"], &[]), gin];
    let availability = available(&client).await.expect("an answer");
    let mut engine =
        HypoPgWhatIf::new(&client, &availability, &catalog, &queries, Timeouts::default()).expect("usable");
    engine.candidates(&candidates);
    let questions = [
        question(0, &[0]),
        question(0, &[]),
        question(1, &[0]),
        question(2, &[0]),
        question(3, &[1]),
        question(3, &[0]),
        question(4, &[0]),
    ];
    let answers = engine.ask(&questions).await.expect("answers");
    let costs: Vec<Option<f64>> = answers.iter().map(|answer| answer.as_ref().map(|answer| answer.cost)).collect();
    let [Some(with), Some(without), None, None, None, Some(_), Some(_)] = costs.as_slice() else { panic!("{costs:?}") };
    assert!(with * 5.0 < *without, "{with} {without}");
    assert_eq!(
        answers[0].as_ref().map(|answer| answer.plan.as_str()),
        Some("Bitmap Index Scan on orders (customer_id)")
    );
    let key = catalog.table(candidates[0].table).indexes.iter().position(|index| index.primary);
    assert!(key.is_some());
    let customers = catalog.find(None, "customers").expect("the table is there");
    assert_eq!(answers[6].as_ref().map(|answer| answer.used.clone()), Some(vec![UsedIndex::Existing(customers, 0)]));
    let refused: Vec<usize> = engine.refusals().iter().map(|refusal| refusal.query.0).collect();
    assert_eq!(refused, [1, 2]);
    engine.reset().await.expect("a reset");
    let left = client.query_one("SELECT count(*) FROM hypopg()", &[]).await.expect("a count");
    assert_eq!(left.get::<_, i64>(0), 0);
    assert_eq!(database.value(traces), before);
}

#[tokio::test]
async fn a_partitioned_tables_index_is_on_every_partition() {
    let Some(database) = database() else { return };
    database.execute(
        "CREATE TABLE events (at date, kind int, note text) PARTITION BY RANGE (at);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
         INSERT INTO events SELECT date '2024-01-01' + g % 60, g % 1000, 'x' FROM generate_series(1, 40000) g;
         ANALYZE events",
    );
    let client = connect(&database.conn_string()).await;
    let catalog = catalog(&client).await;
    let queries = [query("SELECT * FROM events WHERE kind = 5")];
    let availability = available(&client).await.expect("an answer");
    let mut engine =
        HypoPgWhatIf::new(&client, &availability, &catalog, &queries, Timeouts::default()).expect("usable");
    engine.candidates(&[candidate(&catalog, "events", &["kind"], &[])]);
    let answers = engine.ask(&[question(0, &[]), question(0, &[0])]).await.expect("answers");
    let [Some(without), Some(with)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(with.cost * 2.0 < without.cost, "{with:?} {without:?}");
    assert_eq!(with.used, [UsedIndex::Candidate(CandidateId(0))]);
}

#[tokio::test]
async fn a_broken_session_is_an_error_of_the_engine() {
    let Some(database) = database() else { return };
    let client = connect(&database.conn_string()).await;
    let catalog = catalog(&client).await;
    let queries = [query("SELECT * FROM orders WHERE customer_id = 42")];
    let availability = available(&client).await.expect("an answer");
    let mut engine =
        HypoPgWhatIf::new(&client, &availability, &catalog, &queries, Timeouts::default()).expect("usable");
    engine.candidates(&[]);
    engine.ask(&[question(0, &[])]).await.expect("answers");
    database.execute(&format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
        database.name()
    ));
    let error = engine.ask(&[question(0, &[])]).await.expect_err("the session is gone");
    assert!(matches!(error, WhatIfError::Engine { .. }), "{error}");
}

#[tokio::test]
async fn availability_tells_installed_forbidden_and_installable_apart() {
    let Some(database) = database() else { return };
    let bare = Cluster::shared().database();
    let client = connect(&bare.conn_string()).await;
    assert!(matches!(available(&client).await, Ok(Availability::Installable { .. })));
    let client = connect(&database.conn_string()).await;
    let Ok(Availability::Usable { version, schema, .. }) = available(&client).await else { panic!("it is installed") };
    assert!(!version.is_empty());
    assert_eq!(schema, "public");
    let role = format!("outsider_{}", database.name());
    database.execute(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE EXECUTE ON FUNCTION hypopg_create_index(text) FROM PUBLIC"
    ));
    let client = connect(&database.conn_string().replace("user=postgres", &format!("user={role}"))).await;
    assert!(matches!(available(&client).await, Ok(Availability::Forbidden { .. })));
    assert_eq!(catalog(&client).await.find(None, "orders").map(|TableId(_)| ()), Some(()));
}
