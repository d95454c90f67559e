//! `dbopt apply`, ended in every way at random moments. `cargo xtask torture apply` does it more often.
//!
//! After whatever happened, the next run has to bring about what was wanted: each advised index is there and valid, nothing
//! else is left, and no valid index was dropped on the way.

mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dbopt_testkit::{Cluster, Database};
use serde_json::{Value, json};
use support::{Ran, command, ran};

/// How many points, and from which seed; `cargo xtask torture` sets them.
const POINTS: &str = "DBOPT_TORTURE_POINTS";
const SEED: &str = "DBOPT_TORTURE_SEED";

/// How `apply` is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The client is killed with -9.
    Client,
    /// Its sessions are terminated.
    Sessions,
    /// The server crashes and starts again.
    Server,
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): the same points for the same seed.
struct Random(u64);

impl Random {
    /// From 0 to below 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn database(cluster: &Cluster) -> Database<'_> {
    let database = cluster.database();
    database.execute(
        "CREATE TABLE t (a int, b text);
         INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 150000) n;
         CREATE INDEX t_keep ON t (a, b);
         CREATE TABLE p (at int, b text) PARTITION BY RANGE (at);
         CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (50000);
         CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (50000) TO (100000);
         INSERT INTO p SELECT n, md5(n::text) FROM generate_series(0, 99999) n;",
    );
    assert_eq!(support::dbopt(&["migrate", "up", "-d", &database.conn_string()]).code, 0);
    database
}

fn entry(table: &str, name: &str, key: &str, sql: &[&str], rollback: &str) -> Value {
    json!({
        "schema": "public", "table": table, "name": name, "keys": [key], "include": [], "predicate": null,
        "method": "btree", "sql": sql, "rollback": [rollback], "bytes": 4e6, "build_seconds": null, "replaces": [],
    })
}

/// A file that advises an index of a table, one of a partitioned table, and another of the table.
fn advice() -> tempfile::NamedTempFile {
    let create = [
        entry(
            "t",
            "t_b_idx",
            "b",
            &["CREATE INDEX CONCURRENTLY t_b_idx ON public.t USING btree (b);"],
            "DROP INDEX CONCURRENTLY IF EXISTS public.t_b_idx;",
        ),
        entry(
            "p",
            "p_b_idx",
            "b",
            &[
                "CREATE INDEX p_b_idx ON ONLY public.p USING btree (b);",
                "CREATE INDEX CONCURRENTLY p_1_b_idx ON public.p_1 USING btree (b);",
                "ALTER INDEX public.p_b_idx ATTACH PARTITION public.p_1_b_idx;",
                "CREATE INDEX CONCURRENTLY p_2_b_idx ON public.p_2 USING btree (b);",
                "ALTER INDEX public.p_b_idx ATTACH PARTITION public.p_2_b_idx;",
            ],
            "DROP INDEX IF EXISTS public.p_b_idx;",
        ),
        entry(
            "t",
            "t_a_idx",
            "a",
            &["CREATE INDEX CONCURRENTLY t_a_idx ON public.t USING btree (a);"],
            "DROP INDEX CONCURRENTLY IF EXISTS public.t_a_idx;",
        ),
    ];
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = json!({"schema_version": 1, "catalogue": {"database": null}, "create": create, "drop": []});
    std::fs::write(file.path(), text.to_string()).expect("it is written");
    file
}

fn apply(database: &Database<'_>, file: &tempfile::NamedTempFile) -> Command {
    let mut command = command();
    command.arg("apply").arg(file.path()).args(["-d", &database.conn_string(), "--format", "json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The run after: it may find that the server has not yet noticed the end of the one before, and is then asked again.
fn next(database: &Database<'_>, file: &tempfile::NamedTempFile) -> Ran {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let ran = ran(apply(database, file).output().expect("it starts"));
        if ran.code != 75 || Instant::now() > until {
            return ran;
        }
    }
}

/// Every index, by name and identity, that is valid or not.
fn indexes(database: &Database<'_>, valid: bool) -> Vec<String> {
    let sql = format!(
        "SELECT c.relname || ' ' || c.oid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND i.indisvalid = {valid} ORDER BY 1"
    );
    database.query(&sql).into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

fn end(how: End, child: &mut Child, cluster: &Cluster) {
    match how {
        // It may have come to its end before.
        End::Client => drop(child.kill()),
        End::Sessions => cluster.execute(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbopt-run'",
        ),
        End::Server => {
            cluster.crash();
            cluster.restart().expect("the server starts again");
        }
    }
}

#[test]
fn whatever_ends_a_run_the_next_one_completes_it() {
    let points = setting(POINTS, 6);
    let seed = setting(SEED, u64::from(std::process::id()));
    let mut random = Random(seed);
    let cluster = Cluster::builder().start().expect("a cluster starts");
    let database = database(&cluster);
    let file = advice();
    let since = Instant::now();
    let undisturbed = next(&database, &file);
    let whole = since.elapsed();
    assert_eq!(undisturbed.code, 0, "{} {}", undisturbed.stderr, undisturbed.stdout);
    let mut unfinished = 0_u32;
    for point in 0..points {
        database.execute("DROP INDEX IF EXISTS t_b_idx, p_b_idx, t_a_idx");
        let how = [End::Client, End::Sessions, End::Server][(point % 3) as usize];
        let after = whole.mul_f64(random.draw());
        let place = format!("seed {seed}, point {point}: {how:?} after {after:?}");
        let mut child = apply(&database, &file).spawn().expect("it starts");
        std::thread::sleep(after);
        end(how, &mut child, &cluster);
        let ended = child.wait_with_output().expect("it ends");
        unfinished += u32::from(!ended.status.success());
        let before = indexes(&database, true);
        let ran = next(&database, &file);
        assert_eq!(ran.code, 0, "{place}: {} {}", ran.stderr, ran.stdout);
        let (valid, invalid) = (indexes(&database, true), indexes(&database, false));
        assert!(invalid.is_empty(), "{place}: {invalid:?} is left");
        let names: Vec<&str> = valid.iter().filter_map(|index| index.split(' ').next()).collect();
        assert_eq!(names, ["p_1_b_idx", "p_2_b_idx", "p_b_idx", "t_a_idx", "t_b_idx", "t_keep"], "{place}");
        let lost: Vec<&String> = before.iter().filter(|index| !valid.contains(index)).collect();
        assert!(lost.is_empty(), "{place}: {lost:?} was valid and was dropped");
        assert_eq!(
            database.value("SELECT count(*) FROM dbopt.journal WHERE closed_at IS NULL"),
            "0",
            "{place}: the journal is not closed"
        );
    }
    // A moment before the end of the run is the most that the draw may miss.
    assert!(unfinished > 0, "seed {seed}: every run came to its end, so nothing was tested");
}
