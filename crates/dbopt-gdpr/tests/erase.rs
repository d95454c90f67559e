//! Erasing by an approved plan: all of it or nothing, and a record that says which.

mod support;

use dbopt_crypto::{Algorithm, Cell, DataKey, KeyId, KeyNumber, KeyRing, SubjectId, SubjectKeys};
use dbopt_gdpr::{Approval, EraseError, Erased, PersonKey, Recorded};
use dbopt_testkit::Cluster;
use support::{
    case::{Case, migrated},
    client, reference, tables,
};
use tokio_postgres::Client;

const ANN: &str = "ann-7";

const SHOP: &str = "CREATE TABLE customer (id text PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id text REFERENCES customer);
    CREATE TABLE item (order_id int REFERENCES orders ON DELETE CASCADE, line int, PRIMARY KEY (order_id, line));
    INSERT INTO customer VALUES ('ann-7', 'ann@x.org'), ('bob-8', 'bob@x.org');
    INSERT INTO orders VALUES (1, 'ann-7'), (2, 'ann-7'), (3, 'bob-8');
    INSERT INTO item VALUES (1, 1), (1, 2), (2, 1), (3, 1);";

const LEFT: &str = "SELECT concat_ws(' ', (SELECT string_agg(c::text, '') FROM customer c), \
    (SELECT string_agg(o::text, '') FROM orders o), (SELECT string_agg(i::text, '') FROM item i))";

const LEDGER: &str = "SELECT string_agg(concat_ws(' ', sequence, details::json ->> 'stage', details::json ->> 'outcome', \
    details::json ->> 'begun', details::json ->> 'cause'), '\n' ORDER BY sequence) FROM dbopt.audit_record";

/// A table with columns without data of persons, and more.
fn table(name: &str, plain: &str, rest: &str) -> String {
    let plain = plain.replace(' ', "', '");
    format!("[[table]]\nname = 'public.{name}'\nclass = 'owned'\nplain = ['{plain}']\n{rest}\n")
}

fn shop() -> String {
    [
        table("customer", "id", "column.email.erase = 'redact'"),
        table("orders", "id customer_id", ""),
        table("item", "order_id line", ""),
        reference("orders", "customer_id", "customer", "class = 'owned'"),
        reference("item", "order_id", "orders", "class = 'owned'"),
    ]
    .concat()
}

#[tokio::test]
async fn an_approved_plan_is_done_once_and_recorded() {
    let database = migrated(Cluster::shared(), SHOP).await;
    let mut client = client(&database).await;
    let case = Case::new(&client, &shop(), ANN).await;
    let approval = case.approval(&mut client).await;
    let erased = case.erasure().erase(&mut client, &approval).await.expect("erased");
    assert_eq!((erased.deleted, erased.changed, erased.was_done), (6, 0, false));
    assert_eq!(database.value(LEFT), "(bob-8,bob@x.org) (3,bob-8) (3,1)");
    assert_eq!(database.value(LEDGER), "1 begun\n2 ended done 1");
    // The same approval again is a run that died after its end.
    let again = case.erasure().erase(&mut client, &approval).await.expect("it is known");
    assert_eq!((again.was_done, again.record, again.deleted), (true, erased.record, 0));
    let ledger = database.value("SELECT string_agg(a::text, '') FROM dbopt.audit_record a");
    assert!(!ledger.contains("ann") && ledger.contains(&erased.subject.to_string()), "{ledger}");
    assert_eq!(database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"), "0");
}

#[tokio::test]
async fn what_is_another_plan_is_refused_before_it_begins() {
    let database = migrated(Cluster::shared(), SHOP).await;
    let mut client = client(&database).await;
    let case = Case::new(&client, &shop(), ANN).await;
    let approval = case.approval(&mut client).await;
    let before = database.value(LEFT);
    let later = Approval { as_of: "2999-01-01T00:00:00Z".parse().expect("a time"), ..approval.clone() };
    let refused = case.erasure().erase(&mut client, &later).await;
    assert!(matches!(refused, Err(EraseError::Future)), "{refused:?}");
    database.execute("UPDATE item SET line = 9 WHERE order_id = 2");
    let refused = case.erasure().erase(&mut client, &approval).await;
    assert!(matches!(refused, Err(EraseError::Changed)), "{refused:?}");
    database.execute("UPDATE item SET line = 1 WHERE order_id = 2");
    assert_eq!(database.value(LEFT).len(), before.len());
    database.execute("CREATE TABLE vote (id int PRIMARY KEY, of int REFERENCES orders ON DELETE CASCADE); INSERT INTO vote VALUES (1, 1)");
    let body = shop() + &tables("foreign", "vote") + &reference("vote", "of", "orders", "class = 'foreign'");
    let refused = Case::new(&client, &body, ANN).await.erase(&mut client).await;
    assert!(matches!(&refused, Err(EraseError::Refused(findings)) if findings.len() == 1), "{refused:?}");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.audit_record"), "0");
}

/// A trigger of rows.
fn trigger(when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
         CREATE TRIGGER odd {when} FOR EACH ROW EXECUTE FUNCTION odd();"
    )
}

