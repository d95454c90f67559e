//! Advice as it leaves the program.

use dbopt_advisor::{
    Advice, Benefit, Confidence, CreateIndex, DropIndex, DropReason, Engine, MissingForeignKey, Query, Unhelped,
    UnhelpedReason, statements,
};
use dbopt_catalog::{Catalog, Quality, Table};
use dbopt_finding::Finding;
use dbopt_workload::Workload;
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView, input::InputView, redact};

/// What `dbopt advise` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt advice")]
pub(crate) struct AdviceView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Where the tables and statistics come from.
    pub(crate) catalogue: CatalogueView,
    /// What the workload holds.
    pub(crate) workload: WorkloadView,
    /// Indexes to create, the most useful first.
    pub(crate) create: Vec<CreateView>,
    /// Indexes to drop.
    pub(crate) drop: Vec<DropView>,
    /// Indexes that were not used so far, while too little is known to drop them.
    pub(crate) unproven: Vec<DropView>,
    /// Foreign keys without an index on the referencing side.
    pub(crate) foreign_keys: Vec<ForeignKeyView>,
    /// Queries that no index helps, the most expensive first.
    pub(crate) unhelped: Vec<UnhelpedView>,
    /// Sums.
    pub(crate) totals: TotalsView,
    /// Storage and workload cost after each index of `create`.
    pub(crate) frontier: Vec<FrontierView>,
    /// What to know about the inputs.
    pub(crate) findings: Vec<FindingView>,
    /// Whether the search was interrupted, and this is the best answer so far.
    pub(crate) interrupted: bool,
}

/// Where tables and statistics come from.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CatalogueView {
    /// `live`, `snapshot` or `ddl`.
    pub(crate) source: String,
    /// The database's name.
    pub(crate) database: Option<String>,
    /// `server_version_num`.
    pub(crate) server_version_num: u32,
    /// `full`, `redacted` or `defaults`.
    pub(crate) statistics: String,
    /// Number of tables.
    pub(crate) tables: usize,
}

/// What the workload holds.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct WorkloadView {
    /// Query classes read.
    pub(crate) classes: usize,
    /// Query classes that were planned.
    pub(crate) planned: usize,
    /// Executions.
    pub(crate) calls: u64,
    /// Milliseconds spent in them.
    pub(crate) total_ms: f64,
    /// The inputs.
    pub(crate) inputs: Vec<InputView>,
}

/// An index to create.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CreateView {
    /// Schema of the table.
    pub(crate) schema: String,
    /// The table.
    pub(crate) table: String,
    /// Name of the index.
    pub(crate) name: String,
    /// Key columns and expressions, in order.
    pub(crate) keys: Vec<String>,
    /// `INCLUDE` columns.
    pub(crate) include: Vec<String>,
    /// `WHERE` of a partial index.
    pub(crate) predicate: Option<String>,
    /// Access method.
    pub(crate) method: String,
    /// Statements that create it, to be run one by one and outside a transaction.
    pub(crate) sql: Vec<String>,
    /// Statements that take it back.
    pub(crate) rollback: Vec<String>,
    /// Queries that it helps.
    pub(crate) queries: Vec<BenefitView>,
    /// Share of the logged time that is spent in these queries, 0 to 1; absent when the workload has no times.
    pub(crate) time_share: Option<f64>,
    /// Predicted size in bytes.
    pub(crate) bytes: f64,
    /// Predicted build time in seconds.
    pub(crate) build_seconds: Option<f64>,
    /// What it costs the writes of the workload.
    pub(crate) write: WriteView,
    /// Existing indexes that it makes redundant.
    pub(crate) replaces: Vec<String>,
    /// `low`, `medium` or `high`.
    pub(crate) confidence: String,
    /// `model` or `hypopg`.
    pub(crate) engine: String,
    /// What else to know.
    pub(crate) notes: Vec<String>,
}

/// What an index does for a query.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct BenefitView {
    /// The query.
    #[serde(flatten)]
    pub(crate) query: QueryView,
    /// Planner cost of one execution as things are.
    pub(crate) cost_before: f64,
    /// Planner cost of one execution with all advised indexes.
    pub(crate) cost_after: f64,
    /// Plan as things are, in short.
    pub(crate) plan_before: String,
    /// Plan with all advised indexes, in short.
    pub(crate) plan_after: String,
}

