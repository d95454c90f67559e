//! Erasing in several transactions: the same in the end as in one, whatever has died in between.

mod support;

use dbopt_gdpr::{EraseError, Plan};
use dbopt_testkit::{Cluster, Database};
use support::{
    case::{Case, migrated},
    client, reference, tables,
};
use tokio_postgres::Client;

const SCHEMA: &str = "CREATE TABLE customer (id text PRIMARY KEY, email text UNIQUE);
    CREATE TABLE address (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id text NOT NULL REFERENCES customer, address_id int REFERENCES address);
    CREATE TABLE item (order_id int REFERENCES orders ON DELETE CASCADE, line int, PRIMARY KEY (order_id, line));
    CREATE TABLE event (id int PRIMARY KEY, customer_id text NOT NULL REFERENCES customer, amount int);
    CREATE TABLE comment (id int PRIMARY KEY, customer_id text REFERENCES customer, parent_id int REFERENCES comment);
    CREATE TABLE reply (id int PRIMARY KEY, event_id int REFERENCES event);
    INSERT INTO customer VALUES ('ann-7', 'ann@x.org'), ('bob-8', 'bob@x.org');
    INSERT INTO address SELECT generate_series(1, 20);
    INSERT INTO orders SELECT n, CASE WHEN n % 2 = 0 THEN 'ann-7' ELSE 'bob-8' END, n FROM generate_series(1, 20) n;
    INSERT INTO item SELECT 1 + n % 20, n FROM generate_series(1, 100) n;
    INSERT INTO event SELECT n, CASE WHEN n % 2 = 0 THEN 'ann-7' ELSE 'bob-8' END, n FROM generate_series(1, 60) n;
    INSERT INTO comment VALUES (1, 'ann-7', NULL), (2, 'ann-7', 1), (3, 'bob-8', NULL);";

const ANN: &str = "ann-7";

fn body(most: u32, orders: &str, reply: &str) -> String {
    let table = |name: &str, plain: &str, rest: &str| {
        let plain = plain.replace(' ', "', '");
        format!("[[table]]\nname = 'public.{name}'\nclass = 'owned'\nplain = ['{plain}']\n{rest}\n")
    };
    [
        format!("[erase]\nmost_rows_at_once = {most}\n"),
        table("customer", "id", "erase = 'mask'\ncolumn.email.erase = 'hmac'"),
        table("orders", "id customer_id address_id", ""),
        table("item", "order_id line", ""),
        table("event", "id customer_id amount", ""),
        table("comment", "id customer_id parent_id", ""),
        if orders.contains("parents") { table("address", "id", "") } else { tables("lookup", "address") },
        tables("foreign", "reply"),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
        reference("orders", "address_id", "address", orders),
        reference("item", "order_id", "orders", "class = 'owned'"),
        reference("event", "customer_id", "customer", "class = 'owned'"),
        reference("comment", "customer_id", "customer", "class = 'owned'"),
        reference("comment", "parent_id", "comment", "class = 'owned'"),
        reference("reply", "event_id", "event", reply),
    ]
    .concat()
}

fn usual(most: u32) -> String {
    body(most, "class = 'foreign'", "class = 'foreign'")
}

const LEFT: &str = "SELECT concat_ws(' ', (SELECT string_agg(c::text, '') FROM customer c), (SELECT count(*) FROM orders), \
    (SELECT count(*) FROM item), (SELECT count(*) FROM event), (SELECT count(*) FROM address), (SELECT string_agg(m::text, '') FROM comment m), \
    (SELECT string_agg(r::text, '') FROM reply r))";

const OTHERS: &str = "SELECT md5(concat_ws(' ', (SELECT string_agg(c::text, '') FROM customer c WHERE id = 'bob-8'), \
    (SELECT string_agg(o::text, '') FROM orders o WHERE id % 2 = 1), (SELECT string_agg(i::text, '') FROM item i WHERE order_id % 2 = 1), \
    (SELECT string_agg(e::text, '') FROM event e WHERE id % 2 = 1)))";

const LEDGER: &str = "SELECT string_agg(concat_ws(' ', sequence, details::json ->> 'stage', details::json ->> 'outcome', \
    details::json ->> 'begun', details::json ->> 'table', details::json ->> 'rows', details::json ->> 'deleted'), '\n' ORDER BY sequence) FROM dbopt.audit_record";

fn sketch(case: &Case, plan: &Plan) -> String {
    let parts = plan.statements.iter().flat_map(|statement| &statement.parts);
    let parts = parts.map(|part| format!("{} {}", case.graph.node(part.table).table.name, part.keys.len()));
    let apart = plan.apart.map(|apart| format!("{} apart by {}", apart.statements, apart.rows)).unwrap_or_default();
    let notes = plan.findings.iter().filter(|finding| ["in-parts", "one-transaction"].contains(&finding.code.0));
    let notes: Vec<_> = notes.map(ToString::to_string).collect();
    [vec![parts.collect::<Vec<_>>().join(", "), apart], notes].concat().join("\n")
}

async fn planned(body: &str) -> String {
    let database = migrated(Cluster::shared(), SCHEMA).await;
    database.execute("INSERT INTO reply VALUES (1, 2)");
    let mut client = client(&database).await;
    let case = Case::new(&client, body, ANN).await;
    let plan = case.plan(&mut client).await.expect("planned");
    sketch(&case, &plan)
}

