//! Deleting expired rows on a real server, with somebody in the way.

mod support;

use std::time::Duration;

use dbopt_maintain::actions::{DeleteRows, Method, Retention};
use dbopt_maintain::plan::Archived;
use dbopt_maintain::{Exempt, Exemption, Moment};
use dbopt_run::{BatchLimits, Event, Limits, Options, Outcome, Probe, Runner};
use dbopt_testkit::{Cluster, Database};
use support::{client, database, options, reason, run, start, table};

/// Ten thousand rows, one a minute since 1970, of which 3,000 are before `CUTOFF`; and some whose time is none.
const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, note text) WITH (autovacuum_enabled = off); \
                     INSERT INTO t SELECT n, to_timestamp(n * 60), repeat('x', 50) FROM generate_series(0, 9999) n; \
                     INSERT INTO t VALUES (-1, NULL, 'null'), (-2, 'infinity', 'inf'), (-3, '-infinity', '-inf'); \
                     CREATE INDEX t_at_idx ON t (at); CREATE TABLE other (a int)";

const CUTOFF: Moment = Moment::Instant(3000 * 60 * 1_000_000);

fn retention() -> Retention {
    Retention::new("at", CUTOFF)
}

fn small() -> Options {
    let batches = BatchLimits { target: Duration::from_millis(5), smallest: 50, largest: 500 };
    Options { batches, ..options() }
}

/// How many rows are left, and how many of them are expired.
fn left(database: &Database<'_>) -> String {
    database
        .value("SELECT count(*) || ' ' || count(*) FILTER (WHERE at < to_timestamp(180000) AND isfinite(at)) FROM t")
}