/// A query class.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct QueryView {
    /// Fingerprint, 16 hexadecimal digits.
    pub(crate) fingerprint: String,
    /// Text without literals.
    pub(crate) text: String,
    /// Executions.
    pub(crate) calls: f64,
    /// Milliseconds spent in it.
    pub(crate) total_ms: Option<f64>,
    /// Share of the logged time, 0 to 1.
    pub(crate) time_share: Option<f64>,
}

/// What an index costs writes.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct WriteView {
    /// Index entries that the workload writes.
    pub(crate) entries: f64,
    /// Their cost in planner units.
    pub(crate) cost: f64,
    /// The cost as a share of what the index saves.
    pub(crate) share_of_gain: f64,
    /// Whether it is over an updated column and so stops HOT updates.
    pub(crate) stops_hot: bool,
}

/// An index to drop.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DropView {
    /// Schema of the index.
    pub(crate) schema: String,
    /// Its table.
    pub(crate) table: String,
    /// Its name.
    pub(crate) name: String,
    /// Statement that drops it.
    pub(crate) sql: String,
    /// Statement that takes that back.
    pub(crate) rollback: String,
    /// `duplicate`, `covered`, `replaced`, `unused` or `invalid`.
    pub(crate) reason: String,
    /// The reason in words.
    pub(crate) why: String,
    /// Bytes that it frees.
    pub(crate) bytes: Option<f64>,
    /// `low`, `medium` or `high`.
    pub(crate) confidence: String,
    /// What to know before dropping it.
    pub(crate) notes: Vec<String>,
}

/// A foreign key without an index.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ForeignKeyView {
    /// Schema of the referencing table.
    pub(crate) schema: String,
    /// The referencing table.
    pub(crate) table: String,
    /// The constraint.
    pub(crate) constraint: String,
    /// Referencing columns.
    pub(crate) columns: Vec<String>,
    /// Referenced table.
    pub(crate) references: String,
    /// Statements that create an index for it.
    pub(crate) sql: Vec<String>,
    /// Planner cost that each deleted row of the referenced table pays without it.
    pub(crate) cost_per_delete: f64,
    /// Deletes on the referenced table, when known.
    pub(crate) deletes: Option<f64>,
    /// Predicted size in bytes.
    pub(crate) bytes: f64,
}

/// A query that no index helps.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct UnhelpedView {
    /// The query.
    #[serde(flatten)]
    pub(crate) query: QueryView,
    /// `already-served`, `reads-most-rows`, `not-indexable`, `writes-cost-more`, `over-budget`, `small-gain`,
    /// `unknown-table`, `not-planned` or `nothing-to-read`.
    pub(crate) reason: String,
    /// The reason in words.
    pub(crate) why: String,
    /// What else could help.
    pub(crate) hint: Option<String>,
}

/// Sums over the workload.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct TotalsView {
    /// Planner cost of all reads as things are.
    pub(crate) cost_before: f64,
    /// Planner cost of all reads with the advised indexes.
    pub(crate) cost_after: f64,
    /// Predicted bytes of the indexes to create.
    pub(crate) create_bytes: f64,
    /// Bytes that the indexes to drop free.
    pub(crate) drop_bytes: f64,
    /// Candidates that were thought of.
    pub(crate) candidates: usize,
    /// Questions that were answered, the server's among them.
    pub(crate) questions: usize,
    /// Questions that the server answered, each by one EXPLAIN.
    pub(crate) explains: usize,
}

/// A point of the storage–cost curve.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct FrontierView {
    /// Bytes of the indexes up to here.
    pub(crate) bytes: f64,
    /// Workload cost with them.
    pub(crate) cost: f64,
}

/// What a view is made from.
pub(crate) struct Sources<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) source: &'a str,
    pub(crate) workload: &'a Workload,
    pub(crate) queries: &'a [Query],
    /// How many of the queries, the last ones, come from plans and not from the workload.
    pub(crate) planned: usize,
    pub(crate) findings: &'a [Finding],
    pub(crate) interrupted: bool,
    pub(crate) redact: bool,
}

