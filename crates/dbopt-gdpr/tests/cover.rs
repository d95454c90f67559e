//! The gate: what a policy does not speak of.

mod support;

use dbopt_catalog::ddl;
use dbopt_gdpr::Graph;
use dbopt_testkit::Cluster;
use support::{client, graph, policy, reference};

const SCHEMA: &str = "CREATE TABLE customer (id int PRIMARY KEY, email text);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer, note text);
    CREATE TABLE country (id int PRIMARY KEY, code text);";

fn body() -> String {
    [
        "[[table]]\nname = 'public.customer'\nclass = 'owned'\nplain = ['id']\ncolumn.email.erase = 'null'\n",
        "[[table]]\nname = 'public.orders'\nclass = 'owned'\nplain = ['id', 'customer_id']\ncolumn.note.erase = 'null'\n",
        "[[table]]\nname = 'public.country'\nclass = 'lookup'\n",
        &reference("orders", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat()
}

/// What is found of the same DDL and policy in a file and on a server.
async fn uncovered(schema: &str, body: &str) -> String {
    let policy = policy(body);
    let database = Cluster::shared().database();
    database.execute(schema);
    let live = graph(&client(&database).await, &policy).await;
    let (catalog, findings) = ddl::read("schema.sql", schema);
    assert_eq!(findings, []);
    let read = Graph::new(catalog, &policy);
    let shown = |graph: &Graph| {
        let findings = graph.uncovered(&policy);
        let lines: Vec<_> = findings.iter().map(|finding| format!("{}: {finding}", finding.code.0)).collect();
        lines.join("\n")
    };
    assert_eq!(shown(&live), shown(&read));
    shown(&live)
}

#[tokio::test]
async fn a_policy_that_speaks_of_all_passes() {
    assert_eq!(uncovered(SCHEMA, &body()).await, "");
}

#[tokio::test]
async fn what_is_new_fails() {
    let schema = format!(
        "{SCHEMA} ALTER TABLE orders ADD gift_to text; ALTER TABLE country ADD contact_email text; ALTER TABLE country ADD size int;
         CREATE TABLE event (id int, at date, order_id int REFERENCES orders) PARTITION BY RANGE (at);
         CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         ALTER TABLE orders ADD referrer int REFERENCES customer;"
    );
    insta::assert_snapshot!(uncovered(&schema, &body()).await, @"
    uncovered-column: the policy does not say whether `public.country.contact_email` has data of persons, and it looks like an e-mail address
    uncovered-table: the policy does not say whose the rows of `public.event` are
    uncovered-column: the policy does not say whether `public.orders.gift_to` has data of persons
    uncovered-column: the policy does not say whether `public.orders.referrer` has data of persons
    uncovered-reference: the policy does not say whose rows are that refer by `public.event (order_id) → public.orders`
    uncovered-reference: the policy does not say whose rows are that refer by `public.orders (referrer) → public.customer`
    ");
}

#[tokio::test]
async fn what_is_gone_or_does_not_fit_fails() {
    let body = format!(
        "{}[[table]]\nname = 'public.order'\nclass = 'lookup'\n\
         [[table]]\nname = 'public.customer2'\nclass = 'owned'\nplain = ['id']\nowner = ['x']\n{}{}{}",
        body(),
        reference("orders", "customer", "customer", "class = 'owned'"),
        reference("country", "code", "log", "class = 'lookup'"),
        reference(
            "log",
            "id",
            "country",
            "class = 'lookup'\nkey = ['id']\n[[reference]]\nfrom = 'public.country'\nto = 'public.customer'\nclass = 'owned'\narray = 'code'"
        ),
    );
    let schema = format!("{SCHEMA} CREATE TABLE log (id int); CREATE TABLE customer2 (id int);");
    insta::assert_snapshot!(uncovered(&schema, &body).await, @r#"
    unknown-column: there is no column `public.orders.customer`
    bad-reference: `public.log` has no primary key, so it must be said what `public.country (code) → public.log` refers to
    bad-reference: the column of `public.country (code) → public.customer` is of type `text`, not an array
    unknown-table: there is no table `public."order"`
    unknown-column: there is no column `public.customer2.x`
    uncovered-table: the policy does not say whose the rows of `public.log` are
    unreachable-table: no reference leads from a person to the rows of `public.customer2`
    "#);
}

#[tokio::test]
async fn a_subject_is_one_owned_row() {
    let body =
        body().replace("name = 'public.customer'\nclass = 'owned'", "name = 'public.customer'\nclass = 'shared'");
    let schema =
        SCHEMA.replace("id int PRIMARY KEY, email", "id int UNIQUE, email").replace("customer,", "customer (id),");
    insta::assert_snapshot!(uncovered(&schema, &body).await, @"
    subject-not-owned: rows of `public.customer` are persons, and not said to be owned
    ");
    let schema = SCHEMA.replace("id int PRIMARY KEY, email", "id int, email").replace("REFERENCES customer", "");
    let body = body.replace("to = 'public.customer'", "to = 'public.customer'\nkey = ['id']");
    insta::assert_snapshot!(uncovered(&schema, &body).await, @"
    subject-not-unique: `public.customer` (id) does not name one person
    subject-not-owned: rows of `public.customer` are persons, and not said to be owned
    ");
}
