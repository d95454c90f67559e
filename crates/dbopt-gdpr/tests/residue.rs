//! Where erased values are said to be, on a real server.

mod support;

use dbopt_gdpr::residue::{Residue, ResidueOptions, residue};
use dbopt_testkit::{Cluster, Database};
use jiff::Timestamp;

/// What is said of the database's own things.
async fn of(database: &Database<'_>, since: Timestamp) -> Vec<Residue> {
    let mut client = support::client(database).await;
    // Counts of other sessions are seen a little later, but for this.
    client.batch_execute("SELECT pg_stat_force_next_flush(), pg_sleep(0.1)").await.expect("counts");
    let policy = support::policy(&support::tables("owned", "customer gone untouched"));
    let transaction = client.build_transaction().read_only(true).start().await.expect("a transaction");
    let options = ResidueOptions { since, now: Timestamp::now(), backups: None };
    residue(&transaction, &policy, options).await.expect("an answer")
}

fn sketch(residue: &[Residue]) -> Vec<String> {
    let own = residue.iter().filter(|one| one.place.contains("public."));
    own.map(|one| format!("{}: {}, {}", one.place, one.stays.name(), one.mend.as_deref().unwrap_or("-"))).collect()
}

#[tokio::test]
async fn a_table_is_until_vacuum_and_then_needs_a_rewrite() {
    let cluster = Cluster::builder().setting("autovacuum", "off").start().expect("a cluster");
    let database = cluster.database();
    database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY, email text); INSERT INTO customer SELECT g, 'user' || g FROM generate_series(1, 100) g;
         CREATE TABLE gone (id int PRIMARY KEY, email varchar(40)); INSERT INTO gone SELECT g, 'user' || g FROM generate_series(1, 100) g;
         CREATE TABLE untouched (id int); INSERT INTO untouched VALUES (1); CREATE TABLE elsewhere (id int);
         CREATE VIEW between AS SELECT * FROM customer; CREATE MATERIALIZED VIEW report AS SELECT * FROM between; ANALYZE",
    );
    let since = Timestamp::now();
    database.execute("DELETE FROM customer WHERE id = 7; DELETE FROM gone; SELECT pg_stat_force_next_flush()");
    assert_eq!(
        sketch(&of(&database, since).await),
        [
            "public.customer: until vacuum, VACUUM (INDEX_CLEANUP on, ANALYZE) public.customer;",
            "statistics of public.customer: in statistics, ANALYZE public.customer;",
            "public.gone: until vacuum, VACUUM (INDEX_CLEANUP on, ANALYZE) public.gone;",
            "statistics of public.gone: in statistics, ANALYZE public.gone;",
            "public.untouched: gone, -",
            "materialised view public.report: unknown, REFRESH MATERIALIZED VIEW public.report;",
        ]
    );
    database.execute("VACUUM (INDEX_CLEANUP on, ANALYZE) customer; ");
    database.execute("VACUUM (INDEX_CLEANUP on, ANALYZE) gone");
    let after = sketch(&of(&database, since).await);
    let mend = "ALTER TABLE public.gone ALTER COLUMN id TYPE integer, ALTER COLUMN email TYPE character varying(40);";
    assert_eq!(
        after,
        [
            "public.customer: needs rewrite, VACUUM (FULL, ANALYZE) public.customer;".to_owned(),
            "public.gone: gone, -".to_owned(),
            format!("statistics of public.gone: in statistics, {mend}"),
            "public.untouched: gone, -".to_owned(),
            "materialised view public.report: unknown, REFRESH MATERIALIZED VIEW public.report;".to_owned(),
        ]
    );
    // The statement does what is said of it.
    database.execute(mend);
    assert_eq!(database.value("SELECT count(*) FROM pg_stats WHERE tablename = 'gone'"), "0");
    assert!(!sketch(&of(&database, since).await).iter().any(|line| line.starts_with("statistics")));
}