#[tokio::test]
async fn what_may_go_before_the_others_does() {
    let reply = "class = 'foreign'\nerase = 'detach'";
    // Events are let go of by a reply, which is done in the last transaction.
    insta::assert_snapshot!(planned(&body(20, "class = 'foreign'", reply)).await, @"
    item 50, orders 10, customer 1, reply 1, comment 2, event 30
    2 apart by 20
    the last transaction has 34 rows, more than 20: these cannot go before the others
    60 rows go in 4 transactions before the last one, and others see that in between
    ");
    // Addresses are found by orders.
    insta::assert_snapshot!(planned(&body(20, "class = 'owned'\nparents = true", reply)).await, @"
    item 50, customer 1, reply 1, comment 2, event 30, orders 10, address 10
    1 apart by 20
    the last transaction has 54 rows, more than 20: these cannot go before the others
    50 rows go in 3 transactions before the last one, and others see that in between
    ");
    insta::assert_snapshot!(planned(&body(1000, "class = 'foreign'", reply)).await, @"customer 1, reply 1, comment 2, event 30, item 50, orders 10");
}

/// A database, and what one transaction leaves of it.
async fn shop<'a>(most: u32) -> (Database<'a>, Client, Case) {
    let database = migrated(Cluster::shared(), SCHEMA).await;
    let client = client(&database).await;
    let case = Case::new(&client, &usual(most), ANN).await;
    (database, client, case)
}

#[tokio::test]
async fn parts_leave_what_one_transaction_leaves() {
    let (one, mut client, case) = shop(1000).await;
    case.erase(&mut client).await.expect("erased");
    let (parts, mut client, case) = shop(20).await;
    let others = parts.value(OTHERS);
    let erased = case.erase(&mut client).await.expect("erased");
    assert_eq!(parts.value(LEFT), one.value(LEFT));
    assert_eq!((parts.value(OTHERS), erased.deleted, erased.changed), (others, 92, 1));
    insta::assert_snapshot!(parts.value(LEDGER), @"
    1 begun 92
    2 part 1 public.event 20
    3 part 1 public.event 10
    4 part 1 public.item 20
    5 part 1 public.item 20
    6 part 1 public.item 10
    7 part 1 public.orders 10
    8 ended done 1 92
    ");
}

/// Makes the session end when it deletes an event.
async fn dies(database: &Database<'_>, event: i32) {
    database.execute(&format!(
        "CREATE OR REPLACE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF OLD.id = {event} THEN PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()); END IF; RETURN OLD; END $$;
         CREATE OR REPLACE TRIGGER dies BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION dies()"
    ));
}

#[tokio::test]
async fn the_same_approval_goes_on_where_a_session_died() {
    let (one, mut client, case) = shop(1000).await;
    case.erase(&mut client).await.expect("erased");
    for event in [2, 24, 44, 60] {
        let (database, mut first, case) = shop(10).await;
        let others = database.value(OTHERS);
        let approval = case.approval(&mut first).await;
        dies(&database, event).await;
        let died = case.erasure().erase(&mut first, &approval).await.expect_err("it died");
        let has_parts = database.value(LEDGER).contains(" part ");
        assert_eq!(matches!(died, EraseError::InPart { .. }), has_parts, "{died:?}");
        assert_eq!(database.value(OTHERS), others);
        database.execute("DROP FUNCTION dies() CASCADE");
        let mut second = support::client(&database).await;
        let erased = case.erasure().erase(&mut second, &approval).await.expect("it goes on");
        assert_eq!((erased.deleted, erased.changed, erased.died.len()), (92, 1, usize::from(erased.resumed.is_none())));
        assert_eq!((database.value(LEFT), database.value(OTHERS)), (one.value(LEFT), others));
        let again = case.erasure().erase(&mut second, &approval).await.expect("it is known");
        assert!(again.was_done);
    }
}

#[tokio::test]
async fn what_is_left_is_what_was_approved_or_refused() {
    for change in [
        "INSERT INTO event VALUES (100, 'ann-7', 1)",
        "DELETE FROM event WHERE id = 60",
        "UPDATE event SET id = 100 WHERE id = 60",
        "INSERT INTO reply VALUES (1, 60)",
    ] {
        let (database, mut first, case) = shop(10).await;
        let approval = case.approval(&mut first).await;
        dies(&database, 40).await;
        case.erasure().erase(&mut first, &approval).await.expect_err("it died");
        database.execute("DROP FUNCTION dies() CASCADE");
        database.execute(change);
        let (left, others) = (database.value(LEFT), database.value(OTHERS));
        let mut second = support::client(&database).await;
        let refused = case.erasure().erase(&mut second, &approval).await;
        let cause = match &refused {
            Err(EraseError::InPart { cause, .. }) => &**cause,
            other => panic!("{change}: {other:?}"),
        };
        assert!(matches!(cause, EraseError::Changed | EraseError::Refused(_)), "{change}: {cause:?}");
        assert_eq!((database.value(LEFT), database.value(OTHERS)), (left, others), "{change}");
        assert!(database.value(LEDGER).contains("ended in-part"), "{change}");
        // What is left is approved anew.
        database.execute("DELETE FROM reply");
        let erased = case.erase(&mut second).await.expect("erased");
        assert!(erased.resumed.is_none(), "{change}");
        assert_eq!(database.value("SELECT count(*) FROM event WHERE customer_id = 'ann-7'"), "0", "{change}");
    }
}
