//! Estimates against what a real rewrite gives back.

#[path = "support/facts.rs"]
mod support;

use dbopt_maintain::{Estimates, Facts, Method, Sampling, estimate};
use dbopt_testkit::{Cluster, Database};
use support::{index, session, table};

async fn estimates(database: &Database<'_>, role: Option<&str>, sampling: &Sampling) -> (Facts, Estimates) {
    let mut session = session(database, role).await;
    let facts = Facts::load(&mut session).await.expect("facts");
    let found = estimate(&session, &facts, |table| !table.is_system, sampling).await.expect("estimates");
    (facts, found)
}

/// Rewrites everything and compares the sizes; the largest error in points of the present size.
fn worst(database: &Database<'_>, facts: &Facts, found: &Estimates) -> f64 {
    let size = |oid: u32| {
        let bytes = database.value(&format!("SELECT pg_relation_size({oid})"));
        bytes.parse::<f64>().expect("a size")
    };
    // A rewrite keeps dead rows for a session that is just connecting to whatever database, on a busy machine for long.
    let holders = "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
        AND (datid IS NULL OR datname = current_database())";
    while database.value(holders) != "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for table in facts.tables.iter().filter(|table| table.table.schema == "public") {
        database.execute(&format!("VACUUM FULL {}", table.table));
    }
    let mut worst = 0.0_f64;
    let tables = found.tables.iter().filter_map(|(oid, bloat)| Some((*oid, bloat.bytes_now, bloat.bytes_after?)));
    let indexes = found.indexes.iter().filter_map(|(oid, bloat)| Some((*oid, bloat.bytes_now, bloat.bytes_after?)));
    for (oid, now, after) in tables.chain(indexes).filter(|(_, now, _)| *now > 400_000) {
        let error = (after as f64 - size(oid)) * 100.0 / now as f64;
        let name = database.value(&format!("SELECT {oid}::regclass"));
        assert!(error.abs() <= 8.0, "{name}: now {now}, predicted {after}, really {}", size(oid));
        worst = worst.max(error.abs());
    }
    worst
}

const AWKWARD: &str = "
    CREATE TABLE wide (id bigint, gone text, a text, b text, n numeric, flag boolean) WITH (fillfactor = 80);
    INSERT INTO wide SELECT n, repeat('g', 50), nullif(repeat('a', n % 40), ''), md5(n::text), n / 7.0, n % 2 = 0
        FROM generate_series(1, 20000) n;
    ALTER TABLE wide DROP COLUMN gone;
    CREATE INDEX wide_id ON wide (id);
    CREATE INDEX wide_flag ON wide (flag);
    CREATE INDEX wide_b_id ON wide (b, id);
    CREATE INDEX wide_lower ON wide (lower(b)) WHERE flag;
    CREATE INDEX wide_rare ON wide (id) WHERE n < 5;
    CREATE INDEX wide_few ON wide ((id / 20));
    CREATE INDEX wide_a ON wide (a);
    DELETE FROM wide WHERE id % 3 = 0;
    CREATE TABLE added (id int);
    INSERT INTO added SELECT generate_series(1, 30000);
    ALTER TABLE added ADD later text DEFAULT 'no row has it yet', ADD empty int;
    CREATE TABLE long (id int, body text);
    ALTER TABLE long ALTER body SET STORAGE EXTERNAL;
    INSERT INTO long SELECT n, repeat(md5(n::text), n % 200) FROM generate_series(1, 2000) n;
    DELETE FROM long WHERE id < 700;";

#[tokio::test]
async fn what_a_rewrite_gives_back_is_told_before() {
    let database = Cluster::shared().database();
    database.execute(AWKWARD);
    let sampling = Sampling { pages: 100, ..Sampling::default() };
    let (facts, found) = estimates(&database, None, &sampling).await;
    let wide = &found.tables[&table(&facts, "wide").table.oid];
    assert_eq!(wide.method, Method::Sample { pages: 100 });
    assert!(wide.rows.is_some_and(|rows| (rows - 13_334.0).abs() < 400.0), "{wide:?}");
    assert!(wide.reclaimable().is_some_and(|bytes| bytes > wide.bytes_now / 4), "{wide:?}");
    assert!(found.indexes.values().all(|bloat| bloat.bytes_after.is_some()), "{:?}", found.indexes);
    let long = table(&facts, "long");
    let toast = &found.tables[&long.toast.expect("it has one")];
    assert!(toast.reclaimable().is_some_and(|bytes| bytes > toast.bytes_now / 5), "{toast:?}");
    assert!(worst(&database, &facts, &found) <= 8.0);
}

#[tokio::test]
async fn a_table_that_is_read_whole_is_told_to_the_page() {
    let database = Cluster::shared().database();
    database.execute(AWKWARD);
    let sampling = Sampling { pages: 100_000, ..Sampling::default() };
    let (facts, found) = estimates(&database, None, &sampling).await;
    assert_eq!(found.tables[&table(&facts, "wide").table.oid].method, Method::Whole);
    let worst = worst(&database, &facts, &found);
    assert!(worst <= 2.0, "{worst}");
}

