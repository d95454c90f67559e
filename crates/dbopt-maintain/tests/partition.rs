//! Dropping expired partitions on a real server, with somebody in the way.

mod support;

use dbopt_maintain::actions::{DropPartition, Expiry};
use dbopt_maintain::plan::Archived;
use dbopt_run::{Fate, Outcome};
use dbopt_testkit::{Cluster, Database};
use support::{client, database, options, reason, run, start, table, until};

const DAY: i64 = 86_400_000_000;

/// A partition of ten days, a wide one of ninety, and one without end.
const TABLE: &str = "CREATE TABLE e (at timestamptz, a int) PARTITION BY RANGE (at); CREATE TABLE other (a int); \
                     CREATE TABLE e_1 PARTITION OF e FOR VALUES FROM ('1970-01-01Z') TO ('1970-01-11Z'); \
                     CREATE TABLE e_2 PARTITION OF e FOR VALUES FROM ('1970-01-11Z') TO ('1970-04-11Z'); \
                     CREATE TABLE e_3 PARTITION OF e FOR VALUES FROM ('1970-04-11Z') TO (MAXVALUE); \
                     INSERT INTO e SELECT to_timestamp(n * 3600), n FROM generate_series(0, 2999) n";

fn expiry(days: i64) -> Expiry {
    Expiry { cutoff: days * DAY, prove: None, archive: None, has_default: false }
}

fn dropping(database: &Database<'_>, name: &str, rule: Expiry) -> DropPartition {
    DropPartition::new(&table(database, name), &table(database, "e"), rule)
}

fn tables(database: &Database<'_>) -> String {
    database.value("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^e_.$'")
}

#[tokio::test]
async fn only_what_is_expired_by_its_real_bounds_goes() {
    let database = database(Cluster::shared(), TABLE).await;
    let failed = async |name: &str, rule: Expiry, why: &str| {
        let report = run(&database, options(), dropping(&database, name, rule)).await;
        assert!(reason(&report).contains(why), "{name}: {report:?}");
        assert_eq!(tables(&database), "e_1 e_2 e_3", "{name}");
    };
    // By an interval after its lower bound the wide one would be gone, with 80 days that are not expired.
    failed("e_2", expiry(31), "its bounds do not say").await;
    failed("e_3", expiry(36_500), "its bounds do not say").await;
    failed("e_1", Expiry { cutoff: 10 * DAY - 1, ..expiry(0) }, "its bounds do not say").await;
    assert_eq!(database.value("SELECT count(*) FROM e"), "3000");
    let action = dropping(&database, "e_1", expiry(10));
    let report = run(&database, options(), action.clone()).await;
    // Nobody has read what went, and so nobody has counted it.
    assert_eq!((report.outcome, report.rows), (Outcome::Done, None));
    assert_eq!(
        report.step.statements,
        ["ALTER TABLE public.e DETACH PARTITION public.e_1 CONCURRENTLY;", "DROP TABLE public.e_1;"]
    );
    assert_eq!(tables(&database), "e_2 e_3");
    assert_eq!(database.value("SELECT count(*) FROM e"), "2760");
    let report = run(&database, options(), action).await;
    assert!(matches!(&report.outcome, Outcome::Skipped(why) if why.contains("not there")), "{report:?}");
    assert_eq!(run(&database, options(), dropping(&database, "e_2", expiry(101))).await.outcome, Outcome::Done);
    // With another rule for the last one, a default partition is not enough to keep the table in use.
    database.execute(
        "DROP TABLE e_3; CREATE TABLE e_d PARTITION OF e DEFAULT; \
         CREATE TABLE e_4 PARTITION OF e FOR VALUES FROM ('1970-01-01Z') TO ('1970-01-02Z')",
    );
    let with_default = Expiry { has_default: true, ..expiry(9) };
    let report = run(&database, options(), dropping(&database, "e_4", with_default.clone())).await;
    assert!(reason(&report).contains("last partition"), "{report:?}");
    let report = run(&database, options(), dropping(&database, "e_d", with_default)).await;
    assert!(reason(&report).contains("its bounds do not say"), "{report:?}");
    assert_eq!(tables(&database), "e_4 e_d");
}

