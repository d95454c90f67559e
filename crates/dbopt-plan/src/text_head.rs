//! The first line of a node in the text format: what it is, on what, and its numbers.

use crate::property::{Value, set_node};
use crate::tree::kind::NodeKind;
use crate::tree::node::{Direction, JoinType, Node, Operation, PartialMode, Relation, Strategy};

/// A node as far as its first line tells.
pub(crate) struct Head {
    pub(crate) node: Node,
    /// Whether costs or measurements followed.
    pub(crate) has_numbers: bool,
    /// Whether the whole line was understood as a known kind.
    pub(crate) is_known: bool,
}

/// Reads a node's first line, without its `->`; none when it cannot be one.
pub(crate) fn parse(line: &str) -> Option<Head> {
    let line = line.trim();
    let (description, numbers) = split_numbers(line);
    let mut head = description_of(description)?;
    head.has_numbers = !numbers.is_empty();
    for group in numbers.split('(').skip(1) {
        set_numbers(&mut head.node, group.split(')').next().unwrap_or(""));
    }
    Some(head)
}

/// Splits off `(cost=...)`, `(actual ...)` and `(never executed)`.
fn split_numbers(line: &str) -> (&str, &str) {
    let cost = line.rfind("(cost=").filter(|at| line[*at..].contains("..") && line[*at..].contains("width="));
    let actual = || line.rfind("(actual ").filter(|at| line[*at..].contains("loops="));
    let never = || line.rfind("(never executed)");
    match cost.or_else(actual).or_else(never) {
        Some(at) => (line[..at].trim_end(), &line[at..]),
        None => (line, ""),
    }
}

fn set_numbers(node: &mut Node, group: &str) {
    if group == "never executed" {
        node.actual = Some(crate::tree::node::Actual::default());
        return;
    }
    let (group, actual) = group.strip_prefix("actual ").map_or((group, false), |rest| (rest, true));
    for pair in group.split_ascii_whitespace() {
        let Some((key, value)) = pair.split_once('=') else { continue };
        let (first, second) = value.split_once("..").unwrap_or((value, ""));
        let mut set = |key: &str, value: &str| set_node(node, key, Value::text(value));
        match (key, actual) {
            ("cost", false) => {
                set("Startup Cost", first);
                set("Total Cost", second);
            }
            ("rows", false) => set("Plan Rows", first),
            ("width", false) => set("Plan Width", first),
            ("time", true) => {
                set("Actual Startup Time", first);
                set("Actual Total Time", second);
            }
            ("rows", true) => set("Actual Rows", first),
            ("loops", true) => set("Actual Loops", first),
            _ => set(key, value),
        }
    }
}

fn description_of(text: &str) -> Option<Head> {
    let mut node = Node::new(NodeKind::Result);
    let mut rest = text;
    if let Some(after) = rest.strip_prefix("Parallel ") {
        node.parallel_aware = true;
        rest = after;
    }
    if let Some(after) = rest.strip_prefix("Async ") {
        node.async_capable = true;
        rest = after;
    }
    let mut is_known = true;
    let target = match kind(&mut node, rest) {
        Some(target) => target,
        None => {
            // A kind of an extension or of a later PostgreSQL: its name ends where its target begins.
            is_known = false;
            let end = [" using ", " on "].iter().filter_map(|word| rest.find(word)).min().unwrap_or(rest.len());
            if !rest[..end].starts_with(|first: char| first.is_ascii_uppercase()) {
                return None;
            }
            node.kind = NodeKind::Other(rest[..end].to_owned());
            &rest[end..]
        }
    };
    let target = target_of(&mut node, target);
    if is_known && !target.is_empty() {
        is_known = false;
    }
    if !target.is_empty() {
        node.extra.push(("Node".into(), target.to_owned()));
    }
    Some(Head { node, has_numbers: false, is_known })
}

/// Sets the kind; returns what follows its name.
fn kind<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    join(node, text)
        .or_else(|| aggregate(node, text))
        .or_else(|| set_operation(node, text))
        .or_else(|| modification(node, text))
        .or_else(|| custom(node, text))
        .or_else(|| plain(node, text))
}