impl Sources<'_> {
    /// The queries that come from plans.
    fn of_plans(&self) -> &[Query] {
        &self.queries[self.queries.len().saturating_sub(self.planned)..]
    }

    /// Milliseconds spent in the workload and in the plans.
    fn total_ms(&self) -> f64 {
        self.workload.total_ms() + self.of_plans().iter().filter_map(|query| query.total_ms).sum::<f64>()
    }

    /// A text that may hold literals, without them when they are to be redacted.
    fn shown(&self, text: &str) -> String {
        if self.redact { redact::masked(text) } else { text.to_owned() }
    }
}

impl AdviceView {
    /// The view of an advice.
    pub(crate) fn new(advice: &Advice, from: &Sources<'_>) -> Self {
        let catalog = from.catalog;
        Self {
            schema_version: SCHEMA_VERSION,
            catalogue: CatalogueView {
                source: from.source.to_owned(),
                database: catalog.database.clone(),
                server_version_num: catalog.server.version_num,
                statistics: match catalog.quality {
                    Quality::Defaults => "defaults",
                    Quality::Redacted => "redacted",
                    Quality::Full => "full",
                }
                .to_owned(),
                tables: catalog.tables.len(),
            },
            workload: WorkloadView {
                classes: from.workload.classes.len() + from.planned,
                planned: from.queries.len(),
                calls: from.workload.calls() + from.planned as u64,
                total_ms: from.total_ms(),
                inputs: from.workload.coverage.inputs.iter().map(InputView::from).collect(),
            },
            create: advice.create.iter().map(|create| CreateView::new(create, from)).collect(),
            drop: advice.drop.iter().map(|drop| DropView::new(drop, advice, from)).collect(),
            unproven: advice.unproven.iter().map(|drop| DropView::new(drop, advice, from)).collect(),
            foreign_keys: advice.foreign_keys.iter().map(|key| ForeignKeyView::new(key, catalog)).collect(),
            unhelped: advice.unhelped.iter().map(|unhelped| UnhelpedView::new(unhelped, from)).collect(),
            totals: TotalsView {
                cost_before: advice.totals.cost_before,
                cost_after: advice.totals.cost_after,
                // An empty sum is -0.
                create_bytes: advice.totals.create_bytes + 0.0,
                drop_bytes: advice.totals.drop_bytes + 0.0,
                candidates: advice.totals.candidates,
                questions: advice.totals.questions,
                explains: advice.totals.explains,
            },
            frontier: advice.frontier.iter().map(|(bytes, cost)| FrontierView { bytes: *bytes, cost: *cost }).collect(),
            findings: from.findings.iter().map(FindingView::from).collect(),
            interrupted: from.interrupted,
        }
    }

    /// Whether there is anything to do.
    pub(crate) fn has_advice(&self) -> bool {
        !self.create.is_empty() || !self.drop.is_empty()
    }
}

impl CreateView {
    fn new(create: &CreateIndex, from: &Sources<'_>) -> Self {
        let table = from.catalog.table(create.table);
        let queries: Vec<BenefitView> = create.benefits.iter().map(|benefit| BenefitView::new(benefit, from)).collect();
        let shares: Option<Vec<f64>> = queries.iter().map(|benefit| benefit.query.time_share).collect();
        Self {
            schema: table.schema.clone(),
            table: table.name.clone(),
            name: create.index.name.clone(),
            keys: create.index.keys.iter().map(statements::key).collect(),
            include: create.index.include.clone(),
            predicate: create.index.predicate.clone(),
            method: create.index.method.name().to_owned(),
            sql: statements::create(from.catalog, create.table, &create.index),
            rollback: statements::rollback(from.catalog, create.table, &create.index),
            time_share: shares.map(|shares| shares.iter().sum()),
            queries,
            bytes: create.bytes,
            build_seconds: create.build_seconds,
            write: WriteView {
                entries: create.write.entries,
                cost: create.write.cost,
                share_of_gain: create.write.share_of_gain,
                stops_hot: create.write.stops_hot,
            },
            replaces: create.replaces.iter().map(|at| table.indexes[*at].name.clone()).collect(),
            confidence: confidence(create.confidence).to_owned(),
            engine: engine(create.engine).to_owned(),
            notes: create.notes.clone(),
        }
    }
}

impl BenefitView {
    fn new(benefit: &Benefit, from: &Sources<'_>) -> Self {
        Self {
            query: QueryView::new(&from.queries[benefit.query.0], from),
            cost_before: benefit.cost_before,
            cost_after: benefit.cost_after,
            plan_before: from.shown(&benefit.plan_before),
            plan_after: from.shown(&benefit.plan_after),
        }
    }
}

