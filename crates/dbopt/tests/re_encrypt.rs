//! `dbopt re-encrypt` and `dbopt keys status` against a real server.

mod support;

use dbopt_testkit::Cluster;
use serde_json::{Value, json};
use support::{
    customers::{PHONE, block_on, cipher, connect, hasty, re_encrypt, shop, verify},
    dbopt,
    keys::{COLUMNS, Place},
};

#[test]
fn plain_values_are_sealed_and_sealed_anew_by_each_new_key() {
    let cluster = Cluster::builder().setting("log_statement", "all").start().expect("a cluster");
    let (database, target, place) = shop(&cluster, 300);
    let due = place.keys(&["status", "-d", &target]);
    assert_eq!(due.code, 1, "{}", due.stderr);
    for part in [
        "270 values of `public.customer.email_sealed` are in plain",
        "300 values of `public.customer.phone` are in plain",
    ] {
        assert!(due.stdout.contains(part), "`{part}` is not in:\n{}", due.stdout);
    }
    let dry = re_encrypt(&place, &target, &["--dry-run"]);
    assert_eq!((&dry["counted"][0]["plain"], &dry["counted"][1]["plain"]), (&json!(270), &json!(300)));
    assert_eq!(database.value("SELECT count(email_sealed) FROM customer"), "0");

    let done = re_encrypt(&place, &target, &[]);
    let (table, email, phone) =
        (&done["tables"][0], &done["tables"][0]["columns"][0], &done["tables"][0]["columns"][1]);
    assert_eq!((&table["outcome"], &email["sealed"], &phone["sealed"]), (&json!("done"), &json!(270), &json!(300)));
    assert_eq!(email["verified"], json!([{ "key": 1, "values": 270 }]));
    assert_eq!(verify(&place, &target, false), 300);
    assert_eq!(database.value("SELECT count(*) FROM customer WHERE substr(phone, 1, 6) = '\\x010100000001'"), "300");
    // Values are found by their terms.
    let cipher = cipher(&place);
    let terms = cipher.fields()[0].search("email_term", " person17@EXAMPLE.org").expect("an index");
    let found = block_on(async {
        let sql = "SELECT id FROM customer WHERE email_term = ANY ($1)";
        connect(&target).await.query_one(sql, &[&terms]).await.expect("one row").get::<_, i64>(0)
    });
    assert_eq!(found, 17);
    let again = re_encrypt(&place, &target, &[]);
    assert_eq!(
        (&again["tables"][0]["outcome"], &again["tables"][0]["columns"][0]["sealed"]),
        (&json!("skipped"), &json!(0))
    );

    place.json(&["rotate", "customer"]);
    let due = place.keys(&["status", "-d", &target]);
    assert!(
        due.stdout.contains("270 values of `public.customer.email_sealed` are under retired key 1"),
        "{}",
        due.stdout
    );
    let held = ["destroy", "1", "-d", &target, "--yes", "--yes"];
    place.keys(&held).fails(2, "services may still seal by it");
    place.age();
    place.keys(&held).fails(2, "570 values, terms or keys of persons are under key 1, and nothing was destroyed");
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["resealed"], 270);
    assert_eq!(done["tables"][0]["columns"][1]["verified"], json!([{ "key": 3, "values": 300 }]));
    assert_eq!(verify(&place, &target, false), 300);
    let destroyed = place.keys(&held);
    assert_eq!(destroyed.code, 0, "{}", destroyed.stderr);
    assert_eq!(verify(&place, &target, false), 300);
    let records = "SELECT count(*) FROM dbopt.audit_record WHERE action = 'keys.destroy'";
    assert_eq!(database.value(records), "2");
    assert_eq!(dbopt(&["audit", "verify", "-d", &target]).code, 0);

    // No value went through the server's log, and no old version of a row is left.
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    assert!(log.contains("UPDATE public.customer") && !log.contains("Person17@") && !log.contains("Person299@"));
    assert_eq!(database.value("SELECT n_dead_tup < 100 FROM pg_stat_user_tables WHERE relname = 'customer'"), "t");
}

#[test]
fn terms_follow_their_key_too() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 200);
    re_encrypt(&place, &target, &[]);
    // A value that was deleted, with its term left behind; a term that is another value's.
    database.execute(
        "UPDATE customer SET email_sealed = NULL WHERE id = 1; UPDATE truth SET email = NULL WHERE id = 1; \
         UPDATE customer SET email_term = (SELECT email_term FROM customer WHERE id = 3) WHERE id = 2; \
         UPDATE customer SET email_term = NULL WHERE id = 4",
    );
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["terms"], 2, "{done}");
    assert_eq!(verify(&place, &target, false), 200);
    place.json(&["rotate", "lookup"]);
    let version = |version: u8| format!("form = 'folded'\nbits = 64\nversion = {version}\n");
    let columns = COLUMNS.replace(&version(1), &format!("{}[[column.index.previous]]\n{}", version(2), version(1)));
    place.policy(&place.kek("kek-1", "kek"), &format!("{columns}{PHONE}"));
    let due = place.keys(&["status", "-d", &target]);
    assert!(due.stdout.contains("179 terms of `email_term`"), "{}", due.stdout);
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(
        (&done["tables"][0]["columns"][0]["terms"], &done["tables"][0]["columns"][0]["resealed"]),
        (&json!(179), &json!(0))
    );
    assert_eq!(database.value("SELECT count(*) FROM customer WHERE get_byte(email_term, 0) = 2"), "179");
    assert_eq!(verify(&place, &target, false), 200);
}

