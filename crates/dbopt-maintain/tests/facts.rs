//! What is loaded from a real server.

#[path = "support/facts.rs"]
mod support;
#[path = "support/until.rs"]
mod until;

use dbopt_maintain::{Bound, HolderKind, IndexMethod, Limit, Moment, Storage, TableKind, horizon};
use dbopt_testkit::Cluster;
use support::{facts, index, session, table};
use tokio_postgres::NoTls;
use until::until;

#[tokio::test]
async fn tables_come_with_their_columns_settings_and_counters() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE SCHEMA \"My\";
         CREATE TABLE \"My\".\"Orders\" (id bigint, gone text, note text, small \"char\")
         WITH (fillfactor = 70, toast_tuple_target = 256, autovacuum_vacuum_scale_factor = 0.01,
               toast.autovacuum_enabled = off, autovacuum_freeze_max_age = 150000000);
         ALTER TABLE \"My\".\"Orders\" DROP COLUMN gone;
         INSERT INTO \"My\".\"Orders\" SELECT n, repeat('x', 10) FROM generate_series(1, 1000) n;
         CREATE UNLOGGED TABLE plain (a int);",
    );
    // The session hands in its counters when it ends, which is after it has answered; they are not to come after the VACUUM.
    until(&database, "pg_stat_get_tuples_inserted('\"My\".\"Orders\"'::regclass) = 1000").await;
    database.execute("VACUUM ANALYZE \"My\".\"Orders\"");
    let facts = facts(&database).await;
    assert_eq!(facts.server.database, database.name());
    assert_eq!(facts.server.block_size, 8192);
    assert!(!facts.server.autovacuum.enabled && !facts.server.in_recovery && facts.server.sees_sessions);
    assert!(facts.server.now > 1_700_000_000_000_000, "{}", facts.server.now);
    assert_eq!((facts.server.cost_limit, facts.server.cost_delay_ms), (200, 2.0));
    assert_eq!(facts.server.slot_keep_bytes, None);

    let orders = table(&facts, "Orders");
    assert_eq!(facts.table(orders.table.oid), Some(orders));
    assert_eq!(orders.table.to_string(), r#""My"."Orders""#);
    assert_eq!((orders.kind, orders.fillfactor, orders.toast_target), (TableKind::Ordinary, 70, 256));
    assert_eq!((orders.rows, orders.bytes), (Some(1000.0), u64::from(orders.pages) * 8192));
    assert_eq!((orders.n_mod_since_analyze, orders.n_ins_since_vacuum), (0, 0));
    assert!(orders.vacuumed().is_some_and(|at| at <= facts.server.now) && orders.analyzed().is_some());
    assert!(orders.xid_age.is_some_and(|age| (0..100_000).contains(&age)), "{:?}", orders.xid_age);
    assert!(orders.mxid_age.is_some() && orders.may_maintain && !orders.row_security && !orders.is_unlogged);
    assert_eq!(orders.autovacuum.freeze_max_age, 150_000_000);
    assert_eq!(orders.autovacuum.own.len(), 2, "{:?}", orders.autovacuum.own);
    let columns: Vec<_> =
        orders.columns.iter().map(|c| (c.number, c.is_stored, c.length, c.align, c.storage)).collect();
    let expected = [
        (1, true, 8, 8, Storage::Plain),
        (2, false, -1, 4, Storage::Extended),
        (3, true, -1, 4, Storage::Extended),
        (4, true, 1, 1, Storage::Plain),
    ];
    assert_eq!(columns, expected);
    let toast = facts.table(orders.toast.expect("it has one")).expect("it is loaded");
    assert_eq!(
        (toast.kind, toast.is_system, toast.autovacuum.own.as_slice()),
        (TableKind::Toast, false, &["autovacuum_enabled".to_owned()][..])
    );

    let plain = table(&facts, "plain");
    assert!(plain.is_unlogged && plain.rows.is_none() && plain.toast.is_none() && plain.vacuumed().is_none());
    assert!(table(&facts, "pg_class").is_system);
}

#[tokio::test]
async fn a_toast_table_goes_by_the_settings_of_its_table() {
    let database = Cluster::shared().database();
    database.execute("CREATE TABLE t (a text) WITH (autovacuum_vacuum_threshold = 7)");
    let facts = facts(&database).await;
    let toast = facts.table(table(&facts, "t").toast.expect("it has one")).expect("it is loaded");
    assert_eq!(toast.autovacuum.vacuum_threshold, 7);
}