impl QueryView {
    fn new(query: &Query, from: &Sources<'_>) -> Self {
        let all = from.total_ms();
        Self {
            fingerprint: query.fingerprint.clone(),
            text: query.normalized.clone(),
            calls: query.calls,
            total_ms: query.total_ms,
            time_share: query.total_ms.filter(|_| all > 0.0).map(|ms| ms / all),
        }
    }
}

impl DropView {
    fn new(drop: &DropIndex, advice: &Advice, from: &Sources<'_>) -> Self {
        let table = from.catalog.table(drop.table);
        let index = &table.indexes[drop.index];
        let named = |at: usize| table.indexes[at].name.clone();
        let (reason, why) = match &drop.reason {
            DropReason::Duplicate(of) => ("duplicate", format!("the same as {}", named(*of))),
            DropReason::CoveredBy(by) => ("covered", format!("its keys lead {}", named(*by))),
            DropReason::ReplacedBy(by) => {
                ("replaced", format!("its keys lead the advised {}", advice.create[*by].index.name))
            }
            DropReason::Unused { days } => {
                let since = match days {
                    Some(days) if *days >= 2.0 => format!("in {days:.0} days"),
                    Some(days) if *days >= 2.0 / 24.0 => format!("in {:.0} hours", days * 24.0),
                    Some(_) => "in the short time since the statistics were reset".to_owned(),
                    None => "since the statistics were reset, at a time that is not known".to_owned(),
                };
                ("unused", format!("not scanned {since}, and no query of this workload needs it"))
            }
            DropReason::Invalid => ("invalid", "left invalid by a failed concurrent build".to_owned()),
        };
        Self {
            schema: index.schema.clone(),
            table: table.name.clone(),
            name: index.name.clone(),
            sql: statements::drop(index),
            rollback: if from.redact && redact::has_literal(&index.definition) {
                format!("-- The definition of {} holds a literal and is withheld: keep it before dropping.", index.name)
            } else {
                statements::recreate(index)
            },
            reason: reason.to_owned(),
            why,
            bytes: drop.bytes,
            confidence: confidence(drop.confidence).to_owned(),
            notes: drop.notes.clone(),
        }
    }
}

impl ForeignKeyView {
    fn new(key: &MissingForeignKey, catalog: &Catalog) -> Self {
        let table: &Table = catalog.table(key.table);
        Self {
            schema: table.schema.clone(),
            table: table.name.clone(),
            constraint: key.constraint.clone(),
            columns: key.columns.clone(),
            references: format!("{}.{}", key.references.0, key.references.1),
            sql: statements::create(catalog, key.table, &key.index),
            cost_per_delete: key.cost_per_delete,
            deletes: key.deletes,
            bytes: key.bytes,
        }
    }
}

impl UnhelpedView {
    fn new(unhelped: &Unhelped, from: &Sources<'_>) -> Self {
        let (reason, why) = match &unhelped.reason {
            UnhelpedReason::AlreadyServed => ("already-served", "existing indexes serve it well".to_owned()),
            UnhelpedReason::ReadsMostRows => ("reads-most-rows", "it needs most rows of its tables".to_owned()),
            UnhelpedReason::NotIndexable => {
                ("not-indexable", "its conditions cannot use an index as they are written".to_owned())
            }
            UnhelpedReason::WritesCostMore => {
                ("writes-cost-more", "an index would cost the writes of this workload more than it saves".to_owned())
            }
            UnhelpedReason::OverBudget => {
                ("over-budget", "the index that would help does not fit the budget".to_owned())
            }
            UnhelpedReason::SmallGain => ("small-gain", "an index would save too little to be worth it".to_owned()),
            UnhelpedReason::UnknownTable(name) => ("unknown-table", format!("the catalogue has no `{name}`")),
            UnhelpedReason::NotPlanned => ("not-planned", "no engine could plan it".to_owned()),
            UnhelpedReason::NothingToRead => ("nothing-to-read", "it reads no table".to_owned()),
        };
        Self {
            query: QueryView::new(&from.queries[unhelped.query.0], from),
            reason: reason.to_owned(),
            why,
            hint: unhelped.hint.clone(),
        }
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

fn engine(engine: Engine) -> &'static str {
    match engine {
        Engine::Model => "model",
        Engine::HypoPg => "hypopg",
    }
}