#[test]
fn values_that_do_not_open_are_told_and_left() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 100);
    re_encrypt(&place, &target, &[]);
    place.json(&["rotate", "customer"]);
    database.execute(
        "UPDATE customer SET email_sealed = (SELECT email_sealed FROM customer WHERE id = 2) WHERE id = 1; \
         UPDATE customer SET email_sealed = set_byte(email_sealed, 5, 99) WHERE id = 3; \
         UPDATE customer SET email_sealed = 'plain' WHERE id = 4; \
         UPDATE customer SET email_sealed = '\\x01' WHERE id = 5",
    );
    let broken = "SELECT string_agg(email_sealed::text, ',' ORDER BY id) FROM customer WHERE id IN (1, 3, 4, 5)";
    let before = database.value(broken);
    let ran = place.run(&["re-encrypt", "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let email = &view["tables"][0]["columns"][0];
    let unopened = json!([{ "why": "unknown-key", "values": 1 }, { "why": "rejected", "values": 1 }, { "why": "malformed", "values": 2 }]);
    assert_eq!((&email["unopened"], &email["resealed"]), (&unopened, &json!(86)));
    assert_eq!(database.value(broken), before);
    let status = place.keys(&["status", "-d", &target]);
    for code in ["malformed-values", "unknown-key"] {
        assert!(status.stdout.contains(code), "{}", status.stdout);
    }
    // Erased values are meant not to open.
    place.json(&["retire", "3"]);
    place.json(&["rotate", "customer"]);
    let erase = place.keys(&["destroy", "3", "-d", &target, "--lose-values", "--yes", "--yes"]);
    assert_eq!(erase.code, 0, "{}", erase.stderr);
    database.execute("DELETE FROM customer WHERE id IN (1, 3, 4, 5)");
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["unopened"], json!([{ "why": "erased", "values": 86 }]));
}

#[test]
fn a_locked_row_is_passed_over_and_said() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 60);
    let policy = hasty(&place);
    block_on(async {
        let holder = connect(&target).await;
        holder.batch_execute("BEGIN; SELECT FROM customer WHERE id = 7 FOR UPDATE").await.expect("locked");
        let ran = place.run(&["re-encrypt", "-d", &target, "--run-policy", &policy, "--format", "json"]);
        assert_eq!(ran.code, 5, "{}", ran.stderr);
        let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(view["tables"][0]["columns"][0]["left"], 1, "{view}");
        holder.batch_execute("ROLLBACK").await.expect("ended");
    });
    assert_eq!(database.value("SELECT string_agg(id::text, ',') FROM customer WHERE email IS NOT NULL"), "7");
    re_encrypt(&place, &target, &[]);
    assert_eq!(verify(&place, &target, false), 60);
    let stop = place.path("stop").display().to_string();
    std::fs::write(&stop, "").expect("written");
    assert_eq!(place.run(&["re-encrypt", "-d", &target, "--stop-file", &stop]).code, 4);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_done() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 10);
    database.execute(
        "ALTER TABLE customer ALTER COLUMN email SET DEFAULT ''; UPDATE customer SET email = '' WHERE email IS NULL",
    );
    database.execute("ALTER TABLE customer ALTER COLUMN email SET NOT NULL");
    let run = || place.run(&["re-encrypt", "-d", &target]);
    run().fails(2, "plain-not-null");
    database.execute("ALTER TABLE customer ALTER COLUMN email DROP NOT NULL, DROP CONSTRAINT customer_pkey");
    run().fails(2, "row-not-unique");
    database.execute("ALTER TABLE customer ADD PRIMARY KEY (id), DROP COLUMN email_term");
    run().fails(2, "missing-column");
    database.execute("ALTER TABLE customer ADD COLUMN email_term bytea");
    // A key that the policy needs is not there.
    place.json(&["retire", "1"]);
    run().fails(2, "no-active-key");
    assert_eq!(database.value("SELECT count(*) FROM customer WHERE email IS NULL"), "0");
}

#[test]
fn rows_the_server_refuses_do_not_hold_up_the_others() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 200);
    database.execute("ALTER TABLE customer ADD CHECK (id <> 42 OR email IS NOT NULL)");
    let ran = place.run(&["re-encrypt", "-d", &target]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("`customer_check`"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("Person42"), "{}", ran.stdout);
    assert_eq!(database.value("SELECT string_agg(id::text, ',') FROM customer WHERE email IS NOT NULL"), "42");
}

