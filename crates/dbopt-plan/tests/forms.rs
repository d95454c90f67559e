//! The forms in which plans reach us: clients' frames, versions of PostgreSQL, several plans in one file.

use dbopt_plan::{Node, NodeKind, Plan, Relationship, parse};

fn plans(text: &str) -> Vec<Plan> {
    let (plans, findings) = parse("plan", text);
    assert!(findings.is_empty(), "{findings:?}\n{text}");
    plans
}

fn one(text: &str) -> Plan {
    let mut plans = plans(text);
    assert_eq!(plans.len(), 1, "{text}");
    plans.remove(0)
}

const RAW: &str = "\
Limit  (cost=0.00..1.00 rows=10 width=4)
  ->  Seq Scan on \"T\" t  (cost=0.00..9.00 rows=50 width=4)
        Filter: (\"a|b\" > 5)
";

#[test]
fn frames_make_no_difference() {
    let expected = one(RAW);
    let lines: Vec<&str> = RAW.lines().collect();
    let framed = |before: &str, left: &str, right: &str, after: &str| {
        let body: String = lines.iter().map(|line| format!("{left}{line}{right}\n")).collect();
        format!("{before}{body}{after}")
    };
    let quoted: String = lines.iter().map(|line| format!("\"{}\"\n", line.replace('"', "\"\""))).collect();
    for text in [
        framed("  QUERY PLAN   \n-------\n", " ", "", "(3 rows)\n\nTime: 1.2 ms\n"),
        framed("QUERY PLAN\n", "", "", "(3 rows)\n"),
        framed("+----+\n| QUERY PLAN |\n+----+\n", "| ", "   |", "+----+\n(3 rows)\n")[7..].to_owned(),
        framed("┌────┐\n│ QUERY PLAN │\n├────┤\n", "│ ", "   │", "└────┘\n(3 Zeilen)\n")["┌────┐\n".len()..].to_owned(),
        format!("\"QUERY PLAN\"\n{quoted}"),
        quoted,
        framed("", "\t", "", ""),
        RAW.replace('\n', "\r\n"),
        RAW.trim_end().to_owned(),
        format!("\u{feff}{RAW}"),
        // Copied without the first line's margin.
        framed("", " ", "", "").trim_start().to_owned(),
    ] {
        assert_eq!(one(&text), expected, "{text}");
    }
}

#[test]
fn one_file_holds_several_plans() {
    for text in [
        format!("{RAW}\n{RAW}"),
        format!("{RAW}{RAW}"),
        format!(" QUERY PLAN\n----\n{RAW}(3 rows)\n\n QUERY PLAN\n----\n{RAW}(3 rows)\n"),
        "[{\"Plan\": {\"Node Type\": \"Result\"}}, {\"Plan\": {\"Node Type\": \"Result\"}}]".to_owned(),
        "[{\"Plan\": {\"Node Type\": \"Result\"}}]\n[{\"Plan\": {\"Node Type\": \"Result\"}}]".to_owned(),
        "{\"Plan\": {\"Node Type\": \"Result\"}}\n{\"Node Type\": \"Result\"}".to_owned(),
    ] {
        assert_eq!(plans(&text).len(), 2, "{text}");
    }
}

#[test]
fn postgresql_9_6() {
    let plan = one("\
Sort  (cost=10.00..11.00 rows=10 width=4) (actual time=1.000..2.000 rows=10 loops=1)
  Sort Key: a
  Sort Method: quicksort  Memory: 25kB
  Buffers: shared hit=3, temp read=1 written=2
  I/O Timings: read=0.500 write=0.250
  ->  Seq Scan on t  (cost=0.00..9.00 rows=50 width=4) (actual time=0.100..0.900 rows=10 loops=1)
Planning time: 0.100 ms
Execution time: 3.000 ms
");
    assert_eq!((plan.planning_ms, plan.execution_ms), (Some(0.1), Some(3.0)));
    let io = plan.root.usage.io.expect("printed");
    assert_eq!((io.shared_read_ms, io.shared_write_ms), (0.5, 0.25));
    assert_eq!(plan.root.usage.buffers.expect("printed").temp.written, 2);
}

#[test]
fn postgresql_18() {
    let plan = one("\
Nested Loop  (cost=0.29..9.00 rows=10 width=4) (actual time=1.000..2.000 rows=10.50 loops=2)
  Disabled: true
  ->  CTE Scan on x  (cost=0.00..9.00 rows=50 width=4) (actual time=0.100..0.900 rows=10.00 loops=2)
        Storage: Disk  Maximum Storage: 17kB
  ->  Index Scan using i on t  (cost=0.29..9.00 rows=50 width=4) (actual time=0.100..0.900 rows=0.25 loops=21)
        Index Cond: (id = x.id)
        Index Searches: 21
  CTE x
    ->  Append  (cost=0.00..9.00 rows=50 width=4) (actual time=0.100..0.900 rows=10.00 loops=1)
          ->  Async Foreign Scan on f  (cost=0.00..9.00 rows=50 width=4) (actual time=0.100..0.900 rows=5.00 loops=1)
                Remote SQL: SELECT id FROM public.f
          ->  Seq Scan on u  (cost=0.00..9.00 rows=50 width=4) (never executed)
Settings: work_mem = '64kB', search_path = '\"a\", ''b'''
Query Identifier: -42
Planning:
  Buffers: shared hit=5
  Memory: used=11kB  allocated=16kB
Planning Time: 0.100 ms
Serialization: time=0.003 ms  output=1kB  format=text
Execution Time: 3.000 ms
");
    let root = &plan.root;
    assert_eq!(root.actual.expect("run").rows, 10.5);
    assert!(root.disabled);
    assert!(root.children[0].usage.storage.as_ref().expect("printed").on_disk);
    assert_eq!(root.children[1].usage.index_searches, Some(21));
    let cte = &root.children[2];
    assert_eq!((cte.subplan_name.as_deref(), cte.relationship), (Some("CTE x"), Some(Relationship::InitPlan)));
    assert!(cte.children[0].async_capable && cte.children[0].kind == NodeKind::ForeignScan);
    assert_eq!(cte.children[0].extra, [("Remote SQL".to_owned(), "SELECT id FROM public.f".to_owned())]);
    assert_eq!(cte.children[1].relationship, Some(Relationship::Member));
    assert!(cte.children[1].never_executed());
    assert_eq!(plan.setting("search_path"), Some("\"a\", 'b'"));
    assert_eq!(plan.query_id, Some(-42));
    assert_eq!((plan.planning.memory_used_kb, plan.planning.memory_allocated_kb), (Some(11), Some(16)));
    assert_eq!(plan.extra[0].0, "Serialization");
}

#[test]
fn workers_keep_their_numbers() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/parallel_agg.txt"));
    let plan = one(&text.expect("the fixture is readable"));
    let scan = plan.nodes().map(|(_, node)| node).find(|node| node.kind == NodeKind::SeqScan).expect("a scan");
    assert_eq!(scan.workers.iter().map(|worker| worker.number).collect::<Vec<_>>(), [0, 1]);
    assert!(scan.workers.iter().all(|worker| worker.actual.is_some() && worker.usage.buffers.is_some()));
    assert_eq!(plan.relations(), [(Some("public"), "Order")]);
}

#[test]
fn a_literal_may_hold_line_breaks() {
    let plan = one("\
Seq Scan on t  (cost=0.00..9.00 rows=50 width=4)
  Filter: ((a = 'x
->  Seq Scan on forged  (cost=0.00..9.00 rows=50 width=4)
  y'::text) AND b)
  Rows Removed by Filter: 3
");
    assert_eq!(plan.nodes().count(), 1);
    assert_eq!(plan.root.rows_removed_by_filter, 3.0);
    assert!(plan.root.conditions[0].text.ends_with("y'::text) AND b)"));
}

#[test]
fn lines_that_are_not_understood_are_said() {
    let (plans, findings) = parse("p.txt", &format!("psql (15.4)\n{RAW}what is this\n"));
    assert_eq!(plans.len(), 1);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].to_string(), "p.txt:1:1: 2 lines not understood and left out");
}

#[test]
fn indexes_are_listed_once() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bitmap_or.txt"));
    let plan = one(&text.expect("the fixture is readable"));
    assert_eq!(plan.indexes_used(), ["order_customer"]);
    assert_eq!(plan.total_cost(), plan.root.total_cost);
    let members = plan.root.children[0].children.iter().map(|child: &Node| child.relationship).collect::<Vec<_>>();
    assert_eq!(members, [Some(Relationship::Member); 2]);
}