/// What becomes of the person with a trigger.
async fn with_trigger(when: &str, body: &str) -> (Result<Erased, EraseError>, String, String) {
    let schema = format!("{SHOP} CREATE TABLE history (was text); {}", trigger(when, body));
    let database = migrated(Cluster::shared(), &schema).await;
    let mut client = client(&database).await;
    let case = Case::new(&client, &(shop() + &tables("lookup", "history")), ANN).await;
    let erased = case.erase(&mut client).await;
    (erased, database.value(LEFT), database.value(LEDGER))
}

#[tokio::test]
async fn what_is_not_as_planned_is_rolled_back() {
    const WHOLE: &str = "(ann-7,ann@x.org)(bob-8,bob@x.org) (1,ann-7)(2,ann-7)(3,bob-8) (1,1)(1,2)(2,1)(3,1)";
    let (kept, left, ledger) = with_trigger("BEFORE DELETE ON item", "RETURN NULL;").await;
    assert!(
        matches!(&kept, Err(EraseError::Count { table, planned: 3, done: 0 }) if table == "public.item"),
        "{kept:?}"
    );
    assert_eq!(left, WHOLE);
    assert_eq!(ledger, "1 begun\n2 ended rolled-back 1 count of public.item");
    let others = "DELETE FROM public.customer WHERE id = 'bob-8' AND NOT EXISTS (SELECT FROM public.orders WHERE customer_id = 'bob-8');
                  UPDATE public.orders SET id = 4 WHERE id = 3 AND OLD.line = 2; RETURN OLD;";
    let (along, left, _) =
        with_trigger("AFTER DELETE ON item", &others.replace("SET id = 4", "SET customer_id = 'bob-8'")).await;
    assert!(
        matches!(&along, Err(EraseError::Beyond { table, updated: 1, .. }) if table == "public.orders"),
        "{along:?}"
    );
    assert_eq!(left, WHOLE);
    let (late, left, ledger) = with_trigger("AFTER DELETE ON customer", "RAISE EXCEPTION 'no: %', OLD.email;").await;
    let shown = format!("{late:?} {}", late.as_ref().expect_err("refused"));
    assert!(shown.contains("P0001") && !shown.contains("ann@"), "{shown}");
    assert!(ledger.ends_with("sqlstate-P0001"), "{ledger}");
    assert_eq!(left, WHOLE);
}

#[tokio::test]
async fn copies_that_triggers_make_are_told() {
    let (erased, left, _) =
        with_trigger("AFTER DELETE ON customer", "INSERT INTO public.history VALUES (OLD.email); RETURN OLD;").await;
    let erased = erased.expect("erased");
    assert_eq!(left, "(bob-8,bob@x.org) (3,bob-8) (3,1)");
    let told: Vec<_> = erased.findings.iter().map(|finding| finding.code.0.to_string()).collect();
    assert_eq!(told, ["copied-rows"]);
}

#[tokio::test]
async fn a_session_that_dies_anywhere_changes_nothing_and_the_next_one_ends_it() {
    for place in ["item", "orders", "customer", "dbopt.audit_record"] {
        let database = migrated(Cluster::shared(), SHOP).await;
        let mut first = client(&database).await;
        let case = Case::new(&first, &shop(), ANN).await;
        let approval = case.approval(&mut first).await;
        let (when, only) = match place {
            "dbopt.audit_record" => ("BEFORE INSERT", "IF NEW.details LIKE '%done%' THEN"),
            _ => ("BEFORE DELETE", "IF true THEN"),
        };
        let dies = format!(
            "{only} PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()); END IF; RETURN coalesce(NEW, OLD);"
        );
        database.execute(&trigger(&format!("{when} ON {place}"), &dies));
        let died = case.erasure().erase(&mut first, &approval).await;
        assert!(died.is_err(), "{place}: {died:?}");
        database.execute("DROP FUNCTION odd() CASCADE");
        assert_eq!(database.value("SELECT count(*) FROM customer"), "2", "{place}");
        assert_eq!(database.value(LEDGER), "1 begun", "{place}");
        let mut second = client(&database).await;
        let erased = case.erasure().erase(&mut second, &approval).await.expect("erased");
        assert_eq!((erased.deleted, erased.died), (6, vec![1]), "{place}");
        assert_eq!(database.value(LEFT), "(bob-8,bob@x.org) (3,bob-8) (3,1)");
        let ledger = database.value(LEDGER);
        assert_eq!(
            ledger, "1 begun\n2 ended not-done 1 the run ended before it was done\n3 begun\n4 ended done 3",
            "{place}"
        );
    }
}

