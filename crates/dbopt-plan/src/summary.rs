//! The plan laid out for printing, and on the wire.
//!
//! These are the structs that are written as JSON; their fields are part of the report's format.

use serde::Serialize;

use crate::account::{EstimateDirection, Misestimate};
use crate::tree::node::Node;
use crate::tree::plan::Plan;
use crate::tree::usage::Buffers;

/// One line of the printed tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TreeRow {
    /// Depth; 0 for the root.
    pub depth: usize,
    /// Heading of a sub-plan, such as `CTE recent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subplan: Option<String>,
    /// The node, such as `Index Scan using i on t a`.
    pub label: String,
    /// Time in the node itself, ms.
    pub exclusive_ms: Option<f64>,
    /// Time with inputs, ms.
    pub inclusive_ms: Option<f64>,
    /// Share of the statement's time, or of its cost when there is no time, from 0 to 1.
    pub share: f64,
    /// Estimated cost with inputs, as printed.
    pub cost: f64,
    /// Estimated rows of a loop.
    pub rows_estimated: f64,
    /// Rows of a loop; none without ANALYZE.
    pub rows_actual: Option<f64>,
    /// By which factor the estimate is off; above 0 there were more rows than estimated, below 0 fewer. None when it
    /// cannot be compared fairly.
    pub misestimate: Option<f64>,
    /// Executions over all processes; none without ANALYZE.
    pub loops: Option<u64>,
    /// Blocks touched by the node itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers: Option<BlocksSummary>,
    /// Conditions, keys and what was used, one a line.
    pub details: Vec<Detail>,
}

/// A line below a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Detail {
    /// What it is, such as `Filter`.
    pub name: String,
    /// Its value.
    pub text: String,
    /// Whether the value is an SQL expression, which may hold literals and so personal data.
    pub is_expression: bool,
}

/// Counts of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlocksSummary {
    /// Found in the buffer cache.
    pub shared_hit: u64,
    /// Read in.
    pub shared_read: u64,
    /// Changed.
    pub shared_dirtied: u64,
    /// Written out.
    pub shared_written: u64,
    /// Blocks of temporary tables, of any kind.
    pub local: u64,
    /// Read from spill files.
    pub temp_read: u64,
    /// Written to spill files.
    pub temp_written: u64,
}

impl From<Buffers> for BlocksSummary {
    fn from(buffers: Buffers) -> Self {
        let Buffers { shared, local, temp } = buffers;
        Self {
            shared_hit: shared.hit,
            shared_read: shared.read,
            shared_dirtied: shared.dirtied,
            shared_written: shared.written,
            local: local.hit.saturating_add(local.read).saturating_add(local.written),
            temp_read: temp.read,
            temp_written: temp.written,
        }
    }
}

/// A plan on the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanSummary {
    /// Time to plan, ms.
    pub planning_ms: Option<f64>,
    /// Time to execute, ms.
    pub execution_ms: Option<f64>,
    /// Estimated cost of the root.
    pub total_cost: f64,
    /// Whether it was executed.
    pub is_analyzed: bool,
    /// The nodes, each before its children.
    pub nodes: Vec<TreeRow>,
    /// Triggers.
    pub triggers: Vec<TriggerSummary>,
}

/// A trigger on the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TriggerSummary {
    /// Name of the trigger, or else of its constraint.
    pub name: String,
    /// Time of all calls, ms.
    pub time_ms: Option<f64>,
    /// Calls.
    pub calls: u64,
}

impl Plan {
    /// The tree, line by line.
    #[must_use]
    pub fn rows(&self) -> Vec<TreeRow> {
        let accounts = self.accounts();
        accounts
            .iter()
            .map(|(_, node, account)| TreeRow {
                depth: account.depth,
                subplan: node.subplan_name.clone(),
                label: node.label(),
                exclusive_ms: account.exclusive_ms,
                inclusive_ms: account.inclusive_ms,
                share: account.share,
                cost: node.total_cost,
                rows_estimated: node.plan_rows,
                rows_actual: node.actual.map(|actual| actual.rows),
                misestimate: account.misestimate.filter(|misestimate| misestimate.fair).map(signed),
                loops: node.actual.map(|actual| actual.loops),
                buffers: account.exclusive_buffers.map(BlocksSummary::from),
                details: details(node),
            })
            .collect()
    }

    /// The plan on the wire.
    #[must_use]
    pub fn summary(&self) -> PlanSummary {
        let triggers = self.triggers.iter().map(|trigger| TriggerSummary {
            name: trigger.name.clone().or_else(|| trigger.constraint.clone()).unwrap_or_default(),
            time_ms: trigger.time_ms,
            calls: trigger.calls,
        });
        PlanSummary {
            planning_ms: self.planning_ms,
            execution_ms: self.execution_ms,
            total_cost: self.total_cost(),
            is_analyzed: self.is_analyzed(),
            nodes: self.rows(),
            triggers: triggers.collect(),
        }
    }
}

