//! Against a real server: both formats of one plan, auto_explain's log, and advice that holds.

use dbopt_plan::{Node, Plan, findings, parse};
use dbopt_testkit::{Cluster, Database};

const SCHEMA: &str = r#"
    CREATE SCHEMA "My Shop";
    CREATE TABLE "My Shop"."Order"(id int PRIMARY KEY, customer int, state text, total numeric, note text);
    INSERT INTO "My Shop"."Order"
        SELECT g, g % 500, 'state ' || g % 7, g % 1000, repeat('x', 40) FROM generate_series(1, 30000) g;
    CREATE INDEX "by customer" ON "My Shop"."Order"(customer);
    CREATE TABLE part(at int, kind int) PARTITION BY RANGE (at);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (500);
    CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (500) TO (1000);
    INSERT INTO part SELECT g % 1000, g % 3 FROM generate_series(1, 3000) g;
    CREATE INDEX ON part(kind, at);
    CREATE TABLE keyed(id int PRIMARY KEY, x int, d date);
    ANALYZE;
"#;

const QUERIES: &[&str] = &[
    r#"SELECT * FROM "My Shop"."Order" o WHERE customer = 3 AND state IN ('state 1', E'it''s\na "state"')"#,
    r#"SELECT "My Shop"."Order".*, 'a, b' || note FROM "My Shop"."Order" ORDER BY total DESC, lower(note) LIMIT 3"#,
    "SELECT * FROM part p JOIN keyed k ON k.x = p.kind AND k.id > p.at ORDER BY p.at",
    "SELECT count(*) FROM part a LEFT JOIN part b USING (at) WHERE b.kind IS NULL OR a.kind = b.kind",
    "SELECT kind, max(at) FROM part GROUP BY kind HAVING count(*) > 3 ORDER BY 2",
    "SELECT * FROM part WHERE at = (SELECT max(id) FROM keyed) AND kind NOT IN (SELECT x FROM keyed)",
    "SELECT * FROM keyed k WHERE EXISTS (SELECT FROM part WHERE at = k.x) AND k.d = ANY (ARRAY(SELECT now()::date))",
    r#"WITH RECURSIVE "a: b"(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM "a: b" WHERE n < 9) SELECT * FROM "a: b" x"#,
    "WITH m AS MATERIALIZED (SELECT * FROM keyed) SELECT * FROM m a, m b WHERE a.id = b.x",
    "WITH d AS (DELETE FROM keyed RETURNING *) INSERT INTO part SELECT id, x FROM d",
    "UPDATE part SET at = 3 FROM keyed WHERE keyed.id = part.kind",
    "INSERT INTO keyed VALUES (1), (2) ON CONFLICT (id) DO UPDATE SET x = 3 WHERE keyed.x > 5",
    "MERGE INTO keyed k USING part p ON k.id = p.at WHEN MATCHED THEN DELETE",
    "SELECT kind, at, count(*) FROM part GROUP BY CUBE (kind, at)",
    "SELECT rank() OVER w, sum(at) OVER (ORDER BY kind) FROM part WINDOW w AS (PARTITION BY kind ORDER BY at)",
    "SELECT x FROM keyed INTERSECT ALL SELECT kind FROM part EXCEPT SELECT 1",
    "SELECT DISTINCT ON (kind) * FROM part ORDER BY kind, at",
    "SELECT * FROM generate_series(1, 3) WITH ORDINALITY g(x, n), LATERAL (VALUES (g.x), (2)) v(y) WHERE y > random()",
    "SELECT * FROM xmltable('/a' PASSING ('<a/>'::xml) COLUMNS b int) t",
    "SELECT * FROM part TABLESAMPLE SYSTEM (10) WHERE kind > 1 FOR UPDATE",
    "SELECT generate_series(1, id) FROM keyed WHERE ctid = '(0,1)'",
    "SELECT * FROM keyed WHERE false",
    "SELECT * FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid",
];