fn join<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    let kinds = [("Nested Loop", NodeKind::NestedLoop), ("Hash", NodeKind::HashJoin), ("Merge", NodeKind::MergeJoin)];
    for (name, kind) in kinds {
        let Some(rest) = text.strip_prefix(name) else { continue };
        if let Some((word, rest)) = rest.split_once("Join")
            && let Some(join) = if word == " " { Some(JoinType::Inner) } else { JoinType::from_name(word.trim()) }
        {
            node.kind = kind;
            node.join_type = Some(join);
            return Some(rest);
        }
        if kind == NodeKind::NestedLoop && rest.is_empty() {
            node.kind = kind;
            node.join_type = Some(JoinType::Inner);
            return Some(rest);
        }
    }
    None
}

fn aggregate<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    let (mode, rest) = if let Some(rest) = text.strip_prefix("Partial ") {
        (PartialMode::Partial, rest)
    } else if let Some(rest) = text.strip_prefix("Finalize ") {
        (PartialMode::Finalize, rest)
    } else {
        (PartialMode::Simple, text)
    };
    let strategies = [
        ("Aggregate", Strategy::Plain),
        ("GroupAggregate", Strategy::Sorted),
        ("HashAggregate", Strategy::Hashed),
        ("MixedAggregate", Strategy::Mixed),
    ];
    let (rest, strategy) =
        strategies.iter().find_map(|(name, strategy)| Some((rest.strip_prefix(name)?, *strategy)))?;
    node.kind = NodeKind::Aggregate;
    node.strategy = Some(strategy);
    node.partial_mode = Some(mode);
    Some(rest)
}

fn set_operation<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    let (strategy, rest) = match text.strip_prefix("HashSetOp") {
        Some(rest) => (Strategy::Hashed, rest),
        None => (Strategy::Sorted, text.strip_prefix("SetOp")?),
    };
    node.kind = NodeKind::SetOp;
    node.strategy = Some(strategy);
    node.command = Some(rest.trim().to_owned()).filter(|command| !command.is_empty());
    Some("")
}

fn modification<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    let (foreign, rest) = text.strip_prefix("Foreign ").map_or((false, text), |rest| (true, rest));
    if foreign && let Some(rest) = rest.strip_prefix("Scan") {
        node.kind = NodeKind::ForeignScan;
        node.operation = Some(Operation::Select);
        return Some(rest);
    }
    for operation in [Operation::Insert, Operation::Update, Operation::Delete, Operation::Merge] {
        if let Some(rest) = rest.strip_prefix(operation.name())
            && (rest.starts_with(" on ") || (foreign && rest.is_empty()))
        {
            node.kind = if foreign { NodeKind::ForeignScan } else { NodeKind::ModifyTable };
            node.operation = Some(operation);
            return Some(rest);
        }
    }
    None
}

fn custom<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    let (provider, rest) = text.strip_prefix("Custom Scan (")?.split_once(')')?;
    node.kind = NodeKind::CustomScan;
    node.provider = Some(provider.to_owned());
    Some(rest)
}

/// The longest known name that the text begins with, at a word's end.
fn plain<'a>(node: &mut Node, text: &'a str) -> Option<&'a str> {
    let (kind, rest) = NodeKind::KNOWN
        .iter()
        .filter_map(|kind| Some((kind, text.strip_prefix(kind.name())?)))
        .filter(|(_, rest)| rest.is_empty() || rest.starts_with(' '))
        .min_by_key(|(_, rest)| rest.len())?;
    node.kind = kind.clone();
    Some(rest)
}

/// Reads ` Backward using index on schema.name alias`; returns what was not understood.
fn target_of<'a>(node: &mut Node, text: &'a str) -> &'a str {
    let mut rest = text.trim_start();
    if matches!(node.kind, NodeKind::IndexScan | NodeKind::IndexOnlyScan) {
        node.scan_direction = Some(Direction::Forward);
        for direction in [Direction::Backward, Direction::NoMovement] {
            if let Some(after) = rest.strip_prefix(direction.name()) {
                node.scan_direction = Some(direction);
                rest = after.trim_start();
            }
        }
    }
    if let Some((index, after)) = rest.strip_prefix("using ").and_then(identifier) {
        node.index_name = Some(index);
        rest = after.trim_start();
    }
    let Some((first, after)) = rest.strip_prefix("on ").and_then(identifier) else { return rest };
    if node.kind == NodeKind::BitmapIndexScan {
        node.index_name = Some(first);
        return after.trim_start();
    }
    let (schema, name, after) = match after.strip_prefix('.').and_then(identifier) {
        Some((name, after)) => (Some(first), name, after),
        None => (None, first, after),
    };
    let (alias, rest) = match identifier(after.trim_start()) {
        Some((alias, after)) => (Some(alias), after.trim_start()),
        None => (None, after.trim_start()),
    };
    let relation = node.relation.insert(Relation { schema, name: None, alias });
    match node.kind {
        // These have no name of their own in the catalogue; what is printed is the alias.
        NodeKind::SubqueryScan | NodeKind::ValuesScan => relation.alias = Some(name),
        NodeKind::CteScan | NodeKind::WorkTableScan => node.cte_name = Some(name),
        // A function that was replaced by its body has an alias only.
        NodeKind::FunctionScan | NodeKind::TableFunctionScan => node.function_name = Some(name),
        NodeKind::NamedTuplestoreScan => node.extra.push(("Tuplestore Name".into(), name)),
        _ => relation.name = Some(name),
    }
    rest
}

