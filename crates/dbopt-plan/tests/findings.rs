//! The rules on PostgreSQL's own output.

use std::path::Path;

use dbopt_plan::{PlanFinding, findings, parse};

fn found(fixture: &str) -> Vec<PlanFinding> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(fixture);
    let text = std::fs::read_to_string(path).expect("the fixture is readable");
    let (plans, problems) = parse(fixture, &text);
    assert!(problems.is_empty(), "{problems:?}");
    plans.iter().flat_map(findings).collect()
}

/// Both formats give the finding, on the node of this label, with this in its help.
fn check(name: &str, code: &str, label: Option<&str>, help: &str) {
    for fixture in [format!("{name}.txt"), format!("{name}.json")] {
        let all = found(&fixture);
        let finding = all.iter().find(|finding| finding.code.0 == code);
        let finding = finding.unwrap_or_else(|| panic!("{fixture} has no {code}: {all:#?}"));
        assert_eq!(finding.label.as_deref(), label, "{fixture}");
        assert!(finding.help.contains(help), "{fixture}: {}", finding.help);
    }
}

#[test]
fn each_is_found_where_it_is() {
    check("sort_spill", "sort-spilled", Some("Sort"), "SET LOCAL work_mem = '");
    check("hash_spill", "hash-spilled", Some("Hash"), "hash_mem_multiplier");
    check("hashagg_spill", "hash-spilled", Some("HashAggregate"), "at most");
    check("bitmap_lossy", "bitmap-lossy", Some("Bitmap Heap Scan on wide"), "SET LOCAL work_mem = '");
    check("nested_loop_seq", "expensive-inner", Some("Seq Scan on tree t"), "tree is read as a whole");
    check("init_scan", "scan-discards-rows", Some("Seq Scan on \"Order\""), "columns are id, total");
    check("update_trigger", "trigger-time", None, "auto_explain.log_nested_statements");
    check("delete_fk", "trigger-time", None, "index the referencing columns");
}

#[test]
fn a_good_plan_has_nothing_but_estimates_to_mend() {
    for fixture in ["index_scan.txt", "index_scan.json", "window.json", "setop.txt", "recursive.txt"] {
        let codes: Vec<_> = found(fixture).into_iter().map(|finding| finding.code.0).collect();
        assert!(codes.iter().all(|code| *code == "rows-misestimated"), "{fixture}: {codes:?}");
    }
}