fn explain(db: &Database<'_>, set: &str, options: &str, query: &str) -> String {
    let rows = db.query(&format!("{set}; EXPLAIN ({options}) {query}"));
    rows.into_iter().map(|row| row.into_iter().next().flatten().unwrap_or_default() + "\n").collect()
}

fn one(text: &str) -> Plan {
    let (mut plans, findings) = parse("plan", text);
    assert!(findings.is_empty(), "{findings:?}\n{text}");
    assert_eq!(plans.len(), 1, "{text}");
    plans.remove(0)
}

/// Takes out what only one of the formats prints.
fn comparable(node: &mut Node) {
    node.extra.retain(|(key, _)| !matches!(key.as_str(), "Target Table" | "Target Tables" | "Single Copy"));
    node.children.iter_mut().for_each(comparable);
}

#[test]
fn both_formats_of_a_plan_are_the_same_tree() {
    let db = Cluster::shared().database();
    db.execute(SCHEMA);
    let settings = [
        "SET jit = off",
        "SET enable_hashjoin = off; SET enable_sort = off; SET enable_seqscan = off",
        "SET enable_mergejoin = off; SET enable_material = off; SET enable_indexscan = off; SET enable_hashagg = off; \
         SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; \
         DO $$BEGIN PERFORM set_config(name, 'on', false) FROM pg_settings
            WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); END$$",
    ];
    let merges = Cluster::shared().server_version_num() >= 150_000;
    for query in QUERIES.iter().filter(|query| merges || !query.starts_with("MERGE")) {
        for set in settings {
            let options = "VERBOSE, SETTINGS";
            let mut text = one(&explain(&db, set, options, query));
            let mut json = one(&explain(&db, set, &format!("{options}, FORMAT JSON"), query));
            comparable(&mut text.root);
            // `Inner Unique: false` is not printed in text.
            comparable(&mut json.root);
            let (left, right) = (format!("{:#?}", text.root), format!("{:#?}", json.root));
            let differing = left.lines().zip(right.lines()).find(|(left, right)| left != right);
            assert!(text.root == json.root, "{query}\n{set}\n{differing:#?}");
            assert_eq!(text.settings, json.settings);
        }
    }
}

#[test]
fn costs_off_and_timing_off_are_read() {
    let db = Cluster::shared().database();
    db.execute(SCHEMA);
    for query in QUERIES.iter().take(8) {
        let full = one(&explain(&db, "SET jit = off", "VERBOSE", query));
        let bare = one(&explain(&db, "SET jit = off", "COSTS OFF, VERBOSE", query));
        let shape = |plan: &Plan| plan.nodes().map(|(depth, node)| (depth, node.label())).collect::<Vec<_>>();
        assert_eq!(shape(&full), shape(&bare));
        let untimed = one(&explain(&db, "SET jit = off", "ANALYZE, TIMING OFF", query));
        assert!(untimed.nodes().all(|(_, node)| node.actual.is_some_and(|actual| actual.total_ms.is_none())));
        assert!(untimed.execution_ms.is_some());
    }
}

#[test]
fn what_auto_explain_logs_is_read() {
    let cluster = Cluster::builder().start().expect("the server starts");
    let db = cluster.database();
    db.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g");
    for format in ["text", "json"] {
        db.execute(&format!(
            "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
             SET auto_explain.log_format = {format};
             SELECT count(*) -- '(cost=1'\nFROM t\n\nWHERE id > 90"
        ));
    }
    let log = std::fs::read_to_string(cluster.log_path()).expect("the log is readable");
    let entries: Vec<&str> =
        log.split("LOG:  ").filter(|entry| entry.contains("plan:") && entry.contains("Aggregate")).collect();
    assert_eq!(entries.len(), 2, "{log}");
    for entry in entries {
        // As it stands in the log, with the next line's prefix cut off, and as the message was before it was logged.
        let entry = entry.trim_end_matches(|last| last != '\n');
        for text in [entry.to_owned(), entry.replace("\n\t", "\n")] {
            let plan = one(&text);
            let query = plan.query_text.as_deref().unwrap_or("");
            assert!(query.contains("SELECT count(*) -- '(cost=1'\nFROM t\n\nWHERE id > 90"), "{query}");
            assert_eq!(plan.root.label(), "Aggregate");
            assert_eq!(plan.root.children[0].rows_removed_by_filter, 90.0);
        }
    }
}