#[test]
fn keys_of_several_columns_odd_names_and_partitions() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    database.execute(
        "CREATE TABLE \"Odd Table\" (\"n o\" char(4), at timestamptz, \"select\" bytea, \"P\" json, PRIMARY KEY (at, \"n o\"))
             PARTITION BY RANGE (at);
         CREATE TABLE odd_1 PARTITION OF \"Odd Table\" FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
         CREATE TABLE odd_2 PARTITION OF \"Odd Table\" DEFAULT;
         INSERT INTO \"Odd Table\" SELECT 'a' || n % 7, timestamptz '2024-12-31 00:00:00+00' + n * interval '1 hour', NULL,
             json_build_object('n', n) FROM generate_series(1, 200) n",
    );
    let target = database.conn_string();
    assert_eq!(dbopt(&["migrate", "up", "-d", &target]).code, 0);
    let place = Place::with(
        "[key.customer]\nrotate = '365d'\n[[column]]\ntable = 'public.\"Odd Table\"'\ncolumn = 'select'\nplain = 'P'\nkey = 'customer'\n\
         row = ['n o', 'at']\n",
    );
    place.json(&["new"]);
    database.execute(&format!("ALTER DATABASE \"{}\" SET TimeZone = 'Asia/Tokyo'", database.name()));
    let done = re_encrypt(&place, &target, &[]);
    assert_eq!(done["tables"][0]["columns"][0]["verified"], json!([{ "key": 1, "values": 200 }]));
    // The text of the row's key is that of UTC, whatever the database has.
    let cipher = cipher(&place);
    block_on(async {
        let client = connect(&target).await;
        let row =
            client.query_one("SELECT \"select\" FROM \"Odd Table\" WHERE at = '2025-01-02 00:00:00+00'", &[]).await;
        let opened = cipher.fields()[0].open(&["a6", "2025-01-02 00:00:00+00"], row.expect("a row").get(0));
        assert_eq!(opened.expect("opened").as_slice(), br#"{"n" : 48}"#);
    });
}

#[test]
fn what_looks_plain_and_is_not_is_left() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 3);
    // Of the specification of Fernet.
    let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    database.execute(&format!(
        "UPDATE customer SET email = '{token}' WHERE id = 1; UPDATE customer SET email = '' WHERE id = 2"
    ));
    let ran = place.run(&["re-encrypt", "-d", &target, "--format", "json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let view: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let email = &view["tables"][0]["columns"][0];
    assert_eq!(email["unopened"], json!([{ "why": "fernet-token", "values": 1 }]), "{email}");
    assert_eq!(email["sealed"], 2, "an empty value is one, too");
    assert_eq!(database.value("SELECT string_agg(email, ',') FROM customer"), token);
}

#[test]
fn triggers_and_rights_are_told_of() {
    let cluster = Cluster::shared();
    let (database, target, place) = shop(cluster, 3);
    database.execute(
        "CREATE TABLE seen (x text); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO seen VALUES (old.id); RETURN new; END';
         CREATE TRIGGER note BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION note()",
    );
    let ran = place.run(&["re-encrypt", "-d", &target]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stdout.contains("a trigger does not find a name"), "{}", ran.stdout);
    assert!(ran.stderr.contains("stays there in plain"), "{}", ran.stderr);
    database.execute("ALTER FUNCTION note() SET search_path = public");
    re_encrypt(&place, &target, &[]);

    let role = format!("reader_{}", database.name());
    database.execute(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON customer TO {role}"));
    let theirs = target.replace("user=postgres", &format!("user={role}"));
    place.run(&["re-encrypt", "-d", &theirs]).fails(2, "no-rights");
    database.execute(&format!("REVOKE ALL ON customer FROM {role}; DROP ROLE {role}"));
}

/// A search for few rows among many looks at a page of them, and ends: no snapshot is held while all of the table is read.
#[test]
fn a_search_looks_at_pages() {
    let cluster = Cluster::builder().setting("log_statement", "all").start().expect("a cluster");
    let (database, target, place) = shop(&cluster, 25_000);
    database.execute("UPDATE customer SET email = NULL, phone = NULL WHERE id NOT IN (1, 9999, 10000, 10001, 25000)");
    database.execute("UPDATE truth t SET email = c.email FROM customer c WHERE c.id = t.id; ANALYZE customer");
    let done = re_encrypt(&place, &target, &[]);
    let columns = &done["tables"][0]["columns"];
    assert_eq!((&columns[0]["sealed"], &columns[1]["sealed"]), (&json!(3), &json!(5)), "{done}");
    assert_eq!(verify(&place, &target, false), 25_000);
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    // Twice: for what is to be done, and until nothing is left.
    let searches = log.lines().filter(|line| line.contains("substr(t.email_sealed, 1, 6)"));
    let (bounded, open): (Vec<_>, Vec<_>) = searches.partition(|line| line.contains("<= ROW("));
    assert!(bounded.len() >= 4, "{bounded:?}");
    // What is behind the last page is less than one.
    assert!(open.iter().all(|line| line.contains("ROW(t.id) > ROW(")) && !open.is_empty(), "{open:?}");
    assert_eq!(log.lines().filter(|line| line.contains("OFFSET 9999 LIMIT 1")).count() % 3, 0);
}