#[tokio::test]
async fn indexes_come_with_their_keys() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false);
         CREATE FUNCTION own(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
         CREATE TABLE t (id int PRIMARY KEY, a text, n numeric, b name, c text COLLATE loose, k char(5), r int4range,
                         EXCLUDE USING gist (r WITH &&));
         CREATE TABLE child (t int REFERENCES t);
         CREATE INDEX plain ON t (a, b) WITH (fillfactor = 75);
         CREATE INDEX expression ON t (lower(a)) WHERE id > 5;
         CREATE INDEX stranger ON t (own(id));
         CREATE INDEX numbers ON t (n);
         CREATE INDEX loosely ON t (c);
         CREATE INDEX blanks ON t (k);
         CREATE INDEX included ON t (a) INCLUDE (id);
         CREATE INDEX undeduplicated ON t (a) WITH (deduplicate_items = off);
         CREATE INDEX words ON t USING gin (to_tsvector('simple', a));
         CREATE INDEX hashed ON t USING hash (a);
         CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);",
    );
    let facts = facts(&database).await;
    let plain = index(&facts, "plain");
    assert_eq!(facts.index(plain.index.oid), Some(plain));
    assert_eq!(
        (plain.method, plain.fillfactor, plain.key_count, plain.is_deduplicated),
        (IndexMethod::Btree, 75, 2, true)
    );
    let keys: Vec<_> = plain.keys.iter().map(|key| (key.column, key.length, key.align)).collect();
    assert_eq!(keys, [(Some(2), -1, 4), (Some(4), -2, 1)], "a name is kept as a C string");
    assert!(plain.is_valid && plain.is_ready && plain.is_built_in && !plain.is_unique && plain.constraint.is_none());
    let expression = index(&facts, "expression");
    assert_eq!(expression.keys[0].expression.as_deref(), Some("lower(a)"));
    assert_eq!((expression.predicate.as_deref(), expression.is_built_in), (Some("(id > 5)"), true));
    assert!(!index(&facts, "stranger").is_built_in, "a user's function is not for this role to run");
    for name in ["numbers", "loosely", "blanks", "included", "undeduplicated", "t_pkey"] {
        assert!(!index(&facts, name).is_deduplicated, "{name}");
    }
    assert_eq!((index(&facts, "included").key_count, index(&facts, "included").keys.len()), (1, 2));
    let primary = index(&facts, "t_pkey");
    assert!(primary.is_unique && primary.is_referenced);
    assert_eq!(primary.constraint.as_deref(), Some("t_pkey"));
    assert!(index(&facts, "t_r_excl").is_exclusion);
    assert_eq!((index(&facts, "words").method, index(&facts, "hashed").method), (IndexMethod::Gin, IndexMethod::Hash));
    assert!(facts.indexes.iter().all(|index| index.index.name != "parted_pkey"), "it has no entries of its own");
}

#[tokio::test]
async fn partitions_come_with_their_bounds() {
    let database = Cluster::shared().database();
    database.execute(
        "SET timezone = 'Asia/Tokyo';
         CREATE TABLE e (at timestamptz, n int) PARTITION BY RANGE (at);
         CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (MINVALUE) TO ('2024-01-01 09:00:00');
         CREATE TABLE e2 PARTITION OF e FOR VALUES FROM ('2024-01-01 09:00:00') TO (MAXVALUE) PARTITION BY LIST ((n % 2));
         CREATE TABLE e2odd PARTITION OF e2 FOR VALUES IN (1);
         CREATE TABLE e3 PARTITION OF e DEFAULT;",
    );
    let facts = facts(&database).await;
    let of = |name: &str| facts.partitions.iter().find(|partition| partition.table.name == name).expect("it is there");
    let first = of("e1");
    let value = || Limit::Value("2024-01-01 00:00:00+00".to_owned());
    assert_eq!(first.bound, Bound::Range { from: vec![Limit::Min], to: vec![value()] });
    assert_eq!(first.upper_moment(), Some(Moment::Instant(1_704_067_200_000_000)));
    assert_eq!((first.parent.name.as_str(), first.key.as_slice()), ("e", &[Some("at".to_owned())][..]));
    assert!(!first.detach_pending && !first.is_partitioned && of("e2").is_partitioned);
    assert_eq!(of("e2").upper_moment(), None);
    assert_eq!(of("e2odd").bound, Bound::List(vec![Some("1".to_owned())]));
    assert_eq!(of("e2odd").key, [None], "an expression");
    assert_eq!(of("e3").bound, Bound::Default);
    assert_eq!(table(&facts, "e1").parent, Some(table(&facts, "e").table.oid));
}