fn signed(misestimate: Misestimate) -> f64 {
    match misestimate.direction {
        EstimateDirection::Under => misestimate.factor,
        EstimateDirection::Over => -misestimate.factor,
    }
}

fn details(node: &Node) -> Vec<Detail> {
    let mut details = Vec::new();
    let mut add = |name: &str, text: String, is_expression: bool| {
        details.push(Detail { name: name.to_owned(), text, is_expression });
    };
    for (name, keys) in [("Group Key", &node.group_key), ("Sort Key", &node.sort_key)] {
        if !keys.is_empty() {
            add(name, keys.join(", "), true);
        }
    }
    for condition in &node.conditions {
        add(condition.kind.name(), condition.text.clone(), true);
    }
    for (name, rows) in [
        ("Rows Removed by Filter", node.rows_removed_by_filter),
        ("Rows Removed by Join Filter", node.rows_removed_by_join_filter),
        ("Rows Removed by Index Recheck", node.rows_removed_by_recheck),
    ] {
        if rows > 0.0 {
            add(name, format!("{rows}"), false);
        }
    }
    let usage = &node.usage;
    if let Some(sort) = &usage.sort {
        let place = if sort.on_disk { "on disk" } else { "in memory" };
        add("Sort", format!("{}, {} kB {place}", sort.method, sort.space_kb), false);
    }
    for groups in &usage.sort_groups {
        let name = if groups.presorted { "Pre-sorted Groups" } else { "Full-sort Groups" };
        let place = if groups.on_disk { "on disk" } else { "in memory" };
        add(name, format!("{}, up to {} kB {place}", groups.count, groups.peak_kb), false);
    }
    if let Some(hash) = usage.hash.as_ref().filter(|hash| hash.batches.unwrap_or(1) > 1 || hash.disk_kb > 0) {
        let memory = hash.memory_kb.unwrap_or(0);
        let mut text = format!("{} batches, {memory} kB in memory", hash.batches.unwrap_or(1));
        if hash.disk_kb > 0 {
            text.push_str(&format!(", {} kB on disk", hash.disk_kb));
        }
        add("Hash", text, false);
    }
    if let Some(cache) = &usage.cache {
        let text = format!("{} hits, {} misses, {} evictions", cache.hits, cache.misses, cache.evictions);
        add("Cache", text, false);
    }
    if let Some(fetches) = usage.heap_fetches.filter(|fetches| *fetches > 0) {
        add("Heap Fetches", fetches.to_string(), false);
    }
    if usage.lossy_heap_blocks > 0 {
        add("Heap Blocks", format!("{} exact, {} lossy", usage.exact_heap_blocks, usage.lossy_heap_blocks), false);
    }
    if let (Some(planned), Some(launched)) = (node.workers_planned, node.workers_launched) {
        add("Workers", format!("{launched} of {planned} launched"), false);
    }
    if node.never_executed() {
        add("Executed", "never".into(), false);
    }
    details
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_say_what_matters_of_a_node() {
        let (plans, _) = crate::parse_text(
            "Hash Join  (cost=1.00..9.00 rows=1 width=4) (actual time=0.500..10.000 rows=20 loops=1)
  Hash Cond: (a.x = b.x)
  Buffers: shared hit=10 read=2
  ->  Seq Scan on a  (cost=0.00..1.00 rows=20 width=4) (actual time=0.100..6.000 rows=20 loops=1)
        Filter: (name = 'Ada'::text)
        Rows Removed by Filter: 80
        Buffers: shared hit=7
  ->  Hash  (cost=0.00..1.00 rows=1 width=4) (never executed)
        ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4) (never executed)
",
        );
        let json = serde_json::to_value(plans[0].summary()).expect("plain data");
        assert_eq!(json["nodes"][0]["misestimate"], 20.0);
        assert_eq!(json["nodes"][0]["exclusive_ms"], 4.0);
        assert_eq!(json["nodes"][0]["buffers"]["shared_hit"], 3);
        assert_eq!(json["nodes"][1]["share"], 0.6);
        assert_eq!(
            json["nodes"][1]["details"],
            serde_json::json!([
                {"name": "Filter", "text": "(name = 'Ada'::text)", "is_expression": true},
                {"name": "Rows Removed by Filter", "text": "80", "is_expression": false},
            ])
        );
        assert_eq!(json["nodes"][3]["details"][0]["text"], "never");
        assert_eq!(json["nodes"][3]["loops"], 0);
    }
}