#[tokio::test]
async fn expired_rows_go_in_batches_and_no_other_and_none_is_left_dead() {
    for method in [Method::Pages, Method::Keys] {
        let database = database(Cluster::shared(), TABLE).await;
        let action = DeleteRows::new(&table(&database, "t"), Retention { method, vacuum_after: 1000, ..retention() });
        let before: i64 = support::number(&database, "SELECT txid_snapshot_xmax(txid_current_snapshot())");
        let report = run(&database, small(), action.clone()).await;
        assert_eq!(report.outcome, Outcome::Done, "{method:?}");
        assert_eq!(left(&database), "7003 0", "{method:?}");
        assert_eq!((report.rows, database.value("SELECT rows FROM dbopt.history")), (Some(3000), "3000".to_owned()));
        assert_eq!(database.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t WHERE id < 0"), "-3 -2 -1");
        let after: i64 = support::number(&database, "SELECT txid_snapshot_xmax(txid_current_snapshot())");
        assert!(after - before > 6, "each batch is a transaction: {}", after - before);
        assert_eq!(database.value("SELECT pg_stat_get_dead_tuples('t'::regclass)"), "0");
        let vacuums: i64 = support::number(&database, "SELECT pg_stat_get_vacuum_count('t'::regclass)");
        assert!(vacuums >= 2, "it is vacuumed between chunks and at the end: {vacuums}");
        let report = run(&database, small(), action).await;
        assert_eq!((report.outcome, report.rows), (Outcome::Skipped("no row is expired".to_owned()), Some(0)));
        assert_eq!(database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"), "0");
    }
}

#[tokio::test]
async fn how_far_it_is_is_told_after_each_batch() {
    for (method, last) in [(Method::Pages, "deleting"), (Method::Keys, "deleting, 3000 rows so far")] {
        let database = database(Cluster::shared(), TABLE).await;
        let rule = Retention { method, ..retention() };
        let mut actions: Vec<Box<dyn dbopt_run::Action>> =
            vec![Box::new(DeleteRows::new(&table(&database, "t"), rule))];
        let mut told = Vec::new();
        let mut runner = start(&database, small()).await;
        let reports = runner
            .execute(&mut actions, &mut |event| {
                if let Event::Progress(progress) = event {
                    told.push(progress.phase.clone());
                }
            })
            .await
            .expect("it runs");
        runner.finish(&reports).await.expect("it ends");
        assert!(told.len() > 5 && told.last().is_some_and(|phase| phase == last), "{told:?}");
    }
}

#[tokio::test]
async fn pages_behind_the_last_expired_row_are_read_only_when_one_has_come_to_be_since() {
    // Room in the middle, where the next row is put: it is as long as the others, which fits nowhere else.
    let table_with_room = format!("{TABLE}; DELETE FROM t WHERE id BETWEEN 6000 AND 6500");
    for comes_late in [false, true] {
        let database = database(Cluster::shared(), &table_with_room).await;
        database.execute("VACUUM t");
        let mut actions: Vec<Box<dyn dbopt_run::Action>> =
            vec![Box::new(DeleteRows::new(&table(&database, "t"), retention()))];
        let mut told = Vec::new();
        let mut runner = start(&database, small()).await;
        let reports = runner
            .execute(&mut actions, &mut |event| {
                if let Event::Progress(progress) = event {
                    if comes_late && told.is_empty() {
                        database.execute("INSERT INTO t VALUES (-4, to_timestamp(1), repeat('x', 50))");
                    }
                    told.push((progress.blocks_done, progress.blocks_total));
                }
            })
            .await
            .expect("it runs");
        runner.finish(&reports).await.expect("it ends");
        assert_eq!(reports[0].outcome, Outcome::Done);
        assert_eq!(left(&database), "6502 0");
        let (done, total) = told.last().copied().unwrap_or_default();
        assert_eq!(done < total / 2, !comes_late, "{done} of {total}");
        assert_eq!(database.value("SELECT pg_stat_get_dead_tuples('t'::regclass)"), "0");
    }
}

#[tokio::test]
async fn rows_that_are_hidden_are_not_taken_for_none() {
    for method in [Method::Pages, Method::Keys] {
        let database = database(Cluster::shared(), TABLE).await;
        let name = format!("cleaner_{}", database.name());
        database.execute(&format!(
            "CREATE ROLE {name} LOGIN; GRANT SELECT, DELETE ON t TO {name}; GRANT USAGE, CREATE ON SCHEMA dbopt TO {name}; \
             GRANT ALL ON ALL TABLES IN SCHEMA dbopt TO {name}; GRANT ALL ON ALL SEQUENCES IN SCHEMA dbopt TO {name}; \
             ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY young ON t USING (at >= now())"
        ));
        let target = database.conn_string().replace("user=postgres", &format!("user={name}"));
        let mut actions: Vec<Box<dyn dbopt_run::Action>> =
            vec![Box::new(DeleteRows::new(&table(&database, "t"), Retention { method, ..retention() }))];
        let mut runner = Runner::start(&support::settings(&target), "maintain", small()).await.expect("a run");
        let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
        runner.finish(&reports).await.expect("it ends");
        assert!(reason(&reports[0]).contains("row-level security"), "{:?}", reports[0]);
        assert!(matches!(reports[0].outcome, Outcome::Failed(_)));
        assert_eq!(left(&database), "10003 3000");
    }
}

#[tokio::test]
async fn times_without_a_zone_and_days_are_judged_by_the_applications_clock() {
    for (kind, method) in [("timestamp", Method::Pages), ("date", Method::Keys)] {
        let sql = format!(
            "CREATE TABLE t (at {kind}); INSERT INTO t SELECT '1970-01-01'::timestamp + n * interval '12 hours' \
             FROM generate_series(0, 99) n; CREATE INDEX ON t (at)"
        );
        let database = database(Cluster::shared(), &sql).await;
        let ten_days = Moment::Civil(10 * 86_400 * 1_000_000);
        let rule = Retention { method, ..Retention::new("at", ten_days) };
        assert_eq!(run(&database, small(), DeleteRows::new(&table(&database, "t"), rule)).await.outcome, Outcome::Done);
        assert_eq!(database.value("SELECT count(*) || ' ' || min(at)::date FROM t"), "80 1970-01-11", "{kind}");
        if kind == "date" {
            // At noon the day has not ended, and something of it may be of its last moment.
            let noon = Retention::new("at", Moment::Civil(21 * 43_200 * 1_000_000));
            let report = run(&database, small(), DeleteRows::new(&table(&database, "t"), noon)).await;
            assert!(reason(&report).contains("cannot be judged"), "{report:?}");
        }
        // A cutoff of the other kind would be hours off.
        let report = run(&database, small(), DeleteRows::new(&table(&database, "t"), retention())).await;
        assert!(reason(&report).contains("cannot be judged"), "{report:?}");
    }
}

#[tokio::test]
async fn rows_are_in_the_archive_before_they_go() {
    let database = database(Cluster::shared(), TABLE).await;
    let t = table(&database, "t");
    let archive = Archived::Table { schema: "public".to_owned(), name: "old t".to_owned() };
    let rule = Retention { archive: Some(archive.clone()), cutoff: Moment::Instant(60_000_000_000), ..retention() };
    let report = run(&database, small(), DeleteRows::new(&t, rule.clone())).await;
    assert_eq!((report.outcome, report.rows), (Outcome::Done, Some(1000)));
    assert_eq!(database.value("SELECT count(*) || ' ' || max(id) FROM \"old t\""), "1000 999");
    // Each deletion's record says how many.
    assert_eq!(database.value("SELECT rows FROM dbopt.history"), "1000");
    let audited = "SELECT count(*) > 0 FROM dbopt.audit_record WHERE details LIKE '%\"rows\":1000%'";
    assert_eq!(database.value(audited), "t");

    // Into a file, which can be read back as it was.
    let folder = std::env::temp_dir().join(format!("dbopt-archive-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let rule = Retention { archive: Some(Archived::Folder(folder.clone())), ..retention() };
    assert_eq!(run(&database, small(), DeleteRows::new(&t, rule.clone())).await.outcome, Outcome::Done);
    assert_eq!(left(&database), "7003 0");
    let files: Vec<_> = std::fs::read_dir(&folder).expect("it is there").flatten().collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let rows = std::fs::read_to_string(file.path()).expect("it is text");
    std::fs::remove_dir_all(&folder).expect("it goes");
    assert_eq!(rows.lines().count(), 2000);
    assert!(rows.starts_with("1000\t1970-01-01 "), "{}", rows.lines().next().unwrap_or_default());

    // Nothing goes that cannot be put there.
    let rule = Retention { cutoff: Moment::Instant(240_000_000_000), ..rule };
    let report = run(&database, small(), DeleteRows::new(&t, rule.clone())).await;
    assert!(matches!(&report.outcome, Outcome::Failed(why) if why.contains("no archive can be written")), "{report:?}");
    database.execute("ALTER TABLE t ADD COLUMN more int");
    let rule = Retention { archive: Some(archive), ..rule };
    let report = run(&database, small(), DeleteRows::new(&t, rule)).await;
    assert!(matches!(&report.outcome, Outcome::Failed(why) if why.contains("not the same columns")), "{report:?}");
    assert_eq!(left(&database), "7003 0");
}

#[tokio::test]
async fn rows_go_only_into_an_archive_that_keeps_them() {
    let sql = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
               CREATE TABLE drops (LIKE t); \
               CREATE TRIGGER away BEFORE INSERT ON drops FOR EACH ROW EXECUTE FUNCTION nothing(); \
               CREATE TABLE ruled (LIKE t); CREATE RULE away AS ON INSERT TO ruled DO INSTEAD NOTHING; \
               CREATE VIEW seen AS SELECT * FROM t WHERE id < 0; \
               CREATE UNLOGGED TABLE hasty (LIKE t)";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    let refusals = [
        ("drops", "has the trigger `away`"),
        ("ruled", "has a rule"),
        ("seen", "is not a plain table"),
        ("hasty", "is not logged"),
        ("t", "is the table itself"),
    ];
    let into = |name: &str| Some(Archived::Table { schema: "public".to_owned(), name: name.to_owned() });
    for (name, why) in refusals {
        for method in [Method::Pages, Method::Keys] {
            let rule = Retention { archive: into(name), method, ..retention() };
            let report = run(&database, small(), DeleteRows::new(&table(&database, "t"), rule)).await;
            assert!(matches!(&report.outcome, Outcome::Failed(reason) if reason.contains(why)), "{name}: {report:?}");
            assert_eq!(left(&database), "10003 3000", "{name}");
        }
    }
    // What a table begins to do with rows while they go is seen in the batch that it happens to.
    database.execute("CREATE TABLE later (LIKE t)");
    let rule = Retention { archive: into("later"), ..retention() };
    let mut actions: Vec<Box<dyn dbopt_run::Action>> = vec![Box::new(DeleteRows::new(&table(&database, "t"), rule))];
    let mut runner = start(&database, small()).await;
    let mut has_trigger = false;
    let reports = runner
        .execute(&mut actions, &mut |event| {
            if matches!(event, Event::Progress(_)) && !has_trigger {
                has_trigger = true;
                database.execute(
                    "CREATE TRIGGER away BEFORE INSERT ON later FOR EACH ROW WHEN (NEW.id % 7 = 0) \
                     EXECUTE FUNCTION nothing()",
                );
            }
        })
        .await
        .expect("it runs");
    let Outcome::Failed(why) = &reports[0].outcome else { panic!("{reports:?}") };
    assert!(why.contains("arrived in the archive, so none of them went"), "{why}");
    let gone = 10003 - support::number::<i64>(&database, "SELECT count(*) FROM t");
    assert!((1..3000).contains(&gone), "the first batch went: {gone}");
    assert_eq!(support::number::<i64>(&database, "SELECT count(*) FROM later"), gone);
    runner.finish(&reports).await.expect("it ends");
}

#[tokio::test]
async fn the_whole_of_a_cascade_has_to_be_listed_and_indexed() {
    let sql = "CREATE TABLE g2 (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE); CREATE INDEX ON g2 (t_id); \
               CREATE TABLE g3 (id int PRIMARY KEY, g2_id int UNIQUE REFERENCES g2 ON DELETE SET NULL, note text); \
               CREATE TABLE g4 (g3_id int REFERENCES g3 (g2_id) ON UPDATE CASCADE ON DELETE CASCADE); \
               CREATE TABLE g5 (note text); CREATE TABLE parts (t_id int REFERENCES t ON DELETE CASCADE) PARTITION BY LIST (t_id); \
               CREATE TABLE parts_1 PARTITION OF parts DEFAULT; CREATE INDEX ON parts (t_id); \
               INSERT INTO g2 SELECT n, n FROM generate_series(0, 99) n; INSERT INTO g3 SELECT n, n FROM generate_series(0, 99) n; \
               INSERT INTO g4 SELECT n FROM generate_series(0, 99) n; INSERT INTO parts VALUES (1), (5000); \
               CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    let t = table(&database, "t");
    let listing = |tables: &[&str]| Retention {
        cascades: tables.iter().map(|name| format!("public.{name}")).collect(),
        ..retention()
    };
    let refused = async |rule: Retention, why: &str| {
        let report = run(&database, small(), DeleteRows::new(&t, rule)).await;
        assert!(matches!(&report.outcome, Outcome::Failed(reason) if reason.contains(why)), "{why}: {report:?}");
        assert_eq!(left(&database), "10003 3000", "{why}");
    };
    refused(listing(&["g2", "g3", "g4", "parts"]), "of `public.g4` has no index").await;
    database.execute("CREATE INDEX ON g4 (g3_id)");
    refused(listing(&["g2", "g3", "g4"]), "rows of `public.parts` would be changed along").await;
    refused(listing(&["g2", "g4", "parts"]), "rows of `public.g3` would be changed along").await;
    refused(listing(&["g2", "g3", "parts"]), "rows of `public.g4` would be changed along").await;
    // A partition is listed with what it is a part of.
    let all = listing(&["g2", "g3", "g4", "parts"]);
    database.execute("CREATE TRIGGER noted AFTER UPDATE OF g2_id ON g3 FOR EACH ROW EXECUTE FUNCTION f()");
    refused(all.clone(), "the trigger `noted` of `public.g3` would fire").await;
    database.execute("DROP TRIGGER noted ON g3; CREATE TRIGGER gone AFTER DELETE ON g2 EXECUTE FUNCTION f()");
    refused(all.clone(), "the trigger `gone` of `public.g2` would fire").await;
    database.execute("DROP TRIGGER gone ON g2; CREATE RULE kept AS ON DELETE TO g2 DO INSTEAD NOTHING");
    refused(all.clone(), "a rule changes what is done to rows of `public.g2`").await;
    // What concerns other columns and other events does not matter.
    database.execute(
        "DROP RULE kept ON g2; CREATE TRIGGER other AFTER UPDATE OF note ON g3 FOR EACH ROW EXECUTE FUNCTION f(); \
         CREATE TRIGGER more AFTER UPDATE OR INSERT ON g2 FOR EACH ROW EXECUTE FUNCTION f()",
    );
    assert_eq!(run(&database, small(), DeleteRows::new(&t, all)).await.outcome, Outcome::Done);
    assert_eq!(left(&database), "7003 0");
    let rest = "SELECT (SELECT count(*) FROM g2) || ' ' || (SELECT count(g2_id) FROM g3) || ' ' || \
                       (SELECT count(g3_id) FROM g4) || ' ' || (SELECT count(*) FROM parts)";
    assert_eq!(database.value(rest), "0 0 0 1");
}

#[tokio::test]
async fn expired_rows_that_stay_are_no_success() {
    // A trigger that is listed, and keeps some of the rows or all of them.
    let sql = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql \
               AS 'BEGIN IF OLD.id < 2000 THEN RETURN NULL; END IF; RETURN OLD; END'; \
               CREATE TRIGGER kept BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()";
    for method in [Method::Pages, Method::Keys] {
        let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
        let listed = Retention { triggers: vec!["kept".to_owned()], method, ..retention() };
        for gone in [1000, 0] {
            let report = run(&database, small(), DeleteRows::new(&table(&database, "t"), listed.clone())).await;
            let why = format!("{gone} rows went; 2000 expired rows are still there: a trigger may keep them");
            assert_eq!(report.outcome, Outcome::Failed(why), "{method:?}");
        }
    }
}

#[tokio::test]
async fn what_a_trigger_says_of_a_row_is_told_nobody() {
    let raise = |using: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN RAISE EXCEPTION '% has cancer', OLD.note USING DETAIL = 'of ' || OLD.note{using}; END $$; \
             CREATE OR REPLACE TRIGGER kept BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()"
        )
    };
    let database = database(Cluster::shared(), &format!("{TABLE}; UPDATE t SET note = 'Ms Smith'")).await;
    let archive = Archived::Table { schema: "public".to_owned(), name: "old".to_owned() };
    let listed = Retention { triggers: vec!["kept".to_owned()], ..retention() };
    for (using, code) in [("", "P0001"), (", ERRCODE = 'ZZ042'", "ZZ042"), (", ERRCODE = 'unique_violation'", "23505")]
    {
        database.execute(&raise(using));
        for archive in [None, Some(archive.clone())] {
            let rule = Retention { archive, ..listed.clone() };
            let report = run(&database, small(), DeleteRows::new(&table(&database, "t"), rule)).await;
            let why = format!(
                "0 rows went; an error of its own with code {code} was raised by PL/pgSQL function public.f() line 1"
            );
            assert_eq!(report.outcome, Outcome::Failed(why));
        }
    }
    assert_eq!(database.value("SELECT count(*) FROM dbopt.history WHERE reason LIKE '%Smith%'"), "0");
    assert_eq!(left(&database), "10003 3000");
}

#[tokio::test]
async fn expired_rows_of_what_inherits_do_not_stay_unnoticed() {
    let sql = "CREATE TABLE child () INHERITS (t); CREATE TABLE \"Grand child\" () INHERITS (child); \
               INSERT INTO \"Grand child\" VALUES (20000, '1970-01-02Z')";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    let action = DeleteRows::new(&table(&database, "t"), retention());
    let report = run(&database, small(), action.clone()).await;
    let why = "`public.\"Grand child\"` inherits from it and has expired rows";
    assert!(matches!(&report.outcome, Outcome::Failed(reason) if reason.starts_with(why)), "{report:?}");
    assert_eq!(left(&database), "10004 3001");
    database.execute("DELETE FROM \"Grand child\"");
    assert_eq!(run(&database, small(), action).await.outcome, Outcome::Done);
    assert_eq!(left(&database), "7003 0");
}

#[tokio::test]
async fn what_would_hurt_or_surprise_is_refused_and_nothing_goes() {
    let sql = "CREATE TABLE lines (t_id int REFERENCES t, a int); \
               CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'";
    let database = database(Cluster::shared(), &format!("{TABLE}; {sql}")).await;
    let t = table(&database, "t");
    let refused = async |rule: Retention, why: &str| {
        let report = run(&database, small(), DeleteRows::new(&t, rule)).await;
        assert!(matches!(&report.outcome, Outcome::Failed(reason) if reason.contains(why)), "{why}: {report:?}");
        assert_eq!(left(&database), "10003 3000", "{why}");
        assert_eq!(database.value("SELECT count(*) FROM dbopt.journal"), "0", "{why}");
    };
    refused(retention(), "the foreign key `lines_t_id_fkey` of `public.lines` has no index").await;
    // One that only covers some rows, and one that has the column last, do not help.
    database.execute("CREATE INDEX ON lines (t_id) WHERE a = 1; CREATE INDEX ON lines (a, t_id)");
    refused(retention(), "has no index").await;
    database.execute(
        "CREATE INDEX ON lines (t_id, a); ALTER TABLE lines DROP CONSTRAINT lines_t_id_fkey, \
         ADD FOREIGN KEY (t_id) REFERENCES t ON DELETE CASCADE",
    );
    refused(retention(), "rows of `public.lines` would be changed along").await;
    let listed = Retention { cascades: vec!["public.lines".to_owned()], ..retention() };
    database.execute("CREATE TRIGGER gone BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()");
    refused(listed.clone(), "the trigger `gone` would fire").await;
    let listed = Retention { triggers: vec!["gone".to_owned()], ..listed };
    refused(Retention { most_rows: 2999, ..listed.clone() }, "more than 2999 rows would go").await;
    refused(Retention { most_share: 0.29, ..listed.clone() }, "a share of 0.29 of about").await;
    refused(Retention { column: "note".to_owned(), ..listed.clone() }, "of type text").await;
    refused(Retention { column: "when".to_owned(), ..listed.clone() }, "no column `when`").await;
    database.execute("DROP INDEX t_at_idx");
    refused(Retention { method: Method::Keys, ..listed.clone() }, "no index begins with `at`").await;
    let whole = Retention { most_rows: 3000, ..listed };
    assert_eq!(run(&database, small(), DeleteRows::new(&t, whole)).await.outcome, Outcome::Done);
    assert_eq!(left(&database), "7003 0");
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_left_to_the_next_run_and_nobody_is_cancelled() {
    for method in [Method::Pages, Method::Keys] {
        let database = database(Cluster::shared(), TABLE).await;
        let writer = client(&database).await;
        writer
            .batch_execute("SET application_name = 'shop'; BEGIN; UPDATE t SET note = '' WHERE id = 1500")
            .await
            .expect("it writes");
        let action = DeleteRows::new(&table(&database, "t"), Retention { method, ..retention() });
        let report = run(&database, small(), action.clone()).await;
        let Outcome::Blocked(why) = &report.outcome else { panic!("{report:?}") };
        assert!(why.contains("rows of 1 batches are locked") && why.contains("shop"), "{why}");
        let some: i64 = support::number(&database, "SELECT count(*) FROM t WHERE id BETWEEN 0 AND 2999");
        assert!((1..=600).contains(&some), "only its batch stays: {some}");
        writer.batch_execute("COMMIT").await.expect("nobody disturbed it");
        assert_eq!(run(&database, small(), action).await.outcome, Outcome::Done);
        assert_eq!(left(&database), "7003 0");
    }
}

#[tokio::test]
async fn rows_that_are_gone_and_cannot_be_removed_are_no_success() {
    let database = database(Cluster::shared(), TABLE).await;
    let reader = client(&database).await;
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other").await.expect("it reads");
    let report = run(&database, small(), DeleteRows::new(&table(&database, "t"), retention())).await;
    let Outcome::Blocked(why) = &report.outcome else { panic!("{report:?}") };
    assert!(why.starts_with("3000 rows went; 3000 dead rows could not be removed, because of process"), "{why}");
    reader.batch_execute("SELECT FROM other; COMMIT").await.expect("nobody disturbed it");
}

#[tokio::test]
async fn a_stop_and_a_throttle_are_heeded_between_batches() {
    let database = database(Cluster::shared(), TABLE).await;
    let action = DeleteRows::new(&table(&database, "t"), retention());
    let options = small();
    let flag = options.stop.flag.clone();
    let mut runner = start(&database, options).await;
    let mut actions: Vec<Box<dyn dbopt_run::Action>> = vec![Box::new(action)];
    let reports = runner
        .execute(&mut actions, &mut |event| {
            if matches!(event, Event::Progress(_)) {
                flag.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        })
        .await
        .expect("it runs");
    runner.finish(&reports).await.expect("it ends");
    let Outcome::Deferred(why) = &reports[0].outcome else { panic!("{reports:?}") };
    assert!(why.ends_with("rows went; a stop was asked for"), "{why}");
    let gone: i64 = 10003 - support::number::<i64>(&database, "SELECT count(*) FROM t");
    assert!((1..3000).contains(&gone), "what was begun is finished: {gone}");

    // An application that suffers as soon as rows go holds the batches up until patience is over.
    let some = 10003 - gone;
    let sql = format!("SELECT pg_sleep(1) WHERE (SELECT count(*) FROM public.t) < {some}");
    let limits = Limits {
        probe: Some(Probe { sql, longest: Duration::from_millis(300) }),
        patience: Duration::from_millis(500),
        pause: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut runner = start(&database, Options { limits, ..small() }).await;
    let reports = runner.execute(&mut actions, &mut |_| {}).await.expect("it runs");
    let Outcome::Blocked(why) = &reports[0].outcome else { panic!("{reports:?}") };
    assert!(why.contains("rows went; the probe query"), "{why}");
    let left: i64 = support::number(&database, "SELECT count(*) FROM t");
    assert!(left < some && left > 7003, "one batch went: {left} of {some}");
    runner.finish(&reports).await.expect("it ends");
}

#[tokio::test]
async fn a_delayed_standby_never_lags_by_more_than_the_limit_and_a_batch() {
    let primary = Cluster::builder().hba("local replication postgres trust").hba("local all all trust");
    let primary = primary.start().expect("a primary");
    // The server packages of other majors cannot copy a server, and a newer server cannot be copied by older programs.
    if !primary.binaries().has("pg_basebackup") {
        return;
    }
    let database = database(&primary, TABLE).await;
    let standby =
        Cluster::builder().setting("recovery_min_apply_delay", "1h").setting("wal_receiver_status_interval", "1s");
    let _standby = standby.replica_of(&primary).start().expect("a standby");
    let streaming = "EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL)";
    support::until(&database, streaming).await;
    let lag = "SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint FROM pg_stat_replication";
    // A standby is delayed at commits: it stops at the first, and the rest piles up behind.
    database.execute("INSERT INTO other VALUES (0)");
    const LIMIT: i64 = 150_000;
    // A row's deletion takes some 60 bytes of WAL, and the first change of a page since a checkpoint all of it.
    database.execute("CHECKPOINT");
    let batch = 100 * 60 + 4 * 8192 + 8192;
    let limits = Limits {
        replica_bytes: Some(LIMIT),
        replica_time: None,
        patience: Duration::from_millis(300),
        pause: Duration::from_millis(50),
        ..Limits::default()
    };
    let batches = BatchLimits { target: Duration::from_millis(5), smallest: 50, largest: 100 };
    let mut runner = start(&database, Options { limits, batches, ..options() }).await;
    let mut actions: Vec<Box<dyn dbopt_run::Action>> =
        vec![Box::new(DeleteRows::new(&table(&database, "t"), retention()))];
    let mut most = 0;
    let reports = runner
        .execute(&mut actions, &mut |event| {
            if matches!(event, Event::Progress(_) | Event::Held(..)) {
                most = most.max(support::number(&database, lag));
            }
        })
        .await
        .expect("it runs");
    let Outcome::Blocked(why) = &reports[0].outcome else { panic!("{reports:?}") };
    assert!(why.contains("rows went; replica ") && !why.starts_with("0 rows"), "{why}");
    assert!((LIMIT..=LIMIT + batch).contains(&most), "{most} bytes behind, at a limit of {LIMIT}");
}

/// Rows that are held, or that others refer to, stay: what they are is seen when each batch begins.
fn exempt() -> Exempt {
    let table = Exemption::TABLE;
    let reason = |why: &str, condition: String| Exemption { why: why.to_owned(), condition };
    let held = format!("EXISTS (SELECT FROM public.hold AS h WHERE h.id = {table}.id)");
    let referred = format!("EXISTS (SELECT FROM public.child AS r WHERE r.t_id = {table}.id)");
    Exempt { reasons: vec![reason("are held", held), reason("others refer to", referred)], is_unreferenced: true }
}

const EXEMPT: &str = "CREATE TABLE hold (id int PRIMARY KEY); INSERT INTO hold VALUES (7), (9000); \
                      CREATE TABLE child (t_id int REFERENCES t ON DELETE CASCADE); CREATE INDEX ON child (t_id); \
                      INSERT INTO child VALUES (8), (2999), (9001)";

#[tokio::test]
async fn exempt_rows_stay_and_take_nobody_along() {
    for method in [Method::Pages, Method::Keys] {
        let database = database(Cluster::shared(), &format!("{TABLE}; {EXEMPT}")).await;
        let rule = Retention { method, exempt: exempt(), ..retention() };
        let listed = Retention { method, ..retention() };
        let refused = run(&database, small(), DeleteRows::new(&table(&database, "t"), listed)).await;
        assert!(reason(&refused).contains("would be changed along"), "{refused:?}");
        let action = DeleteRows::new(&table(&database, "t"), rule);
        let report = run(&database, small(), action.clone()).await;
        assert_eq!((report.outcome, report.rows), (Outcome::Done, Some(2997)), "{method:?}");
        assert_eq!(
            database.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t WHERE id BETWEEN 0 AND 2999"),
            "7 8 2999"
        );
        assert_eq!(database.value("SELECT count(*) FROM child"), "3");
        let again = run(&database, small(), action.clone()).await;
        assert_eq!(again.outcome, Outcome::Skipped("no row that may go is expired".to_owned()));
        // What the server cannot tell of a row keeps it.
        let unknown = Exemption { why: "are unknown".to_owned(), condition: "NULL::boolean".to_owned() };
        database.execute("TRUNCATE hold, child");
        let mut rule = Retention { method, exempt: exempt(), ..retention() };
        rule.exempt.reasons.push(unknown);
        let kept = run(&database, small(), DeleteRows::new(&table(&database, "t"), rule)).await;
        assert_eq!((kept.rows, left(&database)), (Some(0), "7006 3".to_owned()));
        let gone = run(&database, small(), action).await;
        assert_eq!((gone.rows, left(&database)), (Some(3), "7003 0".to_owned()));
    }
}

#[tokio::test]
async fn a_row_that_somebody_begins_to_refer_to_stays_with_what_refers() {
    let database = database(Cluster::shared(), &format!("{TABLE}; {EXEMPT}")).await;
    // The application has written a row that refers to an expired one, and has not committed yet.
    let mut application = client(&database).await;
    let transaction = application.transaction().await.expect("a transaction");
    transaction.execute("INSERT INTO child VALUES (1500)", &[]).await.expect("inserted");
    let rule = Retention { exempt: exempt(), ..retention() };
    let action = DeleteRows::new(&table(&database, "t"), rule);
    let watcher = client(&database).await;
    let ((), report) = tokio::join!(
        async {
            let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                         OR NOT granted AND locktype = 'transactionid'";
            while watcher.query_one(waits, &[]).await.expect("locks").get::<_, i64>(0) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            transaction.commit().await.expect("committed");
        },
        run(&database, small(), action)
    );
    assert_eq!((report.outcome, report.rows), (Outcome::Done, Some(2996)));
    assert_eq!(
        database.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t WHERE id BETWEEN 0 AND 2999"),
        "7 8 1500 2999"
    );
    assert_eq!(database.value("SELECT count(*) FROM child"), "4");
}
