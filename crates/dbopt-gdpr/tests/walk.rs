//! Which rows are a person's.

mod support;

use dbopt_gdpr::Error;
use dbopt_testkit::Cluster;
use support::{client, found, policy, reference, sketch, tables};

async fn walked(schema: &str, body: &str, key: &[&str]) -> String {
    let database = Cluster::shared().database();
    database.execute(schema);
    let mut client = client(&database).await;
    let (graph, walked) = found(&mut client, &policy(body), key).await;
    sketch(&graph, &walked.expect("found"))
}

#[tokio::test]
async fn children_are_found_and_parents_only_where_it_is_said() {
    let schema = "CREATE TABLE country (id int PRIMARY KEY);
        CREATE TABLE address (id int PRIMARY KEY);
        CREATE TABLE customer (id bigint PRIMARY KEY, country_id int REFERENCES country, address_id int REFERENCES address);
        CREATE TABLE orders (id int PRIMARY KEY, customer_id bigint REFERENCES customer);
        CREATE TABLE item (order_id int REFERENCES orders, line int, PRIMARY KEY (order_id, line));
        INSERT INTO country VALUES (1); INSERT INTO address VALUES (7), (8);
        INSERT INTO customer VALUES (1, 1, 7), (2, 1, 8);
        INSERT INTO orders VALUES (10, 1), (11, 1), (12, 2);
        INSERT INTO item VALUES (10, 1), (10, 2), (12, 1);";
    let body = [
        tables("owned", "customer address orders item"),
        tables("lookup", "country"),
        reference("customer", "address_id", "address", "class = 'owned'\nparents = true"),
        reference("customer", "country_id", "country", "class = 'foreign'"),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
        reference("item", "order_id", "orders", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(walked(schema, &body, &["1"]).await, @"
    address owned: 7
    customer owned: 1
    item owned: 10,1 10,2
    orders owned: 10 11
    ");
}

#[tokio::test]
async fn answers_are_followed_to_the_end_and_stop_at_those_of_others() {
    // 2 answers 1, 3 answers 2; 3 and what follows is of somebody else, and so are 6 and 7, until 5 is the person's again.
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE comment (id int PRIMARY KEY, parent_id int REFERENCES comment, author_id int REFERENCES customer);
        INSERT INTO customer VALUES (1), (2);
        INSERT INTO comment VALUES (1, NULL, 1), (2, 1, 1), (3, 2, 2), (4, 3, 2), (5, 4, 1), (6, 5, NULL), (7, NULL, 2);";
    let body = [
        tables("owned", "customer comment"),
        reference("comment", "author_id", "customer", "class = 'owned'"),
        reference("comment", "parent_id", "comment", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(walked(schema, &body, &["1"]).await, @"
    comment owned: 1 2 5
    customer owned: 1
    others by public.comment (parent_id) → public.comment: 3 6
    ");
}

#[tokio::test]
async fn a_tree_is_owned_through_its_parents_only_where_it_is_said() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE folder (id int PRIMARY KEY, customer_id int REFERENCES customer, parent_id int REFERENCES folder);
        CREATE TABLE node (id int PRIMARY KEY, folder_id int REFERENCES folder, parent_id int REFERENCES node);
        INSERT INTO customer VALUES (1), (2);
        INSERT INTO folder VALUES (1, 1, NULL), (2, 2, NULL), (3, 1, 1);
        INSERT INTO node SELECT n, CASE WHEN n = 1 THEN 3 WHEN n = 301 THEN 2 END, nullif(n - 1, 0) FROM generate_series(1, 300) n;
        INSERT INTO node VALUES (301, 2, NULL), (302, NULL, 301);";
    let body = |owner: &str| {
        [
            tables("owned", "customer folder"),
            format!("[[table]]\nname = 'public.node'\nclass = 'owned'\n{owner}\n"),
            reference("folder", "customer_id", "customer", "class = 'owned'"),
            reference("folder", "parent_id", "folder", "class = 'owned'"),
            reference("node", "folder_id", "folder", "class = 'owned'"),
            reference("node", "parent_id", "node", "class = 'owned'"),
        ]
        .concat()
    };
    let sketch = walked(schema, &body("owner = ['parent_id']"), &["1"]).await;
    assert_eq!(sketch.lines().find(|line| line.starts_with("node")).map(|line| line.split(' ').count()), Some(302));
    // An inner node has no folder. Without a word about it, it could be anybody's.
    let sketch = walked(schema, &body(""), &["1"]).await;
    insta::assert_snapshot!(sketch, @"
    customer owned: 1
    folder owned: 1 3
    node owned: 1
    others by public.node (parent_id) → public.node: 2
    ");
}

#[tokio::test]
async fn keys_of_many_columns_other_keys_partitions_and_no_keys_are_found() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY, handle text UNIQUE, tenant int, number int, UNIQUE (number, tenant));
        CREATE TABLE by_handle (id int PRIMARY KEY, handle text REFERENCES customer (handle));
        CREATE TABLE by_pair (tenant int, number int, note text NOT NULL UNIQUE,
            FOREIGN KEY (tenant, number) REFERENCES customer (tenant, number));
        CREATE TABLE orders (id int, at date, customer_id int REFERENCES customer, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        CREATE TABLE item (order_id int, order_at date, what text, FOREIGN KEY (order_at, order_id) REFERENCES orders (at, id));
        INSERT INTO customer VALUES (1, 'ann', 5, 6), (2, 'bob', 6, 5);
        INSERT INTO by_handle VALUES (1, 'ann'), (2, 'bob');
        INSERT INTO by_pair VALUES (5, 6, 'mine'), (6, 5, 'not'), (5, NULL, 'half');
        INSERT INTO orders VALUES (1, '2024-05-05', 1), (1, '2025-05-05', 1), (2, '2025-05-05', 2);
        INSERT INTO item VALUES (1, '2024-05-05', 'a'), (1, '2025-05-05', 'b'), (2, '2025-05-05', 'c'), (1, '2025-05-05', 'b');";
    let body = [
        tables("owned", "customer by_handle by_pair orders item"),
        reference("by_handle", "handle", "customer", "class = 'owned'"),
        reference("by_pair", "number tenant", "customer", "class = 'owned'"),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
        reference("item", "order_id order_at", "orders", "class = 'owned'"),
    ]
    .concat();
    let sketch = walked(schema, &body, &["1"]).await;
    // The tables' own numbers are not the same twice.
    let sketch = sketch.split(' ').map(|word| match word.split_once(",(") {
        Some((_, place)) => format!("({place}"),
        None => word.to_owned(),
    });
    insta::assert_snapshot!(sketch.collect::<Vec<_>>().join(" "), @"
    by_handle owned: 1
    by_pair owned: mine
    customer owned: 1
    item owned: (0,1) (0,2) (0,4)
    orders owned: 1,2024-05-05 1,2025-05-05
    ");
}

#[tokio::test]
async fn references_that_nothing_declares_are_found() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY, email text, old_email text);
        CREATE TABLE event (id int PRIMARY KEY, target_type text, target_id text, payload jsonb);
        CREATE TABLE team (id int PRIMARY KEY, member_ids bigint[], guests text[]);
        CREATE TABLE newsletter (id int PRIMARY KEY, address varchar(100));
        CREATE TABLE suppressed (id int PRIMARY KEY, digest bytea, hex char(64));
        CREATE TABLE visit (id int PRIMARY KEY, customer varchar(20));
        INSERT INTO customer VALUES (1, 'Ann@Example.org', ''), (2, 'bob@example.org', ''), (11, NULL, '');
        INSERT INTO event VALUES
            (1, 'Customer', '1', '{}'), (2, 'Order', '1', '{}'), (3, 'Customer', '11', '{\"actor\": {\"id\": 1}}'),
            (4, '', NULL, '{\"actor\": {\"id\": \"1\"}}'), (5, '', NULL, '{\"actor\": {\"id\": 11}, \"seen\": [{\"by\": 2}, {\"by\": 1}]}'),
            (6, '', 'none', '{\"seen\": {\"by\": [1]}, \"actor\": 1}');
        INSERT INTO team VALUES (1, '{1,2}', NULL), (2, '{2}', '{x,1}'), (3, NULL, '{11}');
        INSERT INTO newsletter VALUES (1, ' ann@example.ORG'), (2, 'Ann <ann@example.org>'), (3, 'ann%40example.org'),
            (4, 'xann@example.org'), (5, ''), (6, NULL), (7, 'bob@example.org');
        INSERT INTO suppressed VALUES (1, sha256('ann@example.org'), NULL), (2, NULL, encode(sha256('Ann@Example.org'), 'hex')),
            (3, sha256('bob@example.org'), '');
        INSERT INTO visit VALUES (1, '1'), (2, '01'), (3, 'x');";
    let identifier = "[[subject.identifier]]\nname = 'email'\ncolumn = 'email'\nmatch = ['case', 'trim', 'nfc', 'display-name', 'url-encoding']\n\
         [[subject.identifier]]\nname = 'old'\ncolumn = 'old_email'\n";
    let made = |from: &str, rest: &str| {
        format!("[[reference]]\nfrom = 'public.{from}'\nto = 'public.customer'\nclass = 'owned'\n{rest}\n")
    };
    let body = [
        identifier.to_owned(),
        tables("owned", "customer event team newsletter suppressed visit"),
        made("event", "columns = ['target_id']\ntype = { column = 'target_type', value = 'Customer' }"),
        made("event", "json = { column = 'payload', path = ['actor', 'id'] }"),
        made("event", "json = { column = 'payload', path = ['seen', '*', 'by'] }"),
        made("team", "array = 'member_ids'"),
        made("team", "array = 'guests'"),
        made("newsletter", "identifier = { column = 'address', name = 'email' }"),
        made("newsletter", "identifier = { column = 'address', name = 'old' }"),
        made("suppressed", "identifier = { column = 'digest', name = 'email', hash = 'sha256' }"),
        made("suppressed", "identifier = { column = 'hex', name = 'email', hash = 'sha256' }"),
        made("visit", "columns = ['customer']"),
    ]
    .concat();
    insta::assert_snapshot!(walked(schema, &body, &["1"]).await, @"
    customer owned: 1
    event owned: 1 3 4 5
    newsletter owned: 1 2 3
    suppressed owned: 1 2
    team owned: 1 2
    visit owned: 1
    ");
}

#[tokio::test]
async fn a_row_is_as_much_the_persons_as_the_best_way_to_it_says() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE message (id int PRIMARY KEY, sender_id int REFERENCES customer, recipient_id int REFERENCES customer);
        CREATE TABLE attachment (id int PRIMARY KEY, message_id int REFERENCES message);
        INSERT INTO customer VALUES (1), (2);
        INSERT INTO message VALUES (1, 1, 2), (2, 2, 1), (3, 1, 1), (4, 2, 2);
        INSERT INTO attachment VALUES (1, 1), (2, 2), (3, 3), (4, 4);";
    let body = [
        tables("owned", "customer attachment"),
        tables("shared", "message"),
        reference("message", "sender_id", "customer", "class = 'shared'\nerase = 'detach'"),
        reference("message", "recipient_id", "customer", "class = 'about'\nerase = 'detach'"),
        reference("attachment", "message_id", "message", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(walked(schema, &body, &["1"]).await, @"
    attachment shared: 1 3
    attachment about: 2
    customer owned: 1
    message shared: 1 3
    message about: 2
    ");
}

#[tokio::test]
async fn names_that_need_quotes_and_types_of_extensions_are_found() {
    let schema = "CREATE EXTENSION citext; CREATE TYPE \"Kind Of\" AS ENUM ('a', 'it''s');
        CREATE DOMAIN code AS varchar(10);
        CREATE TABLE customer (id int PRIMARY KEY, \"E Mail\" citext UNIQUE NOT NULL);
        CREATE TABLE \"Or\"\"ders\" (\"Code\" code, kind \"Kind Of\", of citext REFERENCES customer (\"E Mail\"),
            PRIMARY KEY (\"Code\", kind));
        CREATE TABLE part (code varchar(10), kind \"Kind Of\", FOREIGN KEY (code, kind) REFERENCES \"Or\"\"ders\");
        ALTER TABLE part ADD UNIQUE (code); ALTER TABLE part ALTER code SET NOT NULL;
        INSERT INTO customer VALUES (1, 'Ann'), (2, 'Bob');
        INSERT INTO \"Or\"\"ders\" VALUES ('x', 'it''s', 'ANN'), ('x', 'a', 'bob');
        INSERT INTO part VALUES ('x', 'it''s');";
    let body = [
        tables("owned", "customer part"),
        "[[table]]\nname = 'public.\"Or\"\"ders\"'\nclass = 'owned'\n".to_owned(),
        reference("\"Or\"\"ders\"", "of", "customer", "class = 'owned'\nkey = ['E Mail']"),
        reference("part", "code kind", "\"Or\"\"ders\"", "class = 'owned'"),
    ]
    .concat();
    insta::assert_snapshot!(walked(schema, &body, &["1"]).await, @r#"
    Or"ders owned: x,it's
    customer owned: 1
    part owned: x
    "#);
}

#[tokio::test]
async fn tables_that_inherit_are_tables_of_their_own() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE event (id int PRIMARY KEY, customer_id int);
        CREATE TABLE login (ip text) INHERITS (event);
        INSERT INTO customer VALUES (1); INSERT INTO event VALUES (1, 1); INSERT INTO login VALUES (2, 1, 'x');";
    let body = [
        tables("owned", "customer event login"),
        reference("event", "customer_id", "customer", "class = 'owned'"),
        reference("login", "customer_id", "customer", "class = 'owned'"),
    ]
    .concat();
    let sketch = walked(schema, &body, &["1"]).await;
    assert_eq!(sketch.lines().filter(|line| line.starts_with("event owned: 1")).count(), 1, "{sketch}");
    assert!(sketch.contains("login owned: ") && sketch.lines().count() == 3, "{sketch}");
}

#[tokio::test]
async fn many_rows_are_found_in_chunks() {
    let schema = "CREATE TABLE customer (id int PRIMARY KEY);
        CREATE TABLE event (id int PRIMARY KEY, customer_id int REFERENCES customer);
        CREATE TABLE detail (id int PRIMARY KEY, event_id int REFERENCES event);
        INSERT INTO customer VALUES (1), (2);
        INSERT INTO event SELECT n, 1 + n % 2 FROM generate_series(1, 240000) n;
        INSERT INTO detail SELECT n, n FROM generate_series(1, 240000) n; ANALYZE;";
    let body = [
        tables("owned", "customer event detail"),
        reference("event", "customer_id", "customer", "class = 'owned'"),
        reference("detail", "event_id", "event", "class = 'owned'"),
    ]
    .concat();
    let database = Cluster::shared().database();
    database.execute(schema);
    let mut client = client(&database).await;
    let (graph, walked) = found(&mut client, &policy(&body), &["1"]).await;
    let walked = walked.expect("found");
    assert_eq!(walked.rows(), 240_001);
    let detail =
        walked.asked.iter().find(|asked| graph.edge(asked.edge).to_string().contains("detail")).expect("asked");
    assert_eq!((detail.queries, detail.keys, detail.rows), (3, 120_000, 120_000));
}

#[tokio::test]
async fn who_is_not_there_is_an_error_that_does_not_say_who() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY, region text); INSERT INTO customer VALUES (1, 'eu'), (2, 'eu');",
    );
    let mut client = client(&database).await;
    let own = policy(&tables("owned", "customer"));
    let mut by_region = own.clone();
    by_region.subjects[0].key = vec!["region".to_owned()];
    let error = found(&mut client, &own, &["4711"]).await.1.expect_err("nobody");
    assert!(matches!(error, Error::NoPerson(_)) && !error.to_string().contains("4711"));
    let error = found(&mut client, &own, &["secret"]).await.1.expect_err("no number");
    assert!(matches!(error, Error::BadKey(_)) && !format!("{error} {error:?}").contains("secret"), "{error:?}");
    assert!(matches!(found(&mut client, &own, &["1", "2"]).await.1, Err(Error::BadKey(_))));
    assert!(matches!(found(&mut client, &by_region, &["eu"]).await.1, Err(Error::ManyPersons(_))));
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_an_error() {
    let database = Cluster::shared().database();
    let role = format!("reader_{}", database.name());
    database.execute(&format!(
        "CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1);
         CREATE TABLE note (id int PRIMARY KEY, customer_id int REFERENCES customer); INSERT INTO note VALUES (1, 1);
         ALTER TABLE note ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON note USING (false);
         CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
    ));
    let body =
        [tables("owned", "customer note"), reference("note", "customer_id", "customer", "class = 'owned'")].concat();
    let mut client = client(&database).await;
    client.batch_execute(&format!("SET ROLE {role}")).await.expect("set");
    let error = found(&mut client, &policy(&body), &["1"]).await.1.expect_err("hidden");
    insta::assert_snapshot!(error, @r#"row-level security hides rows of a person from this role: query would be affected by row-level security policy for table "note""#);
    client.batch_execute("RESET ROLE").await.expect("reset");
    assert_eq!(found(&mut client, &policy(&body), &["1"]).await.1.expect("found").rows(), 2);
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