#[tokio::test]
async fn whoever_holds_the_horizon_is_named() {
    let cluster = Cluster::builder()
        .setting("max_prepared_transactions", "2")
        .setting("wal_level", "logical")
        .start()
        .expect("a cluster");
    let database = cluster.database();
    database.execute("CREATE TABLE t (a int)");
    let connect = async || {
        let (client, connection) = tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("a session");
        tokio::spawn(connection);
        client
    };
    let session = session(&database, None).await;
    assert_eq!(horizon(&session).await.expect("it is read"), []);
    // A logical slot waits for whoever writes, so it comes first.
    database.execute("SELECT pg_create_logical_replication_slot('feed', 'test_decoding')");
    let prepared = connect().await;
    for sql in ["BEGIN", "INSERT INTO t VALUES (1)", "PREPARE TRANSACTION 'it''s forgotten'"] {
        prepared.batch_execute(sql).await.expect("it prepares");
    }
    let reader = connect().await;
    let sql = "SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM t";
    reader.batch_execute(sql).await.expect("it reads");
    for _ in 0..20 {
        database.execute("INSERT INTO t VALUES (1)");
    }
    database.execute("SELECT pg_create_physical_replication_slot('idle')");

    let holders = horizon(&session).await.expect("it is read");
    let found = |kind| holders.iter().find(|holder| holder.kind == kind);
    let forgotten = found(HolderKind::Prepared).expect("the prepared transaction holds");
    assert_eq!(forgotten.name, "it's forgotten");
    assert!(forgotten.remedy.contains("ROLLBACK PREPARED 'it''s forgotten'"), "{}", forgotten.remedy);
    assert!(forgotten.xid_age.is_some_and(|age| age >= 20) && forgotten.seconds.is_some(), "{forgotten:?}");
    let feed = found(HolderKind::Slot).expect("the slot holds");
    assert!(feed.name == "feed" && feed.only_catalogues && feed.database.is_none(), "{feed:?}");
    let report = found(HolderKind::Session).expect("the session holds");
    assert!(report.name.contains("user postgres, report, idle in transaction"), "{}", report.name);
    assert!(report.pid.is_some() && report.database.as_deref() == Some(database.name()));
    assert!(holders.windows(2).all(|pair| pair[0].xid_age >= pair[1].xid_age), "the oldest first: {holders:?}");
    assert!(holders.iter().all(|holder| holder.name != "idle"), "a slot without a horizon holds nothing");
    // Another database's sessions hold nothing here.
    let elsewhere = support::session(&cluster.database(), None).await;
    let others = horizon(&elsewhere).await.expect("it is read");
    assert!(others.iter().all(|holder| matches!(holder.kind, HolderKind::Slot)), "{others:?}");
}

#[tokio::test]
async fn a_table_that_is_held_exclusively_is_not_waited_for() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000);
         CREATE INDEX lazy ON t ((a + 1)) WHERE a > 5;",
    );
    database.execute("VACUUM t");
    let (plain, member) = (format!("plain_of_{}", database.name()), format!("member_of_{}", database.name()));
    database.execute(&format!(
        "CREATE ROLE {plain}; CREATE ROLE {member} NOINHERIT; DO $$ BEGIN EXECUTE format('GRANT %I TO {member}', current_user); END $$;
         CREATE TABLE free (); ALTER TABLE free OWNER TO {plain}; CREATE TABLE member (); ALTER TABLE member OWNER TO {member}"
    ));
    let (client, connection) = tokio_postgres::connect(&database.conn_string(), NoTls).await.expect("a session");
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK t IN ACCESS EXCLUSIVE MODE").await.expect("it locks");
    client.batch_execute("ALTER TABLE t SET (fillfactor = 50); REINDEX TABLE t").await.expect("it locks");
    let facts = facts(&database).await;
    assert_eq!(table(&facts, "t").bytes, u64::from(table(&facts, "t").pages) * 8192);
    assert!(index(&facts, "t_pkey").bytes > 0);
    assert!(table(&facts, "t").is_locked && !table(&facts, "free").is_locked);
    // The role of a superuser, or one that may become one, is told apart.
    assert!(table(&facts, "t").owner_is_superuser && !table(&facts, "free").owner_is_superuser);
    assert!(table(&facts, "member").owner_is_superuser);
    database.execute(&format!("DROP OWNED BY {plain}, {member}; DROP ROLE {plain}, {member}"));
    let lazy = index(&facts, "lazy");
    assert!(lazy.is_partial && lazy.predicate.is_none() && lazy.keys[0].expression.as_deref() == Some(""), "{lazy:?}");
}