#[tokio::test]
async fn a_crash_of_the_server_leaves_all_or_nothing() {
    let cluster = Cluster::builder().start().expect("a cluster");
    let slow = trigger("BEFORE DELETE ON customer", "PERFORM pg_catalog.pg_sleep(60); RETURN OLD;");
    let database = migrated(&cluster, &format!("{SHOP} {slow}")).await;
    let mut first = client(&database).await;
    let case = Case::new(&first, &shop(), ANN).await;
    let approval = case.approval(&mut first).await;
    let crash = async {
        let is_there = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while database.value(is_there) != "1" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        cluster.crash();
    };
    let erasure = case.erasure();
    let (died, ()) = tokio::join!(erasure.erase(&mut first, &approval), crash);
    assert!(died.is_err(), "{died:?}");
    cluster.restart().expect("it starts again");
    assert_eq!(database.value(LEDGER), "1 begun");
    database.execute("DROP FUNCTION odd() CASCADE");
    let mut second = client(&database).await;
    let erased = case.erasure().erase(&mut second, &approval).await.expect("erased");
    assert_eq!((erased.deleted, erased.died), (6, vec![1]));
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    assert!(log.contains("database system was not properly shut down"), "it did crash");
    assert!(!log.contains("ann"), "{log}");
}

#[tokio::test]
async fn two_at_once_are_one() {
    let slow = trigger("BEFORE DELETE ON customer", "PERFORM pg_catalog.pg_sleep(0.3); RETURN OLD;");
    let database = migrated(Cluster::shared(), &format!("{SHOP} {slow}")).await;
    let (mut one, mut two) = (client(&database).await, client(&database).await);
    let case = Case::new(&one, &shop(), ANN).await;
    let approval = case.approval(&mut one).await;
    let erasure = case.erasure();
    let (one, two) = tokio::join!(erasure.erase(&mut one, &approval), erasure.erase(&mut two, &approval));
    assert!(matches!((&one, &two), (Ok(_), Err(EraseError::Busy)) | (Err(EraseError::Busy), Ok(_))), "{one:?} {two:?}");
}

#[tokio::test]
async fn masks_that_need_a_key_are_computed_here() {
    let schema = format!(
        "{SHOP} ALTER TABLE customer ADD name text, ADD phone text; UPDATE customer SET name = 'Ann' WHERE id = 'ann-7'"
    );
    let database = migrated(Cluster::shared(), &schema).await;
    let masks =
        "erase = 'mask'\ncolumn.email.erase = 'hmac'\ncolumn.name.erase = 'pseudonym'\ncolumn.phone.erase = 'hmac'";
    let mut client = client(&database).await;
    let case = Case::new(&client, &shop().replace("column.email.erase = 'redact'", masks), ANN).await;
    let erased = case.erase(&mut client).await.expect("erased");
    assert_eq!((erased.deleted, erased.changed), (5, 1));
    let row = "SELECT concat_ws(' ', id, email ~ '^[0-9a-f]{64}$', name ~ '^[0-9a-f]{32}$', phone IS NULL) FROM customer WHERE id = 'ann-7'";
    assert_eq!(database.value(row), "ann-7 t t t");
    // The column does not lead to the record.
    let name = database.value("SELECT name FROM customer WHERE id = 'ann-7'");
    assert!(!erased.subject.to_string().contains(&name));
}

