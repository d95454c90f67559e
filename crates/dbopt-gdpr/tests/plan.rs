//! What an erasure would do, and that doing it by the plan's own statements does exactly that.

mod support;

use dbopt_crypto::{Key, KeyId, Pseudonymizer};
use dbopt_gdpr::{Graph, Plan, StatementKind, Whose};
use dbopt_testkit::{Cluster, Database};
use support::{client, graph, policy, reference, tables};
use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};

fn pseudonyms() -> Pseudonymizer {
    let key = Key::new((0..32).collect()).expect("long enough");
    Pseudonymizer::new(KeyId::new("test").expect("a name"), &key)
}

/// Plans in a transaction, and carries the plan out in it when nothing speaks against it.
async fn planned(client: &mut Client, body: &str, key: &str) -> (Graph, Plan) {
    let policy = policy(body);
    let graph = graph(client, &policy).await;
    let transaction = client.transaction().await.expect("a transaction");
    let subject = policy.subject(None).expect("there is one");
    let walked = dbopt_gdpr::walk(&transaction, &graph, &policy, subject, &[key.to_owned()]).await.expect("found");
    let as_of = "2026-01-01T00:00:00Z".parse().expect("a time");
    let plan = dbopt_gdpr::plan(&transaction, &graph, &policy, &pseudonyms(), &walked, as_of).await.expect("planned");
    if !plan.is_refused() {
        transaction.batch_execute("SET LOCAL search_path = pg_catalog, pg_temp").await.expect("set");
        for statement in &plan.statements {
            run(&transaction, statement).await;
        }
        transaction.commit().await.expect("committed");
    }
    (graph, plan)
}

async fn run(transaction: &tokio_postgres::Transaction<'_>, statement: &dbopt_gdpr::Statement) {
    let sql = statement.sql.trim_end_matches(';');
    if statement.kind == StatementKind::Defer {
        return transaction.batch_execute(sql).await.expect("deferred");
    }
    let arrays: Vec<_> = statement.parts.iter().map(|part| dbopt_gdpr::KeyArrays::of(&part.keys)).collect();
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = arrays.iter().flat_map(|keys| keys.parameters()).collect();
    let value: Vec<Option<&str>> = statement.parts[0].keys.iter().map(|_| Some("pseudonym")).collect();
    parameters.extend(statement.values.iter().map(|_| (&value as &(dyn ToSql + Sync), Type::TEXT_ARRAY)));
    if let [only] = &*statement.parts {
        let returning = if statement.kind == StatementKind::Change { "" } else { "RETURNING 1" };
        let counted = format!("WITH d AS ({sql} {returning}) SELECT count(*) FROM d");
        let row = transaction.query_typed_one(&counted, &parameters).await;
        let row = row.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(row.get::<_, i64>(0), only.keys.len() as i64, "{sql}");
    } else {
        let counts = transaction.query_typed_one(sql, &parameters).await.expect("deleted");
        for (at, part) in statement.parts.iter().enumerate() {
            assert_eq!(counts.get::<_, i64>(at), part.keys.len() as i64, "{sql}");
        }
    }
}

fn sketch(graph: &Graph, plan: &Plan) -> String {
    let mut lines = Vec::new();
    for statement in &plan.statements {
        let rows: Vec<_> = statement.parts.iter().map(|part| part.keys.len().to_string()).collect();
        lines.push(format!("{}: {}", rows.join("+"), statement.sql));
    }
    for effect in &plan.effects {
        let whose = if effect.whose == Whose::Others { "others" } else { "kept" };
        let (edge, action) = (graph.edge(effect.edge), effect.action.name());
        lines.push(format!("{} {whose} by {edge} {action} planned {}", effect.rows, effect.is_planned));
    }
    for kept in &plan.kept {
        let name = &graph.node(kept.table).table.name;
        let column = kept.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        lines.push(format!("kept {} of {name}{column}: {} until {:?}", kept.rows, kept.why, kept.until));
    }
    let told = plan.findings.iter().filter(|finding| finding.code.0 != "unindexed-reference");
    lines.extend(told.map(|finding| format!("{}: {finding}", finding.severity)));
    lines.join("\n")
}

async fn check(schema: &str, body: &str) -> String {
    let database = Cluster::shared().database();
    database.execute(schema);
    let (graph, plan) = planned(&mut client(&database).await, body, "1").await;
    sketch(&graph, &plan)
}