/// A quoted or plain identifier at the start, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    if let Some(body) = text.strip_prefix('"') {
        let mut from = 0;
        loop {
            let end = from + body[from..].find('"')?;
            if body[end + 1..].starts_with('"') {
                from = end + 2;
            } else {
                return Some((body[..end].replace("\"\"", "\""), &body[end + 1..]));
            }
        }
    }
    let end = text.find([' ', '.']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The label is the line's description again, when nothing was lost.
    fn check(line: &str) -> Node {
        let head = parse(line).expect("a node's line");
        assert_eq!(head.node.label(), split_numbers(line).0);
        assert!(head.is_known, "{line}");
        head.node
    }

    #[test]
    fn labels_survive() {
        for line in [
            "Seq Scan on t",
            "Parallel Seq Scan on public.\"Order\" o",
            "Index Scan Backward using \"I 1\" on s.t a",
            "Index Only Scan using i on t",
            "Bitmap Index Scan on i",
            "Nested Loop",
            "Nested Loop Left Join",
            "Parallel Hash Right Anti Join",
            "Hash Join",
            "Hash",
            "Parallel Hash",
            "Merge Full Join",
            "Merge Append",
            "Merge on t",
            "Update on s.t a",
            "Partial GroupAggregate",
            "Finalize HashAggregate",
            "MixedAggregate",
            "HashSetOp Except All",
            "SetOp Intersect",
            "Foreign Scan on f",
            "Async Foreign Scan on f",
            "Foreign Update on f",
            "Foreign Scan",
            "Custom Scan (ChunkAppend) on t",
            "CTE Scan on x a",
            "WorkTable Scan on x",
            "Subquery Scan on \"*SELECT* 1\"",
            "Values Scan on \"*VALUES*\"",
            "Function Scan on pg_catalog.generate_series g",
            "Table Function Scan on \"xmltable\"",
            "Gather Merge",
            "Incremental Sort",
            "WindowAgg",
        ] {
            if line.starts_with("Table Function") {
                assert_eq!(parse(line).expect("a node's line").node.function_name.as_deref(), Some("xmltable"));
            } else {
                check(line);
            }
        }
    }

    #[test]
    fn numbers_of_all_versions() {
        let node =
            check("Seq Scan on t  (cost=0.10..35.50 rows=2550 width=4) (actual time=0.009..0.010 rows=1 loops=2)");
        assert_eq!((node.startup_cost, node.total_cost, node.plan_rows, node.plan_width), (0.1, 35.5, 2550.0, 4));
        let actual = node.actual.expect("analyzed");
        assert_eq!((actual.startup_ms, actual.total_ms, actual.rows, actual.loops), (Some(0.009), Some(0.01), 1.0, 2));
        assert_eq!(check("Sort (actual rows=1.50 loops=2)").actual.expect("analyzed").rows, 1.5);
        assert!(check("Sort  (cost=0.10..35.50 rows=2550 width=4) (never executed)").never_executed());
    }

    #[test]
    fn unknown_kinds_keep_their_name() {
        let head = parse("Warp Scan using w on t  (cost=0.00..1.00 rows=1 width=4)").expect("a node's line");
        assert_eq!(head.node.kind, NodeKind::Other("Warp Scan".into()));
        assert_eq!(head.node.label(), "Warp Scan using w on t");
        assert!(parse("select 1").is_none());
    }
}
