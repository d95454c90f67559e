//! A wrapped log says what the log says: the example's log of a real server is wrapped in each way and read again.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use serde_json::json;

use super::*;
use crate::record::infer::severity_at;
use crate::record::severity::Severity;
use crate::{ErrorClass, Events, Input, QueryClass, ReadOptions, Skipped, Workload, read_inputs};

const LOG: &str = include_str!("../../../../examples/shop/postgresql.log");

fn read(log: &str, threads: usize) -> Workload {
    let options = ReadOptions { threads: NonZeroUsize::new(threads), ..ReadOptions::default() };
    read_inputs(vec![Input::bytes("log", log)], &options, &|_| ControlFlow::Continue(())).expect("the log is usable")
}

type Counts = (Vec<QueryClass>, Events, Vec<ErrorClass>, u64, u64);

/// What does not depend on where a line stands.
fn counts(workload: &Workload) -> Counts {
    let mut classes = workload.classes.clone();
    for class in &mut classes {
        class.samples.iter_mut().for_each(|sample| sample.place = None);
        class.plans.iter_mut().for_each(|plan| plan.place = None);
    }
    let coverage = &workload.coverage;
    (classes, workload.events.clone(), workload.errors.clone(), coverage.records(), coverage.recognised())
}

#[track_caller]
fn check(wrapped: &str, wrappers: &[&str], prefix: Option<&str>) {
    let plain = read(LOG, 1);
    let read_wrapped = read(wrapped, 1);
    let covered = &read_wrapped.coverage.inputs[0];
    assert_eq!((covered.wrappers.as_slice(), covered.prefix.as_deref()), (wrappers, prefix));
    assert_eq!((covered.bytes as usize, covered.lines as usize), (wrapped.len(), wrapped.lines().count()));
    assert!(!covered.truncated);
    let (expected, found) = (counts(&plain), counts(&read_wrapped));
    assert_eq!(expected.1, found.1);
    assert_eq!((expected.3, expected.4), (found.3, found.4), "{:?}", covered.skipped);
    assert!(expected == found, "the classes or errors differ");
    assert_eq!(plain.period, read_wrapped.period);
    let many = read(wrapped, 4);
    assert!(
        many.classes == read_wrapped.classes && many.coverage == read_wrapped.coverage,
        "threads change the result"
    );
    let lines: Vec<&str> = wrapped.lines().collect();
    for sample in read_wrapped.classes.iter().flat_map(|class| &class.samples) {
        let line = lines[sample.place.as_ref().expect("it stands in the log").line as usize - 1];
        let duration = format!("duration: {:.3} ms", sample.duration_ms().expect("it was timed"));
        assert!(line.contains(&duration), "`{duration}` is not in `{line}`");
    }
}

fn first_line(skipped: &Skipped) -> Option<u64> {
    Some(skipped.first.as_ref()?.position?.line)
}

/// The lines of the log in groups: each begins with a line for which this holds.
fn groups(begins: impl Fn(&str) -> bool) -> Vec<Vec<&'static str>> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for line in LOG.lines() {
        match groups.last_mut() {
            Some(group) if !begins(line) => group.push(line),
            _ => groups.push(vec![line]),
        }
    }
    groups
}

fn severity(line: &str) -> Option<(usize, Severity)> {
    if line.starts_with('\t') {
        return None;
    }
    let at = severity_at(line.as_bytes())?;
    Severity::parse(&line.as_bytes()[at..]).map(|(severity, _)| (at, severity))
}

/// Records as the server writes them: a line, its parts, and all their continuation lines.
fn records() -> Vec<Vec<&'static str>> {
    groups(|line| severity(line).is_some_and(|(_, severity)| !severity.is_part()))
}

/// Lines with their continuation lines.
fn heads() -> Vec<Vec<&'static str>> {
    groups(|line| severity(line).is_some())
}

fn pid(line: &str) -> &str {
    line.split(['[', ']']).nth(1).expect("the prefix has it")
}