/// Runs a query that spills, sets the work_mem that the finding names, and expects silence.
fn check_work_mem(code: &str, set: &str, query: &str) {
    let db = Cluster::shared().database();
    db.execute(SCHEMA);
    let found = |set: &str| {
        let plan = one(&explain(&db, set, "ANALYZE, SETTINGS", query));
        findings(&plan).into_iter().filter(|finding| finding.code.0 == code).collect::<Vec<_>>()
    };
    let spilled = found(&format!("{set}; SET work_mem = '64kB'"));
    assert_eq!(spilled.len(), 1, "{spilled:?}");
    let help = &spilled[0].help;
    let (_, rest) = help.split_once("work_mem = '").expect("the help names a setting");
    // Where it depends on the version, the older one's value comes last: it has no multiplier for hashes.
    let old = Cluster::shared().server_version_num() < 150_000;
    let (rest, most) = match rest.rsplit_once(", '") {
        Some((_, before_15)) if old => (before_15, 128 * 1024),
        _ => (rest, 64 * 1024),
    };
    let (value, _) = rest.split_once('\'').expect("the setting is quoted");
    let (number, unit) = value.split_at(value.len() - 2);
    let kilobytes = number.parse::<u64>().expect("a number") * if unit == "MB" { 1024 } else { 1 };
    assert!(kilobytes < most, "{help}");
    let after = found(&format!("{set}; SET work_mem = '{value}'"));
    assert!(after.is_empty(), "{help}\n{after:?}");
}

#[test]
fn the_work_mem_named_holds_the_sort() {
    let set = "SET max_parallel_workers_per_gather = 0; SET enable_incremental_sort = off";
    check_work_mem("sort-spilled", set, r#"SELECT * FROM "My Shop"."Order" ORDER BY total, note"#);
    check_work_mem("sort-spilled", set, r#"SELECT customer FROM "My Shop"."Order" ORDER BY md5(note), state, id"#);
    check_work_mem("sort-spilled", set, r#"SELECT repeat(note, 4) n, id FROM "My Shop"."Order" ORDER BY n, id"#);
}

#[test]
fn the_work_mem_named_holds_the_hash() {
    let set = "SET max_parallel_workers_per_gather = 0; SET enable_mergejoin = off; SET enable_sort = off";
    check_work_mem(
        "hash-spilled",
        set,
        r#"SELECT count(*) FROM "My Shop"."Order" a JOIN "My Shop"."Order" b ON a.id = b.id + 1 WHERE a.note <> b.state"#,
    );
    check_work_mem("hash-spilled", set, r#"SELECT id + 1, count(*) FROM "My Shop"."Order" GROUP BY 1"#);
    check_work_mem("hash-spilled", set, r#"SELECT id + 1, sum(total), min(note) FROM "My Shop"."Order" GROUP BY 1"#);
}

#[test]
fn times_add_up() {
    let db = Cluster::shared().database();
    db.execute(SCHEMA);
    for query in QUERIES.iter().filter(|query| query.starts_with("SELECT") || query.starts_with("WITH m")) {
        let plan = one(&explain(&db, "SET jit = off", "ANALYZE", query));
        let accounts = plan.accounts();
        let root = accounts.account(0).inclusive_ms.expect("timed");
        let sum: f64 = accounts.iter().filter_map(|(_, _, account)| account.exclusive_ms).sum();
        let overruns: f64 = accounts.iter().map(|(_, _, account)| account.overrun_ms).sum();
        // Rounding of averages over many loops is the only slack.
        let slack = 0.05 + plan.nodes().map(|(_, node)| 0.001 + 0.0005 * node.loops() as f64).sum::<f64>();
        assert!((sum - root - overruns).abs() <= slack, "{query}: {sum} of {root}, overruns {overruns}");
    }
}
