//! Laws of reading: nothing outside bytes can do makes it panic, and it does not matter how a log is cut into files
//! or how many threads read it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use dbopt_workload::{Events, Input, QueryClass, ReadOptions, Workload, read_inputs};
use proptest::prelude::*;

fn read(parts: &[&[u8]], threads: usize) -> Option<Workload> {
    read_with(parts, ReadOptions { threads: NonZeroUsize::new(threads), ..ReadOptions::default() })
}

fn read_with(parts: &[&[u8]], options: ReadOptions) -> Option<Workload> {
    let inputs = parts.iter().filter(|part| !part.is_empty()).map(|part| Input::bytes("log", *part)).collect();
    read_inputs(inputs, &options, &|_| ControlFlow::Continue(())).ok()
}

/// What does not depend on where a line stands.
fn counts(workload: &Workload) -> (Vec<QueryClass>, Events, Vec<dbopt_workload::ErrorClass>, u64) {
    let mut classes = workload.classes.clone();
    for class in &mut classes {
        class.samples.iter_mut().for_each(|sample| sample.place = None);
        class.plans.iter_mut().for_each(|plan| plan.place = None);
    }
    (classes, workload.events.clone(), workload.errors.clone(), workload.coverage.recognised())
}

/// One record of a text log: its session, and what it says.
fn record() -> impl Strategy<Value = String> {
    let session = 1..4_u8;
    let text = prop_oneof![
        (0..5_u32, 0..90_000_u32).prop_map(|(n, us)| format!(
            "LOG:  duration: {}.{:03} ms  statement: select c{} from t where\n\tid = {us}",
            us / 1_000,
            us % 1_000,
            n
        )),
        (0..90_000_u32).prop_map(|us| format!(
            "LOG:  duration: {}.{:03} ms  execute <unnamed>: select $1",
            us / 1_000,
            us % 1_000
        )),
        Just("DETAIL:  parameters: $1 = 'x'', $2 = ''y'".to_owned()),
        Just("LOG:  statement: update t set a = 1".to_owned()),
        Just("LOG:  execute p: delete from t where id = $1".to_owned()),
        Just("LOG:  duration: 3.500 ms".to_owned()),
        Just(
            "LOG:  duration: 2.000 ms  plan:\n\tQuery Text: select $1\n\tResult  (cost=0.00..0.01 rows=1 width=4)"
                .to_owned()
        ),
        Just("CONTEXT:  PL/pgSQL function f() line 1 at RETURN".to_owned()),
        Just("ERROR:  relation \"x\" does not exist at character 15".to_owned()),
        Just("STATEMENT:  select * from x".to_owned()),
        Just("LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp1.0\", size 100".to_owned()),
        Just("LOG:  disconnection: session time: 0:00:00.005 user=u database=d host=[local]".to_owned()),
    ];
    (session, 0..60_u8, text)
        .prop_map(|(session, second, text)| format!("2024-01-01 00:00:{second:02}.000 UTC [{session}] u@d {text}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_in_two_files_says_what_it_says_in_one(records in prop::collection::vec(record(), 2..60), at in any::<prop::sample::Index>()) {
        let whole = records.concat();
        let cut = records[..at.index(records.len())].concat().len();
        let (head, tail) = whole.split_at(cut);
        // The prefix is given: a few records put together at random need not let it be inferred.
        let options = |threads| ReadOptions {
            prefix: Some("%m [%p] %u@%d ".to_owned()),
            threads: NonZeroUsize::new(threads),
            ..ReadOptions::default()
        };
        let one = read_with(&[whole.as_bytes()], options(1));
        let two = read_with(&[head.as_bytes(), tail.as_bytes()], options(2));
        prop_assert_eq!(one.as_ref().map(counts), two.as_ref().map(counts));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = read(&[&bytes], 1);
    }

    #[test]
    fn damaged_logs_do_no_harm(
        records in prop::collection::vec(record(), 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let stderr = records.concat().into_bytes();
        let message = "duration: 1.000 ms  statement: select \"\"a\"\" from t";
        let csv = format!("2024-01-01 00:00:00.000 UTC,\"u\",\"d\",1,\"[local]\",65a1b2c3.1,1,\"SELECT\",2024-01-01 00:00:00 UTC,3/1,0,LOG,00000,\"{message}\",,,,,,,,,\"psql\",\"client backend\",,0\n").repeat(5).into_bytes();
        let json = "{\"timestamp\":\"2024-01-01 00:00:00.000 UTC\",\"user\":\"u\",\"dbname\":\"d\",\"pid\":1,\"session_id\":\"65a1b2c3.1\",\"error_severity\":\"LOG\",\"message\":\"duration: 1.000 ms  statement: select \\\"a\\\\u00e9\\\"\"}\n".repeat(5).into_bytes();
        let text = String::from_utf8_lossy(&stderr).into_owned();
        let wrapped = |wrap: fn((usize, &str)) -> String| text.lines().enumerate().map(wrap).collect::<String>().into_bytes();
        let syslog = wrapped(|(at, line)| format!("Jan  1 00:00:00 h postgres[{}]: [{at}-1] {line}\n", at % 3 + 1));
        let kubernetes = wrapped(|(at, line)| format!("2024-01-01T00:00:00Z stderr {} {line}\n", if at % 5 == 0 { "P" } else { "F" }));
        let google = wrapped(|(_, line)| format!("{{\"resource\":{{\"type\":\"cloudsql_database\"}},\"textPayload\":\"{}\"}}\n", line.replace('"', "\\\"").replace('\t', "\\t")));
        for mut log in [stderr, csv, json, syslog, kubernetes, google] {
            for (at, byte) in &damage {
                let at = at.index(log.len());
                log[at] = *byte;
            }
            if let Some(workload) = read(&[&log], 2) {
                prop_assert!(workload.coverage.recognised() <= workload.coverage.records());
            }
        }
    }
}

/// A log of several blocks, so that threads have something to share.
fn long_log() -> Vec<u8> {
    (0..30_000_u32)
        .map(|n| {
            format!(
                "2024-01-01 00:{:02}:{:02}.{:03} UTC [{}] u{}@d LOG:  duration: {}.{:03} ms  execute <unnamed>: select c{} from t where id = $1\n2024-01-01 00:{:02}:{:02}.{:03} UTC [{}] u{}@d DETAIL:  parameters: $1 = '{n}'\n",
                n / 1_800 % 60, n / 30 % 60, n % 1_000, n % 7, n % 20, n % 97, n % 1_000, n % 300,
                n / 1_800 % 60, n / 30 % 60, n % 1_000, n % 7, n % 20,
            )
        })
        .collect::<String>()
        .into_bytes()
}

#[test]
fn threads_do_not_change_the_result() {
    let log = long_log();
    let one = read(&[&log], 1).expect("the log is usable");
    assert_eq!(one.calls(), 30_000);
    assert_eq!(one.classes.len(), 300);
    assert!(one.classes.iter().flat_map(|class| &class.samples).all(|sample| sample.parameters.is_some()));
    for threads in [2, 5] {
        let many = read(&[&log], threads).expect("the log is usable");
        assert_eq!(one.classes, many.classes);
        assert_eq!(one.coverage, many.coverage);
    }
}

#[test]
fn merging_parts_equals_reading_the_whole() {
    let log = long_log();
    let whole = read(&[&log], 1).expect("the log is usable");
    // A cut between sessions' records: parameters stand right behind their statements.
    let lines: Vec<usize> = memchr::memchr_iter(b'\n', &log).map(|at| at + 1).collect();
    let (a, b) = (lines[19_999], lines[39_999]);
    let parts = [&log[..a], &log[a..b], &log[b..]].map(|part| read(&[part], 1).expect("the part is usable"));
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut merged = Workload::default();
        for at in order {
            merged.merge(parts[at].clone());
        }
        assert_eq!(counts(&merged), counts(&whole));
        assert_eq!(merged.period, whole.period);
    }
}

#[test]
fn memory_is_capped_and_what_went_is_told() {
    let log: String = (0..5_000)
        .map(|n| {
            format!(
                "2024-01-01 00:00:00.000 UTC [1] LOG:  duration: {}.000 ms  statement: select c{n} from t\n",
                n % 100
            )
        })
        .collect();
    let options = ReadOptions { memory_cap: 1 << 20, ..ReadOptions::default() };
    let workload =
        read_inputs(vec![Input::bytes("log", log)], &options, &|_| ControlFlow::Continue(())).expect("usable");
    assert!(workload.other.evicted > 0);
    assert_eq!(workload.calls(), 5_000);
    assert_eq!(workload.total_ms(), (0..5_000).map(|n| f64::from(n % 100)).sum::<f64>());
    assert!(workload.findings.iter().any(|finding| finding.code.0 == "workload-evicted"));
}

#[test]
fn reading_stops_when_asked_to() {
    let log = long_log();
    let workload = read_inputs(vec![Input::bytes("log", log)], &ReadOptions::default(), &|progress| {
        if progress.done > 1 << 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .expect("what was read is the result");
    assert!(workload.coverage.inputs[0].interrupted);
    assert!(workload.calls() < 30_000);
}

#[test]
fn lines_of_another_program_are_not_taken_for_statements() {
    let made: String = (0..200)
        .map(|n| {
            format!(
                "2024-01-01 00:00:00.000 UTC [1] LOG:  duration: 1.000 ms  statement: select a\n\tfrom t where id = {n}\n"
            )
        })
        .collect();
    let example: String =
        include_str!("../../../examples/shop/postgresql.log").split_inclusive('\n').take(200).collect();
    for mut log in [made, example] {
        let clean = read(&[log.as_bytes()], 1).expect("the log is usable");
        let lines = log.lines().count() as u64;
        log.push_str(&"some other program wrote this line\n".repeat(2_000));
        for threads in [1, 3] {
            let workload = read(&[log.as_bytes()], threads).expect("the log is usable");
            assert_eq!(workload.classes, clean.classes);
            assert!(workload.coverage.share_recognised() < 0.5);
            let skipped = &workload.coverage.inputs[0].skipped[0];
            assert_eq!(skipped.count, 2_000);
            assert_eq!(skipped.first.as_ref().and_then(|place| place.position).map(|at| at.line), Some(lines + 1));
        }
    }
}