#[tokio::test]
async fn what_cannot_be_told_is_not_called_nothing() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE FUNCTION own(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE EXCEPTION ''it was run''; END';
         CREATE TABLE t (id int, words text[]);
         CREATE INDEX words ON t USING gin (words);
         CREATE INDEX hashed ON t USING hash (id);
         CREATE INDEX summary ON t USING brin (id);
         CREATE INDEX stranger ON t (own(id));
         CREATE INDEX known ON t (id);
         CREATE TABLE secured (a int);
         ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE ROLE reader LOGIN;
         CREATE TABLE hidden (a int PRIMARY KEY, b text);
         GRANT SELECT (a) ON hidden TO reader;
         GRANT SELECT ON t, secured TO reader;",
    );
    let (facts, found) = estimates(&database, Some("reader"), &Sampling::default()).await;
    for name in ["words", "hashed", "summary", "stranger"] {
        let bloat = &found.indexes[&index(&facts, name).index.oid];
        assert!(bloat.reclaimable().is_none() && matches!(bloat.method, Method::Unknown(_)), "{name}: {bloat:?}");
    }
    let known = &found.indexes[&index(&facts, "known").index.oid];
    assert_eq!((known.method.clone(), known.reclaimable()), (Method::Whole, Some(0)));
    let reason = |name: &str| match &found.tables[&table(&facts, name).table.oid].method {
        Method::Unknown(reason) => reason.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(reason("hidden"), "this role may not read 1 of its columns; GRANT SELECT ON public.hidden TO reader");
    assert!(reason("secured").contains("row-level security"));
    assert!(found.indexes[&index(&facts, "hidden_pkey").index.oid].bytes_after.is_none());
}

#[tokio::test]
async fn pgstattuple_counts_the_rows_when_asked() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE SCHEMA tools; CREATE EXTENSION pgstattuple SCHEMA tools;
         CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 50000); DELETE FROM t WHERE a % 7 = 0;",
    );
    let sampling = Sampling { pages: 20, exact: true, ..Sampling::default() };
    let (facts, found) = estimates(&database, None, &sampling).await;
    let bloat = &found.tables[&table(&facts, "t").table.oid];
    assert_eq!((bloat.method.clone(), bloat.rows), (Method::Pgstattuple, Some(42_858.0)));
    assert!(worst(&database, &facts, &found) < 1.0);
}

#[tokio::test]
async fn nothing_is_read_when_the_time_is_over_and_no_table_is_read_whole_beyond_the_limit() {
    let database = Cluster::shared().database();
    database.execute("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 200000)");
    let none = Sampling { time: std::time::Duration::ZERO, ..Sampling::default() };
    let (facts, found) = estimates(&database, None, &none).await;
    assert!(matches!(found.tables[&table(&facts, "t").table.oid].method, Method::Unknown(_)));
    assert!(matches!(found.indexes[&index(&facts, "t_pkey").index.oid].method, Method::Unknown(_)));

    database.execute("SELECT pg_stat_reset()");
    let few = Sampling { pages: 10, ..Sampling::default() };
    let (facts, _) = estimates(&database, None, &few).await;
    let oid = table(&facts, "t").table.oid;
    let sql = format!("SELECT heap_blks_read + heap_blks_hit FROM pg_statio_all_tables WHERE relid = {oid}");
    let mut blocks = 0;
    // The session tells its counters when it ends.
    while blocks == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        blocks = database.value(&sql).parse::<u64>().expect("a number");
    }
    assert!(blocks <= 40, "{blocks} pages were touched");
}

#[tokio::test]
async fn small_tables_go_by_what_analyze_found() {
    let database = Cluster::shared().database();
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, kind int, note text, empty int);
         INSERT INTO t SELECT n, n % 5, md5(n::text) FROM generate_series(1, 1000) n;
         CREATE INDEX t_kind ON t (kind); CREATE INDEX t_note ON t (note, id) WHERE kind < 3;
         DELETE FROM t WHERE id > 500;",
    );
    let by = async |small| {
        let (facts, found) = estimates(&database, None, &Sampling { small, ..Sampling::default() }).await;
        let names = ["t_pkey", "t_kind", "t_note"];
        let indexes = names.map(|name| found.indexes[&index(&facts, name).index.oid].clone());
        (found.tables[&table(&facts, "t").table.oid].clone(), indexes)
    };
    // It was never analysed, so it is read.
    assert_eq!(by(1 << 20).await.0.method, Method::Whole);
    database.execute("ANALYZE t");
    let (read, small) = (by(0).await, by(1 << 20).await);
    assert_eq!((read.0.method.clone(), small.0.method.clone()), (Method::Whole, Method::Catalogue));
    assert_eq!(small.0.bytes_after, read.0.bytes_after);
    for (small, read) in small.1.iter().zip(&read.1) {
        assert_eq!(small.method, Method::Catalogue);
        let pages = |bytes: Option<u64>| bytes.expect("an answer") as i64 / 8192;
        assert!((pages(small.bytes_after) - pages(read.bytes_after)).abs() <= 1, "{small:?} {read:?}");
    }
    database.execute("UPDATE t SET kind = 7");
    assert_eq!(by(1 << 20).await.0.method, Method::Whole, "it changed since");
}
