//! EXPLAIN output to a typed plan tree, and findings on it.
//!
//! [`parse`] reads what people have at hand: the text or JSON format, raw, as psql or pgAdmin prints it, or as
//! auto_explain puts it into a log, of PostgreSQL 9.6 to 18. The tree keeps everything that was printed: what is not
//! modelled lies in [`Node::extra`]. [`Plan::accounts`] does the arithmetic that the printed numbers need before they
//! mean anything (loops, parallel workers, sub-plans), [`Plan::rows`] lays the tree out for printing, and
//! [`findings`] says what matters in it. This crate opens no files and knows no database.
//!
//! ```
//! let text = "\
//! Limit  (cost=0.00..0.20 rows=2 width=4) (actual time=0.010..0.030 rows=2 loops=1)
//!   ->  Seq Scan on shop.orders o  (cost=0.00..100.00 rows=1000 width=4) (actual time=0.008..0.025 rows=2 loops=1)
//!         Filter: (state = 'open'::text)
//!         Rows Removed by Filter: 40
//! Execution Time: 0.050 ms
//! ";
//! let (plans, findings) = dbopt_plan::parse("plan.txt", text);
//! assert!(findings.is_empty());
//! let scan = &plans[0].root.children[0];
//! assert_eq!(scan.label(), "Seq Scan on shop.orders o");
//! assert_eq!(scan.condition(dbopt_plan::ConditionKind::Filter), Some("(state = 'open'::text)"));
//! assert_eq!(plans[0].execution_ms, Some(0.05));
//! ```
//!
//! Source of the format: PostgreSQL's `src/backend/commands/explain.c` and
//! <https://www.postgresql.org/docs/current/using-explain.html>.

mod tree;

mod account;
mod rules;
mod summary;

mod input;
mod json;
mod json_reader;
mod property;
mod text;
mod text_head;
mod text_property;

pub use account::{Account, Accounts, EstimateDirection, Misestimate};
pub use input::{Format, fuzz_parse, parse, parse_json, parse_text};
pub use rules::{Impact, PlanFinding, findings};
pub use summary::{BlocksSummary, Detail, PlanSummary, TreeRow, TriggerSummary};
pub use tree::condition::{Condition, ConditionKind};
pub use tree::kind::NodeKind;
pub use tree::node::{
    Actual, Direction, JoinType, Node, Operation, PartialMode, Relation, Relationship, Strategy, Worker,
};
pub use tree::plan::{Jit, Plan, Planning, Trigger};
pub use tree::usage::{BlockCounts, Buffers, CacheUse, HashUse, IoTimes, SortGroups, SortUse, Storage, Usage, Wal};

/// The deepest nesting of plan nodes that is read; deeper nodes are left out with a finding.
///
/// PostgreSQL itself plans no deeper than its own stack allows, and a join of 100 tables nests little more than 100 levels. The
/// limit keeps the recursion of `Drop`, `Clone` and `Debug` within the 2 MiB stack of a spawned thread.
pub const MAX_DEPTH: usize = 250;

/// The most plan nodes that are read from one input, which bounds memory; further nodes are left out with a finding.
pub const MAX_NODES: usize = 50_000;
