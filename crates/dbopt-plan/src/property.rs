//! One property of a node, worker or plan, by the key that EXPLAIN's JSON format gives it.
//!
//! Both parsers end here: the text parser takes its denser lines apart into the same keys. A key that is not known,
//! or a value that does not fit its key, goes to `extra`, so that nothing is lost.

use crate::tree::condition::{Condition, ConditionKind};
use crate::tree::kind::NodeKind;
use crate::tree::node::{
    Actual, Direction, JoinType, Node, Operation, PartialMode, Relation, Relationship, Strategy, Worker,
};
use crate::tree::plan::{Jit, Plan, Planning, Trigger};
use crate::tree::usage::{Buffers, HashUse, IoTimes, SortGroups, Usage, Wal};

/// A value of a property.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A string, number, boolean or null, as written.
    Scalar(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Map(Vec<(String, Value)>),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Scalar(text.into())
    }

    fn scalar(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// A number that no arithmetic on a plan can bring out of range.
    fn number(&self) -> Option<f64> {
        self.scalar()?.parse::<f64>().ok().filter(|number| number.abs() <= 1e18)
    }

    /// A count; what PostgreSQL prints with decimals is rounded down, below zero is zero.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to integer casts saturate")]
    fn count(&self) -> Option<u64> {
        let text = self.scalar()?;
        text.parse().ok().or_else(|| self.number().map(|number| number as u64))
    }

    fn small_count(&self) -> Option<u32> {
        self.count().map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn truth(&self) -> Option<bool> {
        match self.scalar()? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    fn strings(&self) -> Option<Vec<String>> {
        match self {
            Self::List(items) => items.iter().map(|item| item.scalar().map(str::to_owned)).collect(),
            Self::Scalar(text) => Some(vec![text.clone()]),
            Self::Map(_) => None,
        }
    }

    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value for `extra`: a scalar as it is, a list of scalars as the text format prints it, anything else as
    /// compact JSON with all scalars quoted.
    fn into_extra(self) -> String {
        match self {
            Self::Scalar(text) => text,
            Self::List(items) if items.iter().all(|item| item.scalar().is_some()) => {
                items.iter().filter_map(Self::scalar).collect::<Vec<_>>().join(", ")
            }
            nested => {
                let mut out = String::new();
                nested.write_json(&mut out);
                out
            }
        }
    }

    /// Recursion is bounded by the JSON parser's limit on nested values.
    fn write_json(&self, out: &mut String) {
        match self {
            Self::Scalar(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Sets a property of a node.
pub(crate) fn set_node(node: &mut Node, key: &str, value: Value) {
    if apply_node(node, key, &value).is_none() {
        node.extra.push((key.to_owned(), value.into_extra()));
    }
}

/// Sets a property of a worker.
pub(crate) fn set_worker(worker: &mut Worker, key: &str, value: Value) {
    let done = match key {
        "Worker Number" => value.small_count().map(|number| worker.number = number),
        _ => apply_actual(&mut worker.actual, key, &value).or_else(|| apply_usage(&mut worker.usage, key, &value)),
    };
    if done.is_none() {
        worker.extra.push((key.to_owned(), value.into_extra()));
    }
}

/// Sets a property of a plan.
pub(crate) fn set_plan(plan: &mut Plan, key: &str, value: Value) {
    if apply_plan(plan, key, &value).is_none() {
        plan.extra.push((key.to_owned(), value.into_extra()));
    }
}

/// Brings a finished node into its normal form: what differs between the formats without meaning anything.
pub(crate) fn finish_node(node: &mut Node) {
    if let Some(actual) = node.actual.as_mut().filter(|actual| actual.loops == 0) {
        *actual = Actual::default();
    }
    if let Some(relation) = &mut node.relation {
        let name = relation.name.as_ref().or(node.cte_name.as_ref()).or(node.function_name.as_ref());
        if relation.alias.is_none() {
            relation.alias = name.cloned();
        }
    }
    for buffers in [&mut node.usage.buffers].into_iter().chain(node.workers.iter_mut().map(|w| &mut w.usage.buffers)) {
        *buffers = buffers.filter(|counts| !counts.is_empty());
    }
    for usage in [&mut node.usage].into_iter().chain(node.workers.iter_mut().map(|worker| &mut worker.usage)) {
        usage.io = usage.io.filter(|times| *times != IoTimes::default());
        usage.wal = usage.wal.filter(|wal| *wal != Wal::default());
        if let Some(hash) = &mut usage.hash {
            hash.planned_partitions = hash.planned_partitions.filter(|partitions| *partitions > 0);
            hash.original_buckets = hash.original_buckets.filter(|_| hash.original_buckets != hash.buckets);
            hash.original_batches = hash.original_batches.filter(|_| hash.original_batches != hash.batches);
        }
        usage.hash = usage.hash.take().filter(|hash| *hash != HashUse::default());
    }
}

fn apply_node(node: &mut Node, key: &str, value: &Value) -> Option<()> {
    if let Some(kind) = ConditionKind::from_name(key) {
        let text = value.scalar()?.to_owned();
        node.conditions.push(Condition { kind, text });
        return Some(());
    }
    match key {
        "Node Type" => node.kind = NodeKind::from_name(value.scalar()?),
        "Parent Relationship" => node.relationship = Some(Relationship::from_name(value.scalar()?)?),
        "Subplan Name" => node.subplan_name = Some(value.scalar()?.to_owned()),
        "Parallel Aware" => node.parallel_aware = value.truth()?,
        "Async Capable" => node.async_capable = value.truth()?,
        "Disabled" => node.disabled = value.truth()?,
        "Join Type" => node.join_type = Some(JoinType::from_name(value.scalar()?)?),
        "Inner Unique" => node.inner_unique = value.truth()?,
        "Strategy" => node.strategy = Some(Strategy::from_name(value.scalar()?)?),
        "Partial Mode" => node.partial_mode = Some(PartialMode::from_name(value.scalar()?)?),
        "Operation" => node.operation = Some(Operation::from_name(value.scalar()?)?),
        "Command" => node.command = Some(value.scalar()?.to_owned()),
        "Schema" => relation(node).schema = Some(value.scalar()?.to_owned()),
        "Relation Name" => relation(node).name = Some(value.scalar()?.to_owned()),
        "Alias" => relation(node).alias = Some(value.scalar()?.to_owned()),
        "Index Name" => node.index_name = Some(value.scalar()?.to_owned()),
        "Scan Direction" => node.scan_direction = Some(Direction::from_name(value.scalar()?)?),
        "CTE Name" => node.cte_name = Some(value.scalar()?.to_owned()),
        "Function Name" | "Table Function Name" => node.function_name = Some(value.scalar()?.to_owned()),
        "Custom Plan Provider" => node.provider = Some(value.scalar()?.to_owned()),
        "Startup Cost" => node.startup_cost = value.number()?,
        "Total Cost" => node.total_cost = value.number()?,
        "Plan Rows" => node.plan_rows = value.number()?,
        "Plan Width" => node.plan_width = value.small_count()?,
        "Rows Removed by Filter" => node.rows_removed_by_filter = value.number()?,
        "Rows Removed by Join Filter" => node.rows_removed_by_join_filter = value.number()?,
        "Rows Removed by Index Recheck" => node.rows_removed_by_recheck = value.number()?,
        "Output" => node.output = value.strings()?,
        // In an aggregate it is the sort between two grouping sets, which goes to `extra`.
        "Sort Key" if node.kind != NodeKind::Aggregate => node.sort_key = value.strings()?,
        "Presorted Key" => node.presorted_key = value.strings()?,
        "Group Key" | "Hash Key" => add_group_key(node, key, value.strings()?),
        "Grouping Sets" => {
            node.grouping_sets = grouping_sets(value)?;
            let Value::List(items) = value else { return None };
            let sorts = items.iter().filter_map(|item| item.get("Sort Key"));
            node.extra.extend(sorts.map(|keys| ("Sort Key".to_owned(), keys.clone().into_extra())));
        }
        "Cache Key" => node.cache_key = Some(value.scalar()?.to_owned()),
        "Workers Planned" => node.workers_planned = Some(value.small_count()?),
        "Workers Launched" => node.workers_launched = Some(value.small_count()?),
        "Subplans Removed" => node.subplans_removed = value.count()?,
        "Workers" => node.workers = workers(value)?,
        "Peak Memory Usage" if node.kind == NodeKind::Memoize => cache(&mut node.usage).memory_kb = value.count()?,
        _ => {
            return apply_actual(&mut node.actual, key, value).or_else(|| apply_usage(&mut node.usage, key, value));
        }
    }
    Some(())
}

fn apply_actual(actual: &mut Option<Actual>, key: &str, value: &Value) -> Option<()> {
    let slot: fn(&mut Actual, f64) = match key {
        "Actual Startup Time" => |actual, number| actual.startup_ms = Some(number),
        "Actual Total Time" => |actual, number| actual.total_ms = Some(number),
        "Actual Rows" => |actual, number| actual.rows = number,
        "Actual Loops" => {
            actual.get_or_insert_default().loops = value.count()?;
            return Some(());
        }
        _ => return None,
    };
    // A negative time or row count means nothing; the log may have been tampered with.
    slot(actual.get_or_insert_default(), value.number()?.max(0.0));
    Some(())
}

fn apply_usage(usage: &mut Usage, key: &str, value: &Value) -> Option<()> {
    match key {
        "Sort Method" => usage.sort.get_or_insert_default().method = value.scalar()?.to_owned(),
        "Sort Space Used" => usage.sort.get_or_insert_default().space_kb = value.count()?,
        "Sort Space Type" => usage.sort.get_or_insert_default().on_disk = value.scalar()? == "Disk",
        "Full-sort Groups" => usage.sort_groups.push(sort_groups(value, false)?),
        "Pre-sorted Groups" => usage.sort_groups.push(sort_groups(value, true)?),
        "Hash Buckets" => usage.hash.get_or_insert_default().buckets = Some(value.count()?),
        "Original Hash Buckets" => usage.hash.get_or_insert_default().original_buckets = Some(value.count()?),
        "Hash Batches" | "HashAgg Batches" => usage.hash.get_or_insert_default().batches = Some(value.count()?),
        "Original Hash Batches" => usage.hash.get_or_insert_default().original_batches = Some(value.count()?),
        "Planned Partitions" => usage.hash.get_or_insert_default().planned_partitions = Some(value.count()?),
        // In a worker, whether it belongs to a hash or to a Memoize shows by what came before it.
        "Peak Memory Usage" => match &mut usage.cache {
            Some(cache) => cache.memory_kb = value.count()?,
            None => usage.hash.get_or_insert_default().memory_kb = Some(value.count()?),
        },
        "Disk Usage" => usage.hash.get_or_insert_default().disk_kb = value.count()?,
        "Cache Hits" => cache(usage).hits = value.count()?,
        "Cache Misses" => cache(usage).misses = value.count()?,
        "Cache Evictions" => cache(usage).evictions = value.count()?,
        "Cache Overflows" => cache(usage).overflows = value.count()?,
        "Storage" => usage.storage.get_or_insert_default().on_disk = value.scalar()? == "Disk",
        "Maximum Storage" => usage.storage.get_or_insert_default().maximum_kb = value.count()?,
        "Heap Fetches" => usage.heap_fetches = Some(value.count()?),
        "Exact Heap Blocks" => usage.exact_heap_blocks = value.count()?,
        "Lossy Heap Blocks" => usage.lossy_heap_blocks = value.count()?,
        "Index Searches" => usage.index_searches = Some(value.count()?),
        "WAL Records" => usage.wal.get_or_insert_default().records = value.count()?,
        "WAL FPI" => usage.wal.get_or_insert_default().full_page_images = value.count()?,
        "WAL Bytes" => usage.wal.get_or_insert_default().bytes = value.count()?,
        "WAL Buffers Full" => usage.wal.get_or_insert_default().buffers_full = value.count()?,
        _ => return apply_blocks(&mut usage.buffers, &mut usage.io, key, value),
    }
    Some(())
}

fn apply_blocks(buffers: &mut Option<Buffers>, io: &mut Option<IoTimes>, key: &str, value: &Value) -> Option<()> {
    if let Some(name) = key.strip_suffix(" Blocks") {
        let (kind, what) = name.split_once(' ')?;
        let count = value.count()?;
        let all = buffers.get_or_insert_default();
        let counts = match kind {
            "Shared" => &mut all.shared,
            "Local" => &mut all.local,
            "Temp" => &mut all.temp,
            _ => return None,
        };
        *match what {
            "Hit" => &mut counts.hit,
            "Read" => &mut counts.read,
            "Dirtied" => &mut counts.dirtied,
            "Written" => &mut counts.written,
            _ => return None,
        } = count;
        return Some(());
    }
    let number = value.number();
    let slot: fn(&mut IoTimes) -> &mut f64 = match key {
        // Up to PostgreSQL 16 the times of shared and local blocks were one, which are the shared ones nearly always.
        "I/O Read Time" | "Shared I/O Read Time" => |io| &mut io.shared_read_ms,
        "I/O Write Time" | "Shared I/O Write Time" => |io| &mut io.shared_write_ms,
        "Local I/O Read Time" => |io| &mut io.local_read_ms,
        "Local I/O Write Time" => |io| &mut io.local_write_ms,
        "Temp I/O Read Time" => |io| &mut io.temp_read_ms,
        "Temp I/O Write Time" => |io| &mut io.temp_write_ms,
        _ => return None,
    };
    *slot(io.get_or_insert_default()) = number?;
    Some(())
}

fn apply_plan(plan: &mut Plan, key: &str, value: &Value) -> Option<()> {
    match key {
        "Planning Time" => plan.planning_ms = Some(value.number()?),
        "Execution Time" | "Total Runtime" => plan.execution_ms = Some(value.number()?),
        "Query Text" => plan.query_text = Some(value.scalar()?.to_owned()),
        "Query Parameters" => plan.query_parameters = Some(value.scalar()?.to_owned()),
        "Query Identifier" => plan.query_id = Some(value.scalar()?.parse().ok()?),
        "Planning" => {
            let Value::Map(entries) = value else { return None };
            for (key, value) in entries {
                if set_planning(&mut plan.planning, key, value).is_none() {
                    plan.extra.push((format!("Planning {key}"), value.clone().into_extra()));
                }
            }
            plan.planning.buffers = plan.planning.buffers.filter(|counts| !counts.is_empty());
            plan.planning.io = plan.planning.io.filter(|times| *times != IoTimes::default());
        }
        "Settings" => {
            let Value::Map(entries) = value else { return None };
            for (name, value) in entries {
                plan.settings.push((name.clone(), value.scalar()?.to_owned()));
            }
        }
        "Triggers" => {
            let Value::List(items) = value else { return None };
            plan.triggers = items.iter().map(trigger).collect::<Option<_>>()?;
        }
        "JIT" => plan.jit = Some(jit(value)?),
        _ => return None,
    }
    Some(())
}

/// Sets a property of the planning part.
pub(crate) fn set_planning(planning: &mut Planning, key: &str, value: &Value) -> Option<()> {
    match key {
        "Memory Used" => planning.memory_used_kb = Some(value.count()?),
        "Memory Allocated" => planning.memory_allocated_kb = Some(value.count()?),
        _ => return apply_blocks(&mut planning.buffers, &mut planning.io, key, value),
    }
    Some(())
}

fn relation(node: &mut Node) -> &mut Relation {
    node.relation.get_or_insert_default()
}

fn cache(usage: &mut Usage) -> &mut crate::tree::usage::CacheUse {
    usage.cache.get_or_insert_default()
}

/// The text format has one line for each grouping set; a single `Group Key` is an ordinary grouping.
fn add_group_key(node: &mut Node, key: &str, columns: Vec<String>) {
    let first = node.group_key.is_empty() && node.grouping_sets.is_empty();
    if first && key == "Group Key" && !columns.is_empty() {
        node.group_key = columns;
        return;
    }
    if !node.group_key.is_empty() {
        node.grouping_sets.push(std::mem::take(&mut node.group_key));
    }
    node.grouping_sets.push(columns);
}

/// Accepts `[["a"], []]` and the JSON format's `[{"Hash Keys": [["a"]]}, {"Group Keys": [[]]}]`.
fn grouping_sets(value: &Value) -> Option<Vec<Vec<String>>> {
    let Value::List(items) = value else { return None };
    let mut sets = Vec::new();
    for item in items {
        match item {
            Value::Map(entries) => {
                for (key, keys) in entries {
                    if matches!(key.as_str(), "Hash Keys" | "Group Keys") {
                        sets.extend(grouping_sets(keys)?);
                    }
                }
            }
            other => sets.push(other.strings()?),
        }
    }
    Some(sets)
}

fn workers(value: &Value) -> Option<Vec<Worker>> {
    let Value::List(items) = value else { return None };
    let mut workers = Vec::new();
    for item in items {
        let Value::Map(entries) = item else { return None };
        let mut worker = Worker::default();
        for (key, value) in entries {
            set_worker(&mut worker, key, value.clone());
        }
        workers.push(worker);
    }
    Some(workers)
}

fn sort_groups(value: &Value, presorted: bool) -> Option<SortGroups> {
    let mut groups = SortGroups {
        presorted,
        count: value.get("Group Count")?.count()?,
        methods: value.get("Sort Methods Used").and_then(Value::strings).unwrap_or_default(),
        ..SortGroups::default()
    };
    // A group may have used both; the disk is what matters then.
    for (key, on_disk) in [("Sort Space Memory", false), ("Sort Space Disk", true)] {
        if let Some(space) = value.get(key) {
            groups.average_kb = space.get("Average Sort Space Used").and_then(Value::count).unwrap_or(0);
            groups.peak_kb = space.get("Peak Sort Space Used").and_then(Value::count).unwrap_or(0);
            groups.on_disk = on_disk;
        }
    }
    Some(groups)
}

fn trigger(value: &Value) -> Option<Trigger> {
    let text = |key| value.get(key).and_then(Value::scalar).map(str::to_owned);
    Some(Trigger {
        name: text("Trigger Name"),
        constraint: text("Constraint Name"),
        relation: text("Relation"),
        time_ms: value.get("Time").and_then(Value::number),
        calls: value.get("Calls")?.count()?,
    })
}

fn jit(value: &Value) -> Option<Jit> {
    let timing = value.get("Timing");
    // PostgreSQL 17+ splits the generation into deforming and the total.
    let time = |key: &str| {
        let value = timing?.get(key)?;
        value.number().or_else(|| value.get("Total")?.number())
    };
    let options = match value.get("Options") {
        Some(Value::Map(entries)) => {
            entries.iter().filter_map(|(name, value)| Some((name.clone(), value.truth()?))).collect()
        }
        _ => Vec::new(),
    };
    Some(Jit {
        functions: value.get("Functions")?.count()?,
        options,
        generation_ms: time("Generation"),
        inlining_ms: time("Inlining"),
        optimization_ms: time("Optimization"),
        emission_ms: time("Emission"),
        total_ms: time("Total"),
    })
}
