//! `dbopt limits`, which needs no server.

mod support;

use support::{Ran, command, dbopt, ran};

const POLICY: &str = "policies/ratelimit.toml";
const LOG: &str = "examples/limits/access.log";

fn in_folder(files: &[(&str, &str)], args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    ran(command().current_dir(folder.path()).arg("limits").args(args).output().expect("it starts"))
}

fn policy(rules: &str) -> String {
    format!("policy = 'ratelimit'\nversion = 1\n{rules}\n")
}

#[test]
fn the_worst_case_of_each_rule_is_said() {
    let run = dbopt(&["limits", "check", POLICY]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for part in [
        "admits up to 199 in the first minute: a burst of 100",
        "admits up to 1,999 in the first hour",
        "admits up to 5 in the first minute, as in any other",
        "plan pro",
        "After 10 refusals within 15m a key is blocked for 15m.",
        "A home with a /56 of IPv6 has 256 of them.",
        "While the store does not answer, everything is refused.",
        "At most 10 run at once.",
    ] {
        assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
    }
    let json = dbopt(&["limits", "check", POLICY, "--format", "json"]).json();
    let ml = json["rules"].as_array().expect("rules").iter().find(|rule| rule["rule"] == "ml").expect("a rule");
    assert_eq!(ml["limits"][0]["windows"][0]["worst"], 199);
    assert_eq!(ml["limits"][1]["of"], "plan pro");
    assert_eq!(json["findings"], serde_json::json!([]));
    let markdown = dbopt(&["limits", "check", POLICY, "--format", "markdown"]);
    assert!(markdown.stdout.contains("| 100/minute | all | 100 | **199** |"), "{}", markdown.stdout);
}

#[test]
fn weak_choices_are_a_gate_when_asked() {
    let weak = policy(
        "client = { proxies = 1 }\n\
         [rule.a]\nkey = ['header:x-org']\nlimits = ['1/min', '100/h']\n\
         [rule.b]\nkey = ['user']\nroutes = ['/old/**']\nlimits = ['1/min']\nwatch = 'login'\non_failure = 'open'",
    );
    let files = [("weak.toml", weak.as_str()), ("routes", "# all\nGET /a\n/b\n")];
    let run = in_folder(&files, &["check", "weak.toml", "--routes", "routes", "--fail-on", "warning"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    for code in [
        "window-never-refuses",
        "key-chosen-by-client",
        "login-open-on-failure",
        "login-counted-one-way",
        "no-route-reaches",
    ] {
        assert!(run.stdout.contains(code), "{code}\n{}", run.stdout);
    }
    assert_eq!(in_folder(&files, &["check", "weak.toml"]).code, 0);
    let few = policy("[rule.a]\nkey = ['user']\nroutes = ['/a']\nlimits = ['1/min']");
    let run = in_folder(&[("few.toml", &few), files[1]], &["check", "few.toml", "--routes", "routes"]);
    assert!(run.stdout.contains("Routes without a limit\n  - /b\n"), "{}", run.stdout);
    let bad = in_folder(
        &[("few.toml", &few), ("bad", "GET /a\nget b\n\u{1b}[2J\n")],
        &["check", "few.toml", "--routes", "bad"],
    );
    bad.fails(2, "bad:2:1: this is no route");
    assert!(bad.stderr.contains("bad:3:1: ") && !bad.stderr.contains('\u{1b}'), "{}", bad.stderr);
}

#[test]
fn a_policy_that_cannot_be_used_is_2_with_its_faults() {
    let bad = policy("[rule.a]\nlimits = ['lots']");
    for command in [&["check", "bad.toml"][..], &["simulate", "bad.toml", "--traffic", "bad.toml"]] {
        let run = in_folder(&[("bad.toml", &bad)], command);
        run.fails(2, "bad.toml:4:11: `lots` is no rate");
        assert!(run.stderr.contains("the policy `bad.toml` cannot be used"), "{}", run.stderr);
    }
    dbopt(&["limits", "check", "policies/run.toml"])
        .fails(2, "this is a policy of kind `run`, and one of kind `ratelimit` is needed");
    dbopt(&["limits", "check", "nowhere.toml"]).fails(2, "no such file");
}

#[test]
fn the_example_shows_who_would_have_been_refused_when() {
    let run = dbopt(&["limits", "simulate", POLICY, "--traffic", LOG]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains("examples/limits/access.log:201:1: no request in quotes [unread-line]"),
        "{}",
        run.stderr
    );
    for part in [
        "user=batch",
        "user=ceo",
        "requests over time  █ admitted  ░ refused",
        "10 users tried from 198.51.100.66/32",
        "one user tried from 10 addresses",
        "Not simulated, because the sample does not say how long requests took",
    ] {
        assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
    }
    assert!(run.stdout.lines().any(|line| line.contains('│') && line.contains('░')), "{}", run.stdout);
    let json = dbopt(&["limits", "simulate", POLICY, "--traffic", LOG, "--format", "json", "--top", "2"]).json();
    let number = |name: &str| json[name].as_u64().expect(name);
    assert_eq!(number("requests"), number("admitted") + number("refused"));
    assert!(number("refused") > 100, "{json}");
    assert_eq!(json["unread"], 1);
    assert_eq!(json["clients"].as_array().map(Vec::len), Some(2));
    let (batch, attacker) = (&json["clients"][0], &json["clients"][1]);
    assert_eq!((&batch["who"], &batch["reasons"][0]["why"]), (&"user=batch".into(), &"100/60s is used up".into()));
    // The script asks four times a second: all of the burst and what is replenished are gone after 43 seconds.
    assert_eq!(batch["first"], "2025-07-01T09:05:42Z");
    assert_eq!(attacker["who"], "address=198.51.100.66");
    assert_eq!(attacker["reasons"][0]["why"], "blocked after repeated refusal");
    let timeline = json["timeline"].as_array().expect("parts");
    let sum: u64 = timeline.iter().map(|part| part["refused"].as_u64().unwrap_or(0)).sum();
    assert_eq!(sum, number("refused"));
    let of = |name: &str| {
        let rules = json["rules"].as_array().expect("rules");
        rules.iter().find(|rule| rule["rule"] == name).expect("a rule")["refused"].as_u64()
    };
    // The monitor asks every five seconds, far below a thousand an hour.
    assert_eq!(of("health"), Some(0));
}

#[test]
fn a_table_has_tenants_plans_and_costs() {
    let json =
        dbopt(&["limits", "simulate", POLICY, "--traffic", "examples/limits/traffic.csv", "--format", "json"]).json();
    // Ten an hour for a tenant: 1 + 4 + 4, and 4 more are too many.
    assert_eq!((json["requests"].as_u64(), json["refused"].as_u64()), (Some(6), Some(1)));
    assert_eq!(json["clients"][0]["who"], "tenant=acme");
    assert_eq!(json["clients"][0]["first_line"], 5);
}

#[test]
fn html_is_one_file_with_a_plot() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("out.html").display().to_string();
    let run = dbopt(&["limits", "simulate", POLICY, "--traffic", LOG, "-o", &file]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    let html = std::fs::read_to_string(file).expect("written");
    assert!(html.starts_with("<!doctype html>") && html.contains("<svg") && html.contains("user=batch"));
    assert!(!html.contains("<script") && !html.contains("src="));
}

#[test]
fn less_than_half_read_is_6_and_nothing_readable_is_2() {
    let good = policy("[rule.a]\nlimits = ['1/min']");
    let line = "192.0.2.1 - - [01/Jan/2026:00:00:01 +0000] \"GET / HTTP/1.1\" 200 1\n";
    let half = format!("{line}bad\nworse\n");
    let run = in_folder(&[("p.toml", &good), ("log", &half)], &["simulate", "p.toml", "--traffic", "log"]);
    assert_eq!(run.code, 6, "{}", run.stderr);
    assert!(run.stderr.contains("log:2:1: ") && run.stderr.contains("log:3:1: "), "{}", run.stderr);
    assert!(run.stderr.contains("only 1 of 3 lines are requests"), "{}", run.stderr);
    assert!(run.stdout.contains("2 lines are no requests and were left out."), "{}", run.stdout);
    let simulate =
        |text: &str| in_folder(&[("p.toml", &good), ("log", text)], &["simulate", "p.toml", "--traffic", "log"]);
    simulate("hello\n").fails(2, "neither an access log nor a table");
    simulate("").fails(2, "there are no lines");
    simulate("time,usr\n").fails(2, "column 2 of the table is not known");
    in_folder(&[("p.toml", &good)], &["simulate", "p.toml", "--traffic", "none"]).fails(2, "no such file");
    in_folder(&[("p.toml", &good)], &["simulate", "p.toml"]).fails(2, "--traffic");
}

#[test]
fn hostile_traffic_cannot_colour_the_terminal() {
    let good = policy("[rule.a]\nkey = ['user']\nlimits = ['1/h']");
    let line = "192.0.2.1 - a\u{1b}[2J<b> [01/Jan/2026:00:00:01 +0000] \"GET / HTTP/1.1\" 200 1\n";
    let log = line.repeat(3);
    for format in ["table", "markdown", "html"] {
        let args = ["simulate", "p.toml", "--traffic", "log", "--format", format];
        let run = in_folder(&[("p.toml", &good), ("log", &log)], &args);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(!run.stdout.contains('\u{1b}'), "{format}");
        assert!(format != "html" || !run.stdout.contains("<b>"));
    }
}