#[tokio::test]
async fn what_holds_the_horizon_is_named() {
    let cluster = Cluster::builder().setting("autovacuum", "off").setting("max_prepared_transactions", "2").start();
    let cluster = cluster.expect("a cluster");
    let database = cluster.database();
    database.execute("CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer SELECT generate_series(1, 10)");
    let mut old = support::client(&database).await;
    let held = old.transaction().await.expect("a transaction");
    held.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM customer")
        .await
        .expect("a snapshot");
    database.execute("BEGIN; INSERT INTO customer VALUES (99); PREPARE TRANSACTION 'it''s'");
    let since = Timestamp::now();
    database.execute("DELETE FROM customer WHERE id = 7; SELECT pg_stat_force_next_flush()");
    database.execute("VACUUM customer");
    let residue = of(&database, since).await;
    assert_eq!(
        sketch(&residue),
        ["public.customer: until vacuum, VACUUM (INDEX_CLEANUP on, ANALYZE) public.customer;"]
    );
    let holds: Vec<_> = residue.iter().filter(|one| one.stays.name() == "holds up vacuum").collect();
    assert_eq!(holds.len(), 2, "{holds:?}");
    assert!(holds[0].place == "prepared transaction 'it''s'" && holds[1].place.starts_with("process "), "{holds:?}");
    database.execute(holds[0].mend.as_deref().expect("a statement"));
    drop(held);
    let rest: Vec<_> = residue.iter().filter(|one| !one.place.contains("public.") && !holds.contains(one)).collect();
    let rest: Vec<_> = rest.iter().map(|one| format!("{}: {}", one.place, one.stays.name())).collect();
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert!(["write-ahead log: in wal", "write-ahead log: unknown"].contains(&rest[0].as_str()), "{rest:?}");
    // The file that was being written then has been written to since, and is still there.
    let long_ago = of(&database, since - jiff::SignedDuration::from_hours(1)).await;
    let log = long_ago.iter().find(|one| one.place == "write-ahead log").expect("the log");
    assert_eq!(log.stays.name(), "unknown", "{}", log.why);
    assert_eq!(rest[1], "backups: unknown");
}

/// Everything but tables and backups: place and how long.
fn beyond(residue: &[Residue]) -> Vec<String> {
    let rest = residue.iter().filter(|one| !one.place.contains("public.") && !one.place.starts_with("backups"));
    rest.map(|one| format!("{}: {}", one.place, one.stays.name())).collect()
}

#[tokio::test]
async fn replicas_and_slots_are_named() {
    let builder = Cluster::builder().setting("autovacuum", "off").setting("wal_level", "logical");
    let cluster = builder.hba("local replication postgres trust").start().expect("a cluster");
    let database = cluster.database();
    database.execute("CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer SELECT generate_series(1, 10)");
    let replica = Cluster::builder()
        .replica_of(&cluster)
        .setting("recovery_min_apply_delay", "1h")
        .setting("hot_standby_feedback", "on")
        .setting("wal_receiver_status_interval", "1s")
        .start()
        .expect("a replica");
    cluster.execute("postgres", "SELECT pg_create_physical_replication_slot('away', true)");
    database.execute("SELECT pg_create_logical_replication_slot('feed', 'pgoutput')");
    database.execute("UPDATE customer SET id = id + 10; SELECT pg_switch_wal()");
    let since = Timestamp::now();
    database.execute("DELETE FROM customer WHERE id = 17");
    database.execute("VACUUM customer");
    database.execute("SELECT pg_stat_force_next_flush()");

    let mut said = Vec::new();
    for _ in 0..100 {
        said = beyond(&of(&database, since).await);
        if said.len() == 4 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(
        said[0].starts_with("replica walreceiver of process ") && said[0].ends_with(": holds up vacuum"),
        "{said:?}"
    );
    // A file was finished before.
    assert_eq!(said[1..], ["write-ahead log: in wal", "replicas: on replica", "logical replicas: on replica"]);
    let log = of(&database, since).await.into_iter().find(|one| one.place == "write-ahead log").expect("the log");
    assert!(log.why.ends_with("held by the slots away, feed"), "{}", log.why);

    // Once they are gone and the log is used up, nothing is said of them.
    drop(replica);
    database.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    for _ in 0..100 {
        said = beyond(&of(&database, since).await);
        if said.len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(said.len() == 1 && said[0].starts_with("write-ahead log: "), "{said:?}");
}
