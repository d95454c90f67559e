//! The text and the JSON format of one query give the same tree. The files are PostgreSQL 15's own output, of two
//! executions, so that times differ.

use std::fs;
use std::path::{Path, PathBuf};

use dbopt_plan::{Actual, IoTimes, Node, Plan, Usage};

fn files(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("the fixtures are readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(files.len() > 20, "only {} fixtures", files.len());
    files
}

fn load(path: &Path) -> Vec<Plan> {
    let text = fs::read_to_string(path).expect("the fixture is readable");
    let (plans, findings) = dbopt_plan::parse(&path.display().to_string(), &text);
    assert!(findings.is_empty(), "{findings:#?}");
    plans
}

/// Takes out what differs between two executions, or what one of the formats does not print.
fn comparable(node: &mut Node, parallel: bool) {
    if let Some(actual) = &mut node.actual {
        actual.startup_ms = actual.startup_ms.map(|_| 0.0);
        actual.total_ms = actual.total_ms.map(|_| 0.0);
    }
    node.usage.io = None::<IoTimes>;
    node.usage.buffers = None;
    node.usage.wal = None;
    // Vacuum comes in between.
    node.usage.heap_fetches = node.usage.heap_fetches.map(|_| 0);
    node.inner_unique = false;
    node.extra.retain(|(key, _)| !matches!(key.as_str(), "Single Copy" | "Target Table" | "Target Tables"));
    let parallel = parallel || node.kind.is_gather();
    // How workers share the rows, and what they need for them, is a matter of chance.
    if parallel {
        node.workers.clear();
        node.usage = Usage::default();
        node.rows_removed_by_filter = 0.0;
        node.actual = node.actual.map(|_| Actual::default());
    }
    for child in &mut node.children {
        comparable(child, parallel);
    }
}

#[test]
fn both_formats_give_the_same_tree() {
    for path in files("txt") {
        let mut text = load(&path);
        let mut json = load(&path.with_extension("json"));
        assert_eq!(text.len(), json.len(), "{}", path.display());
        for (text, json) in text.iter_mut().zip(&mut json) {
            comparable(&mut text.root, false);
            comparable(&mut json.root, false);
            let (left, right) = (format!("{:#?}", text.root), format!("{:#?}", json.root));
            let differing = left.lines().zip(right.lines()).find(|(left, right)| left != right);
            assert!(text.root == json.root, "{}: {differing:#?}", path.display());
            assert_eq!(text.settings, json.settings);
            assert_eq!(text.query_id, json.query_id);
            assert!(text.planning_ms.is_some() && json.planning_ms.is_some());
            assert_eq!(text.execution_ms.is_some(), json.execution_ms.is_some());
            assert_eq!(text.planning.buffers.is_some(), json.planning.buffers.is_some());
            let triggers =
                |plan: &Plan| plan.triggers.iter().map(|t| (t.constraint.clone(), t.calls)).collect::<Vec<_>>();
            assert_eq!(triggers(text), triggers(json));
        }
    }
}

#[test]
fn nothing_of_these_is_left_over() {
    let known = ["Single Copy", "Target Table", "Target Tables", "Tuples Inserted", "Conflicting Tuples"];
    for path in files("txt").into_iter().chain(files("json")) {
        for plan in load(&path) {
            for (_, node) in plan.nodes() {
                for (key, _) in &node.extra {
                    assert!(known.contains(&key.as_str()) || key.starts_with("Conflict "), "{}: {key}", path.display());
                }
            }
            assert!(plan.extra.is_empty(), "{}: {:?}", path.display(), plan.extra);
        }
    }
}