/// The time at the head of a line as ISO 8601 has it.
fn iso(line: &str) -> String {
    format!("{}T{}000Z", &line[..10], &line[11..23])
}

const PREFIX: &str = "%m [%p] %u@%d/%a ";

/// The chunks of all records for syslog, those of different processes interleaved: the record's first line, the
/// message's number, the chunk's number and its text.
fn chunks(own_prefix: bool) -> Vec<(&'static str, usize, usize, String)> {
    let mut all = Vec::new();
    for (window, records) in records().chunks(7).enumerate() {
        let mut queues: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            let mut number = 0;
            for line in record {
                let line = match severity(line) {
                    Some(_) if !own_prefix => line.split_once("] ").expect("the prefix has it").1,
                    _ => line,
                };
                let mut rest = line;
                loop {
                    let mut cut = rest.len().min(150);
                    while !rest.is_char_boundary(cut) {
                        cut -= 1;
                    }
                    number += 1;
                    let text = rest[..cut].replace('\t', "#011");
                    queues.entry(pid(record[0])).or_default().push((record[0], window * 7 + at + 1, number, text));
                    rest = &rest[cut..];
                    if rest.is_empty() {
                        break;
                    }
                }
            }
        }
        let longest = queues.values().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            all.extend(queues.values().filter_map(|queue| queue.get(at).cloned()));
        }
    }
    all
}

#[test]
fn syslog_of_the_old_form() {
    let mut wrapped = String::new();
    for (at, (first, message, chunk, text)) in chunks(true).into_iter().enumerate() {
        if at % 50 == 3 {
            wrapped.push_str("Nov 21 02:48:36 db1 CRON[77]: (root) CMD (LOG:  not of the server)\n");
        }
        wrapped.push_str(&format!("Nov 21 02:48:36 db1 postgres[{}]: [{message}-{chunk}] {text}\n", pid(first)));
    }
    check(&wrapped, &["syslog"], Some(PREFIX));
    let skipped = &read(&wrapped, 1).coverage.inputs[0].skipped[0];
    assert_eq!((skipped.why, first_line(skipped)), (OTHER_PROGRAM, Some(4)));
}

#[test]
fn syslog_knows_time_and_process_when_the_prefix_does_not() {
    for new_form in [false, true] {
        let mut wrapped = String::new();
        for (first, message, chunk, text) in chunks(false) {
            let (time, pid) = (iso(first), pid(first));
            wrapped.push_str(&match new_form {
                false => format!("{time} db1 postgres[{pid}]: [{message}-{chunk}] {text}\n"),
                true => format!("<134>1 {time} db1 postgres {pid} - - [{message}-{chunk}] {text}\n"),
            });
        }
        check(&wrapped, &["syslog"], Some(PREFIX));
    }
}

#[test]
fn syslog_with_whole_records_in_a_line() {
    let wrapped: String = records()
        .iter()
        .map(|record| {
            let text = record.join("\n").replace('\n', "#012").replace('\t', "#011");
            format!("Nov 21 02:48:36 db1 pg-main[{}]: {text}\n", pid(record[0]))
        })
        .collect();
    check(&wrapped, &["syslog"], Some(PREFIX));
}

#[test]
fn heroku_logplex() {
    let wrapped: String = chunks(true)
        .into_iter()
        .map(|(first, message, chunk, text)| {
            format!("{} app[postgres.24]: [DATABASE] [{message}-{chunk}] {text}\n", iso(first))
        })
        .collect();
    check(&wrapped, &["Heroku logplex"], Some(PREFIX));
}

fn cri(log: &str) -> String {
    let mut wrapped = String::new();
    for line in log.lines() {
        let mut rest = line;
        while rest.len() > 4_000 && rest.is_char_boundary(4_000) {
            wrapped.push_str(&format!("2026-11-21T02:48:36.507000001Z stderr P {}\n", &rest[..4_000]));
            rest = &rest[4_000..];
        }
        wrapped.push_str(&format!("2026-11-21T02:48:36.507000001Z stderr F {rest}\n"));
    }
    wrapped
}