#[tokio::test]
async fn values_under_a_key_of_the_person_go_with_it() {
    let database = migrated(Cluster::shared(), &format!("{SHOP} ALTER TABLE customer ADD note bytea")).await;
    let mut client = client(&database).await;
    let body = shop().replace(
        "column.email.erase = 'redact'",
        "erase = 'mask'\ncolumn.email.erase = 'null'\ncolumn.note.erase = 'encrypt'",
    );
    let mut case = Case::new(&client, &body, ANN).await;
    let ring = KeyRing::new().with(KeyNumber::FIRST, Algorithm::default(), true, &DataKey::random().expect("random"));
    let ring = ring.expect("a ring");
    let subjects = SubjectKeys::default();
    let number: KeyNumber = "7".parse::<u32>().ok().and_then(KeyNumber::new).expect("a number");
    let wrapped = subjects.make(&ring, "ann-7", number).expect("a key");
    let own = subjects.open(&ring, "ann-7", &wrapped).expect("a ring");
    let cell = Cell::new("public.customer", "note", &["ann-7"]);
    let (sealed, of_ring) = (own.seal(&cell, b"nuts").expect("sealed"), ring.seal(&cell, b"nuts").expect("sealed"));
    let (id, purpose) = (SubjectId::of("ann-7"), KeyId::new("notes").expect("a name"));
    let insert = "INSERT INTO dbopt.subject_key (purpose, subject, number, wrapped) VALUES ('notes', $1, 7, $2)";
    client.execute(insert, &[&&id.bytes()[..], &wrapped]).await.expect("inserted");
    let put = "UPDATE customer SET note = $1 WHERE id = 'ann-7'";
    client.execute(put, &[&sealed]).await.expect("put");
    let told = async |case: &Case, client: &mut Client| {
        let plan = case.plan(client).await.expect("planned");
        let refused = case.erasure().erase(client, &case.erasure().approval(&plan)).await;
        assert!(!plan.is_refused() || matches!(&refused, Err(EraseError::Refused(_))), "{refused:?}");
        let sealed: Vec<_> = plan.sealed.iter().map(|sealed| (&*sealed.column, sealed.rows)).collect();
        assert_eq!(sealed, [("note", 1)]);
        plan.findings.iter().map(|finding| format!("{}: {finding}", finding.severity)).collect::<Vec<_>>().join("\n")
    };
    // Without the key it would stay readable, and so would what is not under it.
    insta::assert_snapshot!(told(&case, &mut client).await, @"error: 1 values of `public.customer.note` would stay readable: the key of purpose `notes` that they are under is not among those that are destroyed");
    case.keys = vec![PersonKey { purpose, subject: SubjectId::of("bob-8") }];
    insta::assert_snapshot!(told(&case, &mut client).await, @"error: 1 values of `public.customer.note` would stay readable: the key of purpose `notes` that they are under is not among those that are destroyed");
    case.keys[0].subject = id;
    client.execute(put, &[&of_ring]).await.expect("put");
    insta::assert_snapshot!(told(&case, &mut client).await, @"error: 1 values of `public.customer.note` are under no key of a person and would stay");
    client.execute(put, &[&sealed]).await.expect("put");
    database.execute("CREATE TABLE hold (relation text, row text, field text)");
    database.execute("INSERT INTO hold VALUES ('public.customer', 'ann-7', 'note')");
    let hold = tables("lookup", "hold") + "[[hold]]\nname = 'court'\ntable = 'public.hold'\nfield = 'field'\n";
    let held = Case { keys: case.keys.clone(), ..Case::new(&client, &(body.clone() + &hold), ANN).await };
    let plan = held.plan(&mut client).await.expect("planned");
    let kept = plan.findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(kept, ["1 rows of `public.customer` are to be kept (hold `court`), and would be lost with the key"]);
    database.execute("DROP TABLE hold");
    let erased = case.erase(&mut client).await.expect("erased");
    assert_eq!((erased.keys, erased.changed), (1, 1));
    assert_eq!(database.value("SELECT count(*) FROM dbopt.subject_key"), "0");
    assert_eq!(
        database.value("SELECT concat_ws(' ', id, note IS NOT NULL) FROM customer WHERE email IS NULL"),
        "ann-7 t"
    );
    // What is under a key that is gone is erased, however often the person is.
    let again = case.erase(&mut client).await.expect("erased");
    assert_eq!((again.keys, again.changed, again.was_done), (0, 1, false));
}