fn left(database: &Database<'_>, table: &str) -> String {
    database.value(&format!("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM {table} t"))
}

/// A table with columns without data of persons, and more.
fn table(name: &str, class: &str, plain: &str, rest: &str) -> String {
    let plain = plain.replace(' ', "', '");
    format!("[[table]]\nname = 'public.{name}'\nclass = '{class}'\nplain = ['{plain}']\n{rest}\n")
}

const SHOP: &str = "CREATE TABLE customer (id int PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customer);
    CREATE TABLE item (order_id int REFERENCES orders ON DELETE CASCADE, line int, PRIMARY KEY (order_id, line));
    INSERT INTO customer VALUES (1, 'ann'), (2, 'bob'); INSERT INTO orders VALUES (1, 1), (2, 1), (3, 2);
    INSERT INTO item VALUES (1, 1), (1, 2), (2, 1), (3, 1);";

fn shop() -> String {
    [
        table("customer", "owned", "id", "column.email.erase = 'redact'"),
        table("orders", "owned", "id customer_id", ""),
        table("item", "owned", "order_id line", ""),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
        reference("item", "order_id", "orders", "class = 'owned'"),
    ]
    .concat()
}

#[tokio::test]
async fn rows_that_refer_go_first() {
    insta::assert_snapshot!(check(SHOP, &shop()).await, @"
    3: DELETE FROM ONLY public.item AS t USING unnest($1::text[], $2::text[]) AS k (k0, k1) WHERE t.order_id = k.k0::integer AND t.line = k.k1::integer;
    2: DELETE FROM ONLY public.orders AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    1: DELETE FROM ONLY public.customer AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    ");
}

#[tokio::test]
async fn masked_rows_stay_and_unique_texts_stay_unique() {
    let database = Cluster::shared().database();
    database.execute(SHOP);
    database.execute(
        "ALTER TABLE customer ADD name text, ADD born date, ADD phone varchar(70), ADD token text, ADD bio text;
         UPDATE customer SET name = 'Ann', born = '2000-01-01', phone = '555', token = 'x', bio = 'me'",
    );
    let body = shop().replace(
        "column.email.erase = 'redact'",
        "erase = 'mask'\ncolumn.email.erase = 'redact'\ncolumn.name.erase = 'pseudonym'\ncolumn.born.erase = 'null'\n\
         column.phone.erase = 'hash'\ncolumn.token.erase = 'random'\n\
         column.bio = { erase = 'keep', keep = { basis = 'law', until = '2030-05-05' } }",
    );
    let (graph, plan) = planned(&mut client(&database).await, &body, "1").await;
    insta::assert_snapshot!(sketch(&graph, &plan), @r#"
    1: UPDATE ONLY public.customer AS t SET born = NULL, email = k.n0, name = k.v0::text, phone = k.n1, token = k.n2 FROM (SELECT k.*, CASE WHEN o.email IS NOT NULL THEN concat_ws('-', '[erased]', o.id::text)::text END AS n0, encode(sha256(convert_to(o.phone::text, 'UTF8')), 'hex')::character varying AS n1, CASE WHEN o.token IS NOT NULL THEN replace(gen_random_uuid()::text, '-', '')::text END AS n2 FROM unnest($1::text[], $2::text[]) AS k (k0, v0) JOIN ONLY public.customer AS o ON o.id = k.k0::integer) AS k WHERE t.id = k.k0::integer RETURNING t.born IS NULL AND t.email::text COLLATE "C" IS NOT DISTINCT FROM k.n0::text::text AND t.name::text COLLATE "C" IS NOT DISTINCT FROM k.v0::text::text::text AND t.phone::text COLLATE "C" IS NOT DISTINCT FROM k.n1::character varying(70)::text AND t.token::text COLLATE "C" IS NOT DISTINCT FROM k.n2::text::text;
    3: DELETE FROM ONLY public.item AS t USING unnest($1::text[], $2::text[]) AS k (k0, k1) WHERE t.order_id = k.k0::integer AND t.line = k.k1::integer;
    2: DELETE FROM ONLY public.orders AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    kept 1 of customer.bio: law until Some(2030-05-05)
    "#);
    let own = "SELECT concat_ws(' ', email, name, born, length(phone), length(token), bio) FROM customer WHERE id = 1";
    assert_eq!(database.value(own), "[erased]-1 pseudonym 64 32 me");
    assert_eq!(database.value("SELECT concat_ws(' ', email, name, phone) FROM customer WHERE id = 2"), "bob Ann 555");
}

#[tokio::test]
async fn rows_of_others_refuse_or_are_let_go() {
    let schema = format!(
        "{SHOP} CREATE TABLE vote (id int PRIMARY KEY, of int NOT NULL REFERENCES orders ON DELETE CASCADE);
         CREATE TABLE vote_log (vote int REFERENCES vote ON DELETE CASCADE, n int PRIMARY KEY);
         CREATE TABLE reply (id int PRIMARY KEY, of int REFERENCES orders ON DELETE SET NULL);
         CREATE TABLE bill (id int PRIMARY KEY, of int REFERENCES orders);
         INSERT INTO vote SELECT n, 1 + n % 3 FROM generate_series(1, 30) n;
         INSERT INTO vote_log SELECT n, n FROM generate_series(1, 30) n;
         INSERT INTO reply VALUES (1, 1), (2, 3); INSERT INTO bill VALUES (1, 1), (2, 3);"
    );
    let body = |erase: &str| {
        [
            shop(),
            tables("foreign", "vote vote_log reply bill"),
            reference("vote", "of", "orders", "class = 'foreign'"),
            reference("reply", "of", "orders", &format!("class = 'foreign'\n{erase}")),
            reference("bill", "of", "orders", &format!("class = 'foreign'\n{erase}")),
        ]
        .concat()
    };
    insta::assert_snapshot!(check(&schema, &body("")).await, @"
    3: DELETE FROM ONLY public.item AS t USING unnest($1::text[], $2::text[]) AS k (k0, k1) WHERE t.order_id = k.k0::integer AND t.line = k.k1::integer;
    2: DELETE FROM ONLY public.orders AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    1: DELETE FROM ONLY public.customer AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    1 others by public.bill (of) → public.orders NO ACTION planned false
    1 others by public.reply (of) → public.orders SET NULL planned false
    20 others by public.vote (of) → public.orders CASCADE planned false
    20 others by public.vote_log (vote) → public.vote CASCADE planned false
    error: 1 rows of others stand in the way: they refer by `public.bill (of) → public.orders` (NO ACTION) to rows that go
    error: 1 rows of others would be changed along: they refer by `public.reply (of) → public.orders` (SET NULL) to rows that go
    error: 20 rows of others would be deleted along: they refer by `public.vote (of) → public.orders` (CASCADE) to rows that go
    error: 20 rows of others would be deleted along: they refer by `public.vote_log (vote) → public.vote` (CASCADE) to rows that go
    ");
    let database = Cluster::shared().database();
    database.execute(&schema);
    database.execute("TRUNCATE vote CASCADE");
    let (graph, plan) = planned(&mut client(&database).await, &body("erase = 'detach'"), "1").await;
    insta::assert_snapshot!(sketch(&graph, &plan), @"
    1: UPDATE ONLY public.bill AS t SET of = NULL FROM unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer RETURNING t.of IS NULL;
    1: UPDATE ONLY public.reply AS t SET of = NULL FROM unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer RETURNING t.of IS NULL;
    3: DELETE FROM ONLY public.item AS t USING unnest($1::text[], $2::text[]) AS k (k0, k1) WHERE t.order_id = k.k0::integer AND t.line = k.k1::integer;
    2: DELETE FROM ONLY public.orders AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    1: DELETE FROM ONLY public.customer AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    1 others by public.bill (of) → public.orders NO ACTION planned true
    1 others by public.reply (of) → public.orders SET NULL planned true
    ");
    assert_eq!([left(&database, "bill"), left(&database, "reply")], ["(1,) (2,3)", "(1,) (2,3)"]);
    assert_eq!(left(&database, "orders"), "(3,2)");
}

#[tokio::test]
async fn circles_go_whatever_their_constraints() {
    use StatementKind::{Defer, Delete, Untie};
    for (nulls, options) in [
        ("", "ON DELETE RESTRICT"),
        ("NOT NULL", "DEFERRABLE"),
        ("NOT NULL", ""),
        ("NOT NULL", "ON DELETE RESTRICT"),
        ("NOT NULL", "ON DELETE CASCADE"),
    ] {
        let schema = format!(
            "CREATE TABLE customer (id int PRIMARY KEY, home int {nulls});
             CREATE TABLE home (id int PRIMARY KEY, owner int NOT NULL REFERENCES customer {options});
             CREATE TABLE friend (id int PRIMARY KEY, owner int NOT NULL REFERENCES customer {options},
                 next int NOT NULL REFERENCES friend {options});
             INSERT INTO customer VALUES (1, 10), (2, 20); INSERT INTO home VALUES (10, 1), (20, 2);
             INSERT INTO friend VALUES (1, 1, 1), (2, 1, 1), (3, 2, 3);
             ALTER TABLE customer ADD CONSTRAINT lives FOREIGN KEY (home) REFERENCES home {options};"
        );
        let body = [
            table("customer", "owned", "id home", ""),
            table("home", "owned", "id owner", ""),
            table("friend", "owned", "id owner next", ""),
            reference("home", "owner", "customer", "class = 'owned'"),
            reference("customer", "home", "home", "class = 'foreign'"),
            reference("friend", "owner", "customer", "class = 'owned'"),
            reference("friend", "next", "friend", "class = 'owned'"),
        ]
        .concat();
        let database = Cluster::shared().database();
        database.execute(&schema);
        let (graph, plan) = planned(&mut client(&database).await, &body, "1").await;
        assert!(!plan.is_refused(), "{nulls} {options}: {}", sketch(&graph, &plan));
        let kinds: Vec<_> = plan.statements.iter().map(|statement| (statement.kind, statement.parts.len())).collect();
        let expected: &[(StatementKind, usize)] = match (nulls, options) {
            ("", _) => &[(Untie, 1), (Delete, 1), (Delete, 1), (Delete, 1)],
            (_, "DEFERRABLE") => &[(Defer, 0), (Delete, 1), (Delete, 1), (Delete, 1)],
            _ => &[(Delete, 1), (Delete, 2)],
        };
        assert_eq!(kinds, expected, "{nulls} {options}");
        let rest = [left(&database, "customer"), left(&database, "home"), left(&database, "friend")];
        assert_eq!(rest, ["(2,20)", "(20,2)", "(3,2,3)"]);
    }
}

#[tokio::test]
async fn partitions_and_rows_without_keys_go() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY);
         CREATE TABLE event (customer_id int REFERENCES customer, at date, what text) PARTITION BY RANGE (at);
         CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         CREATE TABLE log (customer_id int REFERENCES customer, ip inet);
         INSERT INTO customer VALUES (1), (2);
         INSERT INTO event SELECT 1 + n % 2, date '2024-01-01' + n, 'e' FROM generate_series(1, 700) n;
         INSERT INTO log VALUES (1, '::1'), (1, '::1'), (2, '::2');",
    );
    let body = [
        table("customer", "owned", "id", ""),
        table("event", "owned", "customer_id at", "column.what.erase = 'null'"),
        table("log", "owned", "customer_id", "column.ip.erase = 'null'"),
        reference("event", "customer_id", "customer", "class = 'owned'"),
        reference("log", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat();
    let (_, plan) = planned(&mut client(&database).await, &body, "1").await;
    assert_eq!(plan.tables.iter().map(|table| table.deleted).collect::<Vec<_>>(), [1, 350, 2]);
    assert_eq!(database.value("SELECT count(*) || ' ' || min(customer_id) FROM event"), "350 2");
    assert_eq!(left(&database, "log"), "(2,::2)");
    let sql: Vec<_> = plan.indexes.iter().flat_map(|index| index.sql.iter().map(String::as_str)).collect();
    insta::assert_snapshot!(sql.join("\n"), @"
    CREATE INDEX CONCURRENTLY ON public.event_1 USING btree (customer_id);
    CREATE INDEX CONCURRENTLY ON public.event_2 USING btree (customer_id);
    CREATE INDEX ON public.event USING btree (customer_id);
    CREATE INDEX CONCURRENTLY ON public.log USING btree (customer_id);
    ");
}

#[tokio::test]
async fn what_the_law_or_a_hold_keeps_stays() {
    let schema = format!(
        "{SHOP} CREATE TABLE invoice (id int PRIMARY KEY, customer_id int, issued date, address text);
         INSERT INTO invoice VALUES (1, 1, '2025-05-05', 'a'), (2, 1, '2010-01-01', 'b'), (3, 1, NULL, 'c'),
             (4, 2, '2010-01-01', 'd');
         CREATE SCHEMA legal; CREATE TABLE legal.hold (relation text, row text, field text, until date);
         INSERT INTO legal.hold VALUES ('public.item', '[\"1\", \"2\"]', NULL, NULL),
             ('public.item', '[\"2\", \"1\"]', NULL, '2020-01-01'), ('public.customer', '1', 'email', '2027-01-01');"
    );
    let keep =
        "erase = 'keep'\nkeep = { basis = 'tax', column = 'issued', for = '3653d' }\ncolumn.address.erase = 'null'";
    let body = [
        shop(),
        table("invoice", "owned", "id customer_id issued", keep),
        "[[table]]\nname = 'legal.hold'\nclass = 'lookup'\n".to_owned(),
        reference("invoice", "customer_id", "customer", "class = 'owned'"),
        "[[hold]]\nname = 'court'\ntable = 'legal.hold'\nfield = 'field'\nuntil = 'until'\n".to_owned(),
    ]
    .concat();
    insta::assert_snapshot!(check(&schema, &body).await, @"
    1: DELETE FROM ONLY public.invoice AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    2: DELETE FROM ONLY public.item AS t USING unnest($1::text[], $2::text[]) AS k (k0, k1) WHERE t.order_id = k.k0::integer AND t.line = k.k1::integer;
    2: DELETE FROM ONLY public.orders AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    1 kept by public.item (order_id) → public.orders CASCADE planned false
    kept 1 of customer.email: hold `court` until Some(2027-01-01)
    kept 2 of invoice: tax until Some(2035-05-06)
    kept 1 of item: hold `court` until None
    error: 1 rows that are to be kept would be deleted along: they refer by `public.item (order_id) → public.orders` (CASCADE) to rows that go
    ");
    let sketch = check(&format!("{schema} INSERT INTO legal.hold VALUES ('orders', '7', NULL, NULL)"), &body).await;
    assert!(sketch.contains("hold `court` has 1 entries that name no row"), "{sketch}");
}

#[tokio::test]
async fn views_that_keep_rows_are_named() {
    let schema = format!(
        "{SHOP} CREATE VIEW names AS SELECT id, email FROM customer;
         CREATE MATERIALIZED VIEW \"Top\" AS SELECT n.email, count(*) FROM names n GROUP BY 1;
         CREATE MATERIALIZED VIEW further AS SELECT * FROM \"Top\";
         CREATE MATERIALIZED VIEW never AS SELECT email FROM customer WITH NO DATA;
         CREATE MATERIALIZED VIEW numbers AS SELECT 1 AS one;"
    );
    let sketch = check(&schema, &shop()).await;
    let named: Vec<&str> = sketch.lines().filter(|line| line.contains("materialised view")).collect();
    assert_eq!(
        named,
        [
            "warning: the materialised view `public.\"Top\"` shows rows as they were until it is refreshed",
            "warning: the materialised view `public.further` shows rows as they were until it is refreshed",
        ],
        "{sketch}"
    );
}

#[tokio::test]
async fn messages_stay_and_lose_their_author() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY);
         CREATE TABLE message (id int PRIMARY KEY, sender_id int NOT NULL REFERENCES customer,
             recipient_id int REFERENCES customer ON DELETE CASCADE);
         CREATE TABLE attachment (id int PRIMARY KEY, message_id int NOT NULL REFERENCES message);
         INSERT INTO customer VALUES (0), (1), (2); INSERT INTO message VALUES (1, 1, 2), (2, 2, 1), (3, 1, 1), (4, 2, 2);
         INSERT INTO attachment VALUES (1, 1), (2, 2);",
    );
    let body = [
        table("customer", "owned", "id", ""),
        table("message", "shared", "id sender_id recipient_id", ""),
        table("attachment", "shared", "id message_id", ""),
        reference("message", "sender_id", "customer", "class = 'shared'\nerase = 'detach'\nbecome = ['0']"),
        reference("message", "recipient_id", "customer", "class = 'about'\nerase = 'detach'"),
        reference("attachment", "message_id", "message", "class = 'owned'"),
    ]
    .concat();
    let (graph, plan) = planned(&mut client(&database).await, &body, "1").await;
    insta::assert_snapshot!(sketch(&graph, &plan), @r#"
    1: UPDATE ONLY public.message AS t SET recipient_id = NULL FROM unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer RETURNING t.recipient_id IS NULL;
    1: UPDATE ONLY public.message AS t SET recipient_id = NULL, sender_id = '0'::integer FROM unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer RETURNING t.recipient_id IS NULL AND t.sender_id::text COLLATE "C" IS NOT DISTINCT FROM '0'::integer::integer::text;
    1: UPDATE ONLY public.message AS t SET sender_id = '0'::integer FROM unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer RETURNING t.sender_id::text COLLATE "C" IS NOT DISTINCT FROM '0'::integer::integer::text;
    1: DELETE FROM ONLY public.customer AS t USING unnest($1::text[]) AS k (k0) WHERE t.id = k.k0::integer;
    kept 2 of attachment: it is not the person's alone until None
    "#);
    assert_eq!(left(&database, "message"), "(1,0,2) (2,2,) (3,0,) (4,2,2)");
    assert_eq!(left(&database, "attachment"), "(1,1) (2,2)");
}

#[tokio::test]
async fn what_others_have_beside_the_reference_stays_and_is_said_to() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1), (2);
         CREATE TABLE message (id int PRIMARY KEY, sender_id int, recipient_id int, body text, picture text);
         INSERT INTO message VALUES (1, 1, 2, 'a', 'p'), (2, 2, 1, 'b', 'p'), (3, 2, 2, 'c', 'p')";
    let columns = "column.body.erase = 'null'\n\
        column.picture = { erase = 'keep', keep = { basis = 'a claim', until = '2999-01-01' } }";
    let body = [
        table("customer", "owned", "id", ""),
        table("message", "shared", "id sender_id recipient_id", columns),
        reference("message", "sender_id", "customer", "class = 'shared'\nerase = 'detach'"),
        reference("message", "recipient_id", "customer", "class = 'about'\nerase = 'detach'"),
    ]
    .concat();
    let sketch = check(schema, &body).await;
    let kept: Vec<_> = sketch.lines().filter(|line| line.starts_with("kept")).collect();
    insta::assert_snapshot!(kept.join("\n"), @"
    kept 1 of message.body: it is others', too until None
    kept 1 of message.body: others wrote it until None
    kept 2 of message.picture: a claim until Some(2999-01-01)
    ");
}

#[tokio::test]
async fn what_stands_in_the_way_is_found_before() {
    let schema = format!(
        "{SHOP} ALTER TABLE customer ADD short varchar(10) CHECK (short <> 'x'), ADD age int NOT NULL DEFAULT 1,
             ADD mail2 text GENERATED ALWAYS AS (lower(email)) STORED, ADD photo oid;
         CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
         CREATE TRIGGER keep_old BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION keep();
         CREATE TRIGGER is_off BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION keep();
         ALTER TABLE orders DISABLE TRIGGER is_off;
         CREATE RULE no_delete AS ON DELETE TO item DO INSTEAD NOTHING;
         CREATE TABLE log (customer_id int REFERENCES customer); INSERT INTO log VALUES (1);
         CREATE PUBLICATION all_of FOR TABLE log, orders;"
    );
    let masks = "erase = 'mask'\ncolumn.email.erase = 'null'\ncolumn.short.erase = 'random'\ncolumn.age.erase = 'null'\n\
                 column.mail2.erase = 'null'\ncolumn.photo.erase = 'hash'";
    let body = [
        shop().replace("column.email.erase = 'redact'", masks),
        table("log", "owned", "customer_id", ""),
        reference("log", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat();
    let sketch = check(&schema, &body).await;
    let findings: Vec<_> = sketch.lines().filter(|line| !line.contains("unnest(")).collect();
    insta::assert_snapshot!(findings.join("\n"), @"
    error: `public.item` has rules that turn a DELETE or an UPDATE into something else
    error: `public.log` is published by `all_of` without a replica identity, so the server refuses to change it
    note: `public.log` has no key, so its rows are told by their places and are locked meanwhile
    warning: triggers of `public.orders` fire, and may copy what is erased or keep it from being erased: `keep_old`
    error: `public.customer.age` is NOT NULL
    error: `public.customer.mail2` is computed of others and cannot be written
    error: `public.customer.photo` is of type `oid`, which no hash is
    error: `public.customer.short` holds (10) characters, and what is written has 32
    warning: the check `customer_short_check` of `public.customer.short` may refuse what is written: ((short)::text <> 'x'::text)
    ");
}

#[tokio::test]
async fn a_plan_shows_nobody() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE customer (id text PRIMARY KEY, email text); INSERT INTO customer VALUES ('ann@x', 'ann@x')",
    );
    let body = table("customer", "owned", "id", "column.email.erase = 'null'");
    let (_, plan) = planned(&mut client(&database).await, &body, "ann@x").await;
    assert!(plan.subject.to_string().starts_with("hmac-sha256:test:"));
    assert!(!format!("{plan:?}").contains("ann@"), "{plan:?}");
}