#[tokio::test]
async fn a_younger_row_in_another_column_keeps_it_where_proof_is_asked_for() {
    let database = database(Cluster::shared(), &format!("{TABLE}; ALTER TABLE e ADD COLUMN seen timestamp")).await;
    database.execute("UPDATE e SET seen = at AT TIME ZONE 'UTC'; UPDATE e SET seen = '1970-02-01' WHERE a = 5");
    let proved = Expiry { prove: Some("seen".to_owned()), ..expiry(20) };
    let report = run(&database, options(), dropping(&database, "e_1", proved.clone())).await;
    assert_eq!(report.outcome, Outcome::Failed("a row's `seen` is not expired".to_owned()));
    database.execute("UPDATE e SET seen = '1970-01-20 12:00' WHERE a = 5");
    let report = run(&database, options(), dropping(&database, "e_1", proved.clone())).await;
    assert!(matches!(report.outcome, Outcome::Failed(_)), "in another zone it may be that late: {report:?}");
    database.execute("UPDATE e SET seen = '1970-01-20 11:59' WHERE a = 5");
    assert_eq!(run(&database, options(), dropping(&database, "e_1", proved)).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn nobody_queues_behind_a_detach_that_waits_and_the_next_run_completes_it() {
    let database = database(Cluster::shared(), TABLE).await;
    let reader = client(&database).await;
    reader.batch_execute("BEGIN; SELECT FROM e").await.expect("it reads");
    let application = async {
        until(&database, support::WAITS).await;
        let other = client(&database).await;
        other.batch_execute("SET lock_timeout = '100ms'").await.expect("it is set");
        for _ in 0..20 {
            let sql = "INSERT INTO e VALUES ('1970-04-01Z', -2); SELECT count(*) FROM e";
            other.batch_execute(sql).await.expect("it need not wait");
        }
    };
    let action = dropping(&database, "e_1", expiry(10));
    let (report, ()) = tokio::join!(run(&database, options(), action), application);
    assert!(matches!(&report.outcome, Outcome::Deferred(why) if why.contains("left to the next run")), "{report:?}");
    assert_eq!(tables(&database), "e_1 e_2 e_3");
    assert_eq!(database.value("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'e_1'::regclass"), "t");
    // As long as somebody may use it, it stays so.
    let mut runner = start(&database, options()).await;
    let repairs = dbopt_maintain::actions::repair(&mut runner).await.expect("it looks");
    assert!(matches!(&repairs[..], [repair] if matches!(repair.fate, Fate::Kept(_))), "{repairs:?}");
    reader.batch_execute("SELECT FROM e; COMMIT").await.expect("nobody disturbed it");
    let repairs = dbopt_maintain::actions::repair(&mut runner).await.expect("it repairs");
    assert_eq!(repairs.iter().map(|repair| &repair.fate).collect::<Vec<_>>(), [&Fate::Dropped]);
    assert_eq!(tables(&database), "e_2 e_3");
    assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
}

#[tokio::test]
async fn beside_a_default_partition_it_goes_at_once_or_not_at_all() {
    let database =
        database(Cluster::shared(), &format!("{TABLE}; DROP TABLE e_3; CREATE TABLE e_d PARTITION OF e DEFAULT")).await;
    let stale = run(&database, options(), dropping(&database, "e_1", expiry(10))).await;
    assert!(matches!(&stale.outcome, Outcome::Skipped(why) if why.contains("default partition since")), "{stale:?}");
    let action = dropping(&database, "e_1", Expiry { has_default: true, ..expiry(10) });
    let reader = client(&database).await;
    reader.batch_execute("SET application_name = 'report'; BEGIN; SELECT FROM e").await.expect("it reads");
    let report = run(&database, options(), action.clone()).await;
    assert!(
        matches!(&report.outcome, Outcome::Blocked(why) if why.contains("in 3 tries") && why.contains("report")),
        "{report:?}"
    );
    assert_eq!(tables(&database), "e_1 e_2 e_d");
    reader.batch_execute("SELECT FROM e; COMMIT").await.expect("nobody disturbed it");
    assert_eq!(run(&database, options(), action).await.outcome, Outcome::Done);
    assert_eq!(tables(&database), "e_2 e_d");
}

#[tokio::test]
async fn what_locks_everybody_out_is_short_and_waits_for_no_client() {
    let cluster = Cluster::builder().setting("log_statement", "all").setting("log_line_prefix", "%a|");
    let cluster = cluster.start().expect("a cluster");
    let sql = format!("{TABLE}; DROP TABLE e_3; CREATE TABLE e_d PARTITION OF e DEFAULT");
    let database = database(&cluster, &sql).await;
    let into = Archived::Table { schema: "public".to_owned(), name: "old_e".to_owned() };
    let rule = Expiry { has_default: true, archive: Some(into), ..expiry(10) };
    let reader = client(&database).await;
    reader.batch_execute("BEGIN; SELECT FROM e").await.expect("it reads");
    let application = async {
        // As long as the turns go on, nobody waits for longer than one of them takes.
        until(&database, support::WAITS).await;
        let other = client(&database).await;
        other.batch_execute("SET lock_timeout = '300ms'").await.expect("it is set");
        for _ in 0..10 {
            other.batch_execute("SELECT count(*) FROM e").await.expect("it need not wait for longer");
        }
    };
    let (report, ()) = tokio::join!(run(&database, options(), dropping(&database, "e_1", rule.clone())), application);
    assert!(matches!(&report.outcome, Outcome::Blocked(why) if why.contains("in 3 tries")), "{report:?}");
    reader.batch_execute("COMMIT").await.expect("nobody disturbed it");
    assert_eq!(run(&database, options(), dropping(&database, "e_1", rule)).await.outcome, Outcome::Done);
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log");
    // Were the end sent apart, a cut network would leave the lock until the server notices.
    let whole = "DETACH PARTITION public.e_1; DROP TABLE public.e_1; COMMIT;";
    let detaching: Vec<&str> = log.lines().filter(|line| line.contains("statement: ALTER TABLE public.e ")).collect();
    assert!(detaching.len() >= 4 && detaching.iter().all(|line| line.ends_with(whole)), "{detaching:?}");
    let limits: Vec<&str> =
        log.lines().filter(|line| line.contains("SAVEPOINT dbopt_drop") && line.contains("SET")).collect();
    assert!(!limits.is_empty() && limits.iter().all(|line| line.contains("SET lock_timeout = 100;")), "{limits:?}");
}

#[tokio::test]
async fn rows_are_in_the_archive_before_a_partition_goes() {
    let database = database(Cluster::shared(), TABLE).await;
    let into = Archived::Table { schema: "public".to_owned(), name: "old_e".to_owned() };
    let archived = Expiry { archive: Some(into), ..expiry(10) };
    // Somebody who reads holds up the end, and then nothing has happened at all.
    let reader = client(&database).await;
    reader.batch_execute("BEGIN; SELECT FROM e").await.expect("it reads");
    let report = run(&database, options(), dropping(&database, "e_1", archived.clone())).await;
    assert!(matches!(report.outcome, Outcome::Blocked(_)), "{report:?}");
    assert_eq!(database.value("SELECT to_regclass('old_e') IS NULL"), "t");
    reader.batch_execute("SELECT FROM e; COMMIT").await.expect("nobody disturbed it");
    let report = run(&database, options(), dropping(&database, "e_1", archived)).await;
    assert_eq!((report.outcome, report.rows), (Outcome::Done, Some(240)));
    assert_eq!(tables(&database), "e_2 e_3");
    assert_eq!(database.value("SELECT count(*) || ' ' || min(a) || ' ' || max(a) FROM old_e"), "240 0 239");

    let folder = std::env::temp_dir().join(format!("dbopt-partition-{}", std::process::id()));
    let archived = Expiry { archive: Some(Archived::Folder(folder.clone())), ..expiry(100) };
    let action = dropping(&database, "e_2", archived);
    let report = run(&database, options(), action.clone()).await;
    assert!(matches!(&report.outcome, Outcome::Failed(why) if why.contains("no archive can be written")), "{report:?}");
    assert_eq!(tables(&database), "e_2 e_3");
    std::fs::create_dir_all(&folder).expect("a folder");
    let report = run(&database, options(), action).await;
    assert_eq!((report.outcome, report.rows), (Outcome::Done, Some(2160)));
    let files: Vec<_> = std::fs::read_dir(&folder).expect("it is there").flatten().collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let rows = std::fs::read_to_string(file.path()).expect("it is text");
    std::fs::remove_dir_all(&folder).expect("it goes");
    assert_eq!(rows.lines().count(), 2160);
    assert_eq!(tables(&database), "e_3");
}

#[tokio::test]
async fn a_partition_goes_only_into_an_archive_that_keeps_its_rows() {
    let sql = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
               CREATE TABLE drops (at timestamptz, a int); \
               CREATE TRIGGER away BEFORE INSERT ON drops FOR EACH ROW EXECUTE FUNCTION nothing(); \
               CREATE VIEW seen AS SELECT * FROM e; CREATE UNLOGGED TABLE hasty (at timestamptz, a int)";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    let refusals = [
        ("drops", "has the trigger `away`"),
        ("seen", "is not a plain table"),
        ("hasty", "is not logged"),
        ("e", "is not a plain table"),
        ("e_1", "is the table itself"),
    ];
    for (name, why) in refusals {
        let archive = Some(Archived::Table { schema: "public".to_owned(), name: name.to_owned() });
        let report = run(&database, options(), dropping(&database, "e_1", Expiry { archive, ..expiry(10) })).await;
        assert!(matches!(&report.outcome, Outcome::Failed(reason) if reason.contains(why)), "{name}: {report:?}");
        assert_eq!(tables(&database), "e_1 e_2 e_3", "{name}");
        assert_eq!(database.value("SELECT count(*) FROM e"), "3000", "{name}");
    }
}

#[tokio::test]
async fn what_was_detached_by_a_dead_run_is_dropped_and_nothing_else() {
    let database = database(Cluster::shared(), TABLE).await;
    // Of three entries one is of a partition that was detached, one of one that was not, one of a name that has another table.
    database.execute(
        "INSERT INTO dbopt.run (command, program, backend_pid) VALUES ('maintain', '0', 1); \
         INSERT INTO dbopt.journal (run, kind, schema, object, relation, statement) \
         SELECT id, 'drop-partition', 'public', n, CASE n WHEN 'other' THEN 'e_3' ELSE n END::regclass, '' \
         FROM dbopt.run, unnest(ARRAY['e_1', 'e_2', 'other']) n",
    );
    database.execute("ALTER TABLE e DETACH PARTITION e_1");
    let mut runner = start(&database, options()).await;
    let repairs = dbopt_maintain::actions::repair(&mut runner).await.expect("it repairs");
    let fates: Vec<&Fate> = repairs.iter().map(|repair| &repair.fate).collect();
    assert_eq!(fates, [&Fate::Dropped, &Fate::Nothing, &Fate::Nothing]);
    assert_eq!(tables(&database), "e_2 e_3");
    assert_eq!(database.value("SELECT to_regclass('other') IS NOT NULL"), "t");
}
