//! Commands that need no server, on the shipped example.

mod support;

use support::{dbopt, shop};

fn advise(more: &[&str]) -> support::Ran {
    let (log, snapshot) = (shop("postgresql.log"), shop("shop.snapshot.json"));
    let mut args = vec!["advise", &log, "--snapshot", &snapshot];
    args.extend_from_slice(more);
    dbopt(&args)
}

#[test]
fn the_example_gives_advice_to_act_on() {
    let ran = advise(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        "CREATE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
        "of the logged time",
        "write overhead",
        "What was read",
    ] {
        assert!(ran.stdout.contains(part), "`{part}` is not in:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\x1b'), "colour without a terminal");
}

#[test]
fn advice_as_json_says_what_the_table_says() {
    let advice = advise(&["--format", "json"]).json();
    assert_eq!(advice["schema_version"], 1);
    let create = advice["create"].as_array().expect("a list");
    assert!(!create.is_empty());
    for index in create {
        assert!(index["bytes"].as_f64().expect("a number") > 0.0);
        assert!(!index["queries"].as_array().expect("a list").is_empty(), "{index}");
        assert!(index["sql"][0].as_str().expect("a text").starts_with("CREATE INDEX CONCURRENTLY"), "{index}");
    }
    let totals = &advice["totals"];
    assert!(totals["cost_after"].as_f64() < totals["cost_before"].as_f64(), "{totals}");
    let reasons: Vec<&str> =
        advice["drop"].as_array().expect("a list").iter().filter_map(|drop| drop["reason"].as_str()).collect();
    assert!(reasons.contains(&"duplicate") && reasons.contains(&"covered"), "{reasons:?}");
    // The statistics are seconds old, which proves nothing.
    assert_eq!(advice["unproven"][0]["reason"], "unused");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(advise(&["--format", "json"]).stdout, advise(&["--format", "json", "-j", "1"]).stdout);
}

#[test]
fn advice_as_sql_comes_with_its_rollback() {
    let folder = tempfile::tempdir().expect("a folder");
    let undo = folder.path().join("undo.sql");
    let ran = advise(&["--format", "sql", "--rollback", &undo.display().to_string()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let undo = std::fs::read_to_string(undo).expect("the rollback was written");
    let created = ran.stdout.lines().filter(|line| line.starts_with("CREATE INDEX")).count();
    let dropped = ran.stdout.lines().filter(|line| line.starts_with("DROP INDEX")).count();
    assert!(created > 0 && dropped > 0);
    assert_eq!(undo.lines().filter(|line| line.starts_with("DROP INDEX")).count(), created);
    assert_eq!(undo.lines().filter(|line| line.starts_with("CREATE ")).count(), dropped);
}

#[test]
fn a_gate_fails_on_advice() {
    assert_eq!(advise(&["--fail-on", "advice"]).code, 1);
}

#[test]
fn a_budget_is_kept() {
    let advice = advise(&["--format", "json", "--budget", "1MB"]).json();
    assert!(advice["totals"]["create_bytes"].as_f64().expect("a number") <= 1024.0 * 1024.0);
}

#[test]
fn other_inputs_give_advice_too() {
    let snapshot = shop("shop.snapshot.json");
    let (sql, plan, csv, ddl) =
        (shop("workload.sql"), shop("plan.json"), shop("pg_stat_statements.csv"), shop("schema.sql"));
    let csv = format!("--pg-stat-statements={csv}");
    for args in [
        vec!["--sql", &sql, "--snapshot", &snapshot],
        vec!["--plan", &plan, "--snapshot", &snapshot],
        vec![csv.as_str(), "--snapshot", &snapshot],
        vec!["--sql", &sql, "--ddl", &ddl],
    ] {
        let mut all = vec!["advise", "--format", "json"];
        all.extend(&args);
        let advice = dbopt(&all).json();
        let answered =
            advice["create"].as_array().map_or(0, Vec::len) + advice["unhelped"].as_array().map_or(0, Vec::len);
        assert!(answered > 0, "{args:?}");
    }
}

#[test]
fn redacted_advice_has_no_literals() {
    // The log's parameters and literals hold addresses; none may be left.
    assert!(std::fs::read_to_string(shop("postgresql.log")).expect("the log").contains("@example."));
    for format in ["table", "json", "sql", "markdown"] {
        let ran = advise(&["--format", format, "--redact"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stdout.contains("@example.") && !ran.stderr.contains("@example."), "{format}");
        assert!(!ran.stdout.contains("'pending'"), "{format}");
    }
}

#[test]
fn logs_are_reported() {
    let log = shop("postgresql.log");
    let report = dbopt(&["logs", &log, "--format", "json"]).json();
    assert!(report["calls"].as_u64().expect("a number") > 1000);
    assert!(!report["errors"].as_array().expect("a list").is_empty());
    let redacted = dbopt(&["logs", &log, "--redact", "--format", "json"]);
    assert!(!redacted.stdout.contains("@example."));
}

#[test]
fn plans_are_explained() {
    for file in ["plan.json", "plan.txt"] {
        let ran = dbopt(&["explain", &shop(file)]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("Nodes") && ran.stdout.contains("Scan"), "{}", ran.stdout);
    }
}

#[test]
fn shipped_schemas_are_those_of_the_code() {
    for name in ["advice", "explain", "logs", "policy", "snapshot"] {
        let shipped = support::root().join(format!("docs/schemas/{name}.schema.json"));
        let shipped = std::fs::read_to_string(&shipped).expect("run `cargo xtask schema`");
        assert_eq!(dbopt(&["schema", name]).stdout, shipped, "run `cargo xtask schema`");
    }
}

#[test]
fn completions_and_man_pages_are_made() {
    assert!(dbopt(&["completions", "bash"]).stdout.contains("dbopt"));
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(dbopt(&["man", &folder.path().display().to_string()]).code, 0);
    assert!(std::fs::read_to_string(folder.path().join("dbopt-advise.1")).expect("a page").contains("snapshot"));
}

#[test]
fn help_is_asked_by_question_mark() {
    let ran = dbopt(&["advise", "-?"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("--snapshot"));
}