#[test]
fn kubernetes_lines() {
    check(&cri(LOG), &["Kubernetes CRI"], Some(PREFIX));
}

#[test]
fn a_second_timestamp() {
    let wrapped: String = LOG
        .lines()
        .map(|line| if line.starts_with('\t') { format!("{line}\n") } else { format!("{} {line}\n", iso(line)) })
        .collect();
    check(&wrapped, &["timestamps"], Some(PREFIX));
}

#[test]
fn docker_lines() {
    let wrapped: String = LOG
        .lines()
        .map(|line| {
            format!("{}\n", json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2026-11-21T02:48:36Z"}))
        })
        .collect();
    check(&wrapped, &["Docker JSON"], Some(PREFIX));
}

#[test]
fn cloud_logging_with_and_without_tabs() {
    for separator in ["\n", "\n\t"] {
        let entries: Vec<_> = heads()
            .iter()
            .map(|lines| {
                let lines: Vec<&str> = lines.iter().map(|line| line.strip_prefix('\t').unwrap_or(line)).collect();
                json!({
                    "insertId": "x",
                    "logName": "projects/p/logs/cloudsql.googleapis.com%2Fpostgres.log",
                    "resource": {"labels": {"database_id": "p:i"}, "type": "cloudsql_database"},
                    "textPayload": lines.join(separator),
                })
            })
            .collect();
        let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
        check(&lines, &["Google Cloud JSON"], Some(PREFIX));
        let array = serde_json::to_string_pretty(&entries).expect("it is JSON");
        assert!(counts(&read(&array, 2)) == counts(&read(LOG, 1)), "an array says the same");
    }
}

#[test]
fn azure_in_both_forms() {
    let whole: String = heads()
        .iter()
        .map(|lines| {
            let properties = json!({"message": lines.join("\n"), "errorLevel": "LOG", "processId": 1});
            format!("{}\n", json!({"category": "PostgreSQLLogs", "properties": properties}))
        })
        .collect();
    check(&whole, &["Azure JSON"], Some(PREFIX));
    let split: String = heads()
        .iter()
        .map(|lines| {
            let text = lines.join("\n");
            let (at, _) = severity(lines[0]).expect("it is a head");
            let (level, message) = text[at..].split_once(":  ").expect("a severity and a message");
            let properties = json!({"prefix": text[..at], "message": message, "errorLevel": level, "detail": ""});
            format!("{}\n", json!({"category": "PostgreSQLLogs", "properties": properties}))
        })
        .collect();
    check(&split, &["Azure JSON"], Some(PREFIX));
}

#[test]
fn the_newest_first_is_told() {
    let entry = |second: u32| {
        let time = format!("2024-01-01T00:00:0{second}Z");
        let text = format!(
            "2024-01-01 00:00:0{second} UTC [1]: [1-1] db=d,user=u LOG:  duration: 1.000 ms  statement: select 1"
        );
        format!("{}\n", json!({"resource": {"type": "alloydb"}, "timestamp": time, "textPayload": text}))
    };
    for (order, expected) in [([1, 2], 0), ([2, 1], 1)] {
        let workload = read(&order.map(entry).concat(), 1);
        assert_eq!(workload.findings.iter().filter(|finding| finding.code.0 == "log-newest-first").count(), expected);
    }
}

#[test]
fn a_prefix_that_includes_the_wrapper_is_taken_at_its_word() {
    let log =
        "2024-01-01T00:00:00.000Z 2024-01-01 00:00:00.000 UTC [1] LOG:  duration: 1.000 ms  statement: select 1\n";
    for (prefix, wrappers) in [("2024-01-01T00:00:00.000Z %m [%p] ", 0), ("%m [%p] ", 1)] {
        let options = ReadOptions { prefix: Some(prefix.to_owned()), ..ReadOptions::default() };
        let workload = read_inputs(vec![Input::bytes("log", log)], &options, &|_| ControlFlow::Continue(()));
        let workload = workload.expect("the log is usable");
        assert_eq!((workload.calls(), workload.coverage.inputs[0].wrappers.len()), (1, wrappers));
    }
}

fn cnpg() -> String {
    let mut wrapped = String::from("{\"level\":\"info\",\"msg\":\"starting\",\"logger\":\"instance-manager\"}\n");
    for lines in records() {
        let mut record = serde_json::Map::new();
        let (at, _) = severity(lines[0]).expect("it is a head");
        for (key, value) in [("log_time", &lines[0][..27]), ("process_id", pid(lines[0]))] {
            record.insert(key.to_owned(), json!(value));
        }
        // Processes of the server itself have no names.
        let names = lines[0][..at].split_once("] ").expect("the prefix has it").1;
        if let Some((user, names)) = names.split_once('@') {
            let (database, application) = names.trim_end().split_once('/').expect("two names");
            for (key, value) in [("user_name", user), ("database_name", database), ("application_name", application)] {
                record.insert(key.to_owned(), json!(value));
            }
        }
        let mut key = "";
        for line in &lines {
            let Some((at, part)) = severity(line) else {
                let text = record.get(key).and_then(|value| value.as_str()).unwrap_or_default();
                record.insert(key.to_owned(), json!(format!("{text}\n{}", &line[1..])));
                continue;
            };
            let (level, text) = line[at..].split_once(":  ").expect("a severity and a message");
            key = match part {
                Severity::Detail => "detail",
                Severity::Hint => "hint",
                Severity::Context => "context",
                Severity::Statement => "query",
                _ => "message",
            };
            if key == "message" {
                record.insert("error_severity".to_owned(), json!(level));
            }
            record.insert(key.to_owned(), json!(text));
        }
        let line = json!({"level": "info", "logger": "postgres", "msg": "record", "record": record});
        wrapped.push_str(&format!("{line}\n"));
    }
    wrapped
}

#[test]
fn cloudnativepg() {
    check(&cnpg(), &["CloudNativePG JSON"], None);
    let workload = read(&cnpg(), 1);
    assert_eq!(workload.coverage.inputs[0].skipped[0].why, OTHER_PROGRAM);
}

#[test]
fn cloudnativepg_within_kubernetes() {
    let wrapped: String = cnpg().lines().map(|line| format!("2026-11-21T02:48:36.5Z stdout F {line}\n")).collect();
    check(&wrapped, &["Kubernetes CRI", "CloudNativePG JSON"], None);
}

#[test]
fn damaged_units_are_counted_and_cost_no_other() {
    let lines: Vec<String> = cri(LOG).lines().take(400).map(|line| format!("{line}\n")).collect();
    let whole = read(&lines.concat(), 1);
    let damaged = format!("{}no unit\n{}", lines[..100].concat(), lines[100..].concat());
    let workload = read(&damaged, 2);
    assert_eq!(counts(&workload).0, counts(&whole).0);
    assert_eq!(workload.coverage.records(), whole.coverage.records() + 1);
    assert_eq!(first_line(&workload.coverage.inputs[0].skipped[0]), Some(101));
}

#[test]
fn plain_logs_are_not_wrapped() {
    for log in [
        LOG,
        "2024-01-01 00:00:00 UTC [1] LOG:  statement: select 1,\n\t{\"log\":\"x\\n\",\"stream\":\"\",\"time\":\"\"}\n",
        "{\"timestamp\":\"2024-01-01 00:00:00.000 UTC\",\"error_severity\":\"LOG\",\"message\":\"x\",\"pid\":1}\n",
        "2024-01-01 00:00:00.000 UTC,\"u\",\"d\",1,,65a1b2c3.1,1,,2024-01-01 00:00:00 UTC,,0,LOG,00000,\"x\",,,,,,,,,\"\"\n",
        "<2024-01-01 00:00:00 UTC> LOG:  x\n",
        "",
    ] {
        assert_eq!(Wrapper::detect(log.as_bytes()), None, "{}", &log[..log.len().min(80)]);
    }
}

#[test]
fn control_bytes() {
    assert_eq!(*unescape(b"a#011b#012#a#000#0"), *b"a\tb\n#a#000#0");
}