#[tokio::test]
async fn who_was_erased_is_found_again_after_a_restore() {
    let database = migrated(Cluster::shared(), SHOP).await;
    let mut client = client(&database).await;
    let case = Case::new(&client, &shop(), ANN).await;
    let erased = case.erase(&mut client).await.expect("erased");
    let record = dbopt_audit::Record {
        action: dbopt_gdpr::ACTION.to_owned(),
        subject: Some(erased.subject.to_string()),
        time: 1_000,
        details: database.value("SELECT details FROM dbopt.audit_record ORDER BY sequence DESC LIMIT 1"),
        ..Default::default()
    };
    let since = |microsecond| jiff::Timestamp::from_microsecond(microsecond).expect("a time");
    assert_eq!(Recorded::since([&record], since(1_001)), Recorded::default());
    let begun = dbopt_audit::Record { details: r#"{"stage":"begun"}"#.to_owned(), ..record.clone() };
    assert_eq!(Recorded::since([&begun], since(0)), Recorded::default());
    let wanted = Recorded::since([&record], since(1_000));
    assert_eq!(wanted.clone().under(&KeyId::new("other").expect("a name")), Recorded::default());
    let find = async |client: &mut Client| {
        let transaction = client.transaction().await.expect("a transaction");
        let rule = case.policy.subject(None).expect("there is one");
        let found = dbopt_gdpr::find_again(&transaction, &case.graph, &case.pseudonyms, rule, &wanted).await;
        found.expect("looked").iter().map(|key| key.join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(find(&mut client).await, Vec::<String>::new());
    database.execute("INSERT INTO customer SELECT n::text FROM generate_series(1, 25000) n");
    database.execute("INSERT INTO customer VALUES ('ann-7', 'ann@x.org'); INSERT INTO orders VALUES (1, 'ann-7')");
    assert_eq!(find(&mut client).await, ["ann-7"]);
    let erased = case.erase(&mut client).await.expect("erased again");
    assert_eq!((erased.deleted, erased.was_done), (2, false));
}

#[tokio::test]
async fn keys_that_were_destroyed_are_destroyed_again_after_a_restore() {
    let database = migrated(Cluster::shared(), SHOP).await;
    let mut client = client(&database).await;
    let mut case = Case::new(&client, &shop(), ANN).await;
    let keys = "INSERT INTO dbopt.subject_key (purpose, subject, number, wrapped) VALUES ($1, $2, $3, '')";
    let key = |purpose: &str, name: &str| PersonKey {
        purpose: KeyId::new(purpose).expect("a name"),
        subject: SubjectId::of(name),
    };
    for (number, key) in [(1, key("notes", ANN)), (2, key("notes", "bob-8")), (3, key("mail", ANN))] {
        let subject = &key.subject.bytes()[..];
        client.execute(keys, &[&key.purpose.as_str(), &subject, &i64::from(number)]).await.expect("inserted");
    }
    database.execute("CREATE TABLE dump AS TABLE dbopt.subject_key");
    case.keys = vec![key("notes", ANN)];
    assert_eq!(case.erase(&mut client).await.expect("erased").keys, 1);
    let left = "SELECT string_agg(number::text, ' ' ORDER BY number) FROM dbopt.subject_key";
    assert_eq!(database.value(left), "2 3");
    let ledger = || dbopt_audit::Record {
        action: database.value("SELECT action FROM dbopt.audit_record ORDER BY sequence DESC LIMIT 1"),
        details: database.value("SELECT details FROM dbopt.audit_record ORDER BY sequence DESC LIMIT 1"),
        ..Default::default()
    };
    let since = "1970-01-01T00:00:00Z".parse().expect("a time");
    for action in ["gdpr.erase", "gdpr.destroy-key"] {
        // A record of keys, about whomever; the second time it is that of what was destroyed again.
        let record = ledger();
        assert_eq!(record.action, action);
        let wanted = Recorded::since([&record], since);
        database.execute("TRUNCATE dbopt.subject_key; INSERT INTO dbopt.subject_key TABLE dump");
        let transaction = client.transaction().await.expect("a transaction");
        let found = dbopt_gdpr::find_keys_again(&transaction, &case.pseudonyms, &wanted).await.expect("looked");
        drop(transaction);
        assert_eq!(found, [key("notes", ANN)]);
        let destroyed = dbopt_gdpr::destroy_again(&mut client, &case.pseudonyms, &found).await.expect("destroyed");
        assert_eq!((destroyed, &*database.value(left)), (1, "2 3"));
    }
    let ledger = database.value("SELECT string_agg(a::text, '') FROM dbopt.audit_record a");
    let id: String = SubjectId::of(ANN).bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!ledger.contains(ANN) && !ledger.contains(&id), "{ledger}");
}
