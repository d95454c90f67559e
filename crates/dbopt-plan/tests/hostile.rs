//! Bad input: nothing panics, everything that can be read is, and what cannot be is said.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use dbopt_finding::Severity;
use dbopt_plan::{MAX_DEPTH, Plan, fuzz_parse, parse};
use proptest::prelude::*;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read_to_string(path).expect("the fixture is readable")
}

fn deep_json(depth: usize) -> String {
    let mut text = String::from("[{\"Plan\": ");
    for _ in 1..depth {
        text.push_str("{\"Node Type\": \"Limit\", \"Total Cost\": 1.00, \"Plans\": [");
    }
    text.push_str("{\"Node Type\": \"Result\"}");
    text.push_str(&"]}".repeat(depth - 1));
    text.push_str("}]");
    text
}

fn deep_text(depth: usize) -> String {
    let mut text = String::from("Limit  (cost=0.00..1.00 rows=1 width=4)\n");
    for level in 1..depth {
        let _ = writeln!(text, "{}->  Limit  (cost=0.00..1.00 rows=1 width=4)", " ".repeat(2 + 6 * (level - 1)));
    }
    text
}

fn depth(plan: &Plan) -> usize {
    plan.nodes().map(|(depth, _)| depth + 1).max().unwrap_or(0)
}

#[test]
fn plans_nest_to_the_limit() {
    for text in [deep_json(MAX_DEPTH), deep_text(MAX_DEPTH)] {
        let (plans, findings) = parse("deep", &text);
        assert!(findings.iter().all(|finding| finding.code.0 != "plan-too-deep"), "{findings:?}");
        assert_eq!(depth(&plans[0]), MAX_DEPTH);
        // Each of these recurses; the test's thread has 2 MiB of stack.
        let copy = plans[0].clone();
        assert!(copy == plans[0]);
        assert!(format!("{copy:?}").len() > MAX_DEPTH);
    }
}

#[test]
fn deeper_nodes_are_left_out_with_an_error() {
    for (text, line) in [(deep_json(MAX_DEPTH + 2000), 1), (deep_text(MAX_DEPTH + 2000), MAX_DEPTH as u64 + 1)] {
        let (plans, findings) = parse("deep", &text);
        assert_eq!(depth(&plans[0]), MAX_DEPTH);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].code.0, findings[0].severity), ("plan-too-deep", Severity::Error));
        assert_eq!(findings[0].place.as_ref().and_then(|place| place.position).map(|at| at.line), Some(line));
    }
}

#[test]
fn other_nesting_is_bounded_too() {
    for open in ["[", "{\"a\":", "[{\"Plan\":{\"Node Type\":\"Result\",\"x\":[[[["] {
        let (_, findings) = parse("deep", &open.repeat(20_000));
        assert!(!findings.is_empty());
    }
}

#[test]
fn a_cut_off_plan_is_read_as_far_as_it_goes() {
    for name in ["parallel_hash.json", "parallel_hash.txt"] {
        let whole = fixture(name);
        let end = whole.find("Seq Scan").expect("a scan") + 4;
        let (plans, findings) = parse(name, &whole[..end]);
        assert_eq!(plans.len(), 1);
        assert!(plans[0].nodes().count() >= 3, "{name}");
        assert_eq!(findings.iter().map(|finding| finding.code.0).filter(|code| *code == "plan-truncated").count(), 1);
    }
}

#[test]
fn a_fault_in_json_has_its_place() {
    let (plans, findings) = parse("p.json", "[\n {\"Plan\": {\"Node Type\": \"Result\", !}}\n]");
    assert_eq!(plans.len(), 1);
    assert_eq!(findings[0].to_string(), "p.json:2:35: expected a key or `}`");
}

/// Megabytes that are mostly no plan. Going over what came before once more for each line would take minutes here.
#[test]
fn long_inputs_are_gone_through_once() {
    const SIZE: usize = 5 << 20;
    let log = "2024-01-01 10:00:00.123 UTC [7] u@d LOG:  duration: 1.234 ms  statement: select 'it''s' where a = (1)\n";
    let root = "Result  (cost=0.00..0.01 rows=1 width=4)\n";
    let literal = format!("{root}  Filter: (a = 'never closed)\n");
    for (head, count) in [("", 0), (root, 1), (&literal, 1), ("\tQuery Text: select\n", 0)] {
        let text = head.to_owned() + &log.repeat(SIZE / log.len());
        let (plans, findings) = parse("log", &text);
        assert_eq!(plans.len(), count, "{head}");
        assert!(!findings.is_empty(), "{head}");
    }
    let mut text = root.to_owned();
    for number in 0..SIZE / 50 {
        let _ = writeln!(text, "  Worker {number}:  Sort Method: quicksort  Memory: 25kB");
    }
    let (plans, findings) = parse("workers", &text);
    assert_eq!(plans[0].root.workers.len(), 1_024);
    assert!(findings.iter().any(|finding| finding.code.0 == "plan-line-unread"), "{findings:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_parse(&bytes);
    }

    #[test]
    fn mutations_are_survived(
        name in prop::sample::select(vec![
            "parallel_agg.txt", "subplans.txt", "insert_cte.txt", "cte.json", "subplans.json", "incremental_sort.txt",
        ]),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..40), 1..8),
    ) {
        let mut bytes = fixture(name).into_bytes();
        for (at, byte, removed) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, [byte]);
        }
        fuzz_parse(&bytes);
    }

    #[test]
    fn prefixes_are_survived(
        name in prop::sample::select(vec!["parallel_agg.txt", "cte.json", "filter_like.txt"]),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = fixture(name).into_bytes();
        fuzz_parse(&bytes[..cut.index(bytes.len())]);
    }
}
