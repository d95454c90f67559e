//! A search's outcome put into the words of [`Advice`].

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, Index, Quality, Relkind, TableId};

use super::{drive::Run, is_simulated, unhelped};
use crate::{
    advice::{Advice, Benefit, Confidence, CreateIndex, Totals, WriteCost},
    candidates::collect::Wants,
    cover::covers,
    hygiene::{self, Evidence, Hygiene, enforces},
    naming::Names,
    query::{Query, QueryId},
    scope::Scope,
    search::Limits,
    size,
    whatif::{CandidateId, Engine, UsedIndex},
    write_cost::Writes,
};

/// A cost that is so many times too low is worth a note; less is the spread between disks, caches and rows returned.
const REMARKABLE: f64 = 4.0;

/// All that was found out.
pub(super) struct Findings<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) queries: &'a [Query],
    pub(super) scopes: &'a [Scope<'a>],
    pub(super) wants: &'a [Wants],
    pub(super) writes: &'a Writes,
    /// How many times longer than is usual a unit of each query's cost took.
    pub(super) slowness: &'a [f64],
    pub(super) write_costs: &'a [WriteCost],
    pub(super) run: &'a Run,
    pub(super) limits: Limits,
    /// Queries that the live engine planned.
    pub(super) confirmed: &'a BTreeSet<QueryId>,
    pub(super) engine: Engine,
    pub(super) size: &'a dyn Fn(TableId, &Index) -> f64,
}

impl Findings<'_> {
    pub(super) fn advice(&self) -> Advice {
        let outcome = &self.run.outcome;
        let mut names = Names::new(self.catalog);
        let create: Vec<CreateIndex> =
            outcome.chosen.iter().enumerate().map(|(position, id)| self.create(position, *id, &mut names)).collect();
        let used = self.used_existing();
        let interrupted = self.run.interrupted;
        let evidence = Evidence { catalog: self.catalog, used: &used, create: &create, interrupted };
        let Hygiene { drop, unproven } = hygiene::check(&evidence);
        let foreign_keys = hygiene::missing_foreign_keys(self.catalog, &create, self.writes, &mut names, self.size);
        let helped: BTreeSet<QueryId> =
            create.iter().flat_map(|create| create.benefits.iter().map(|benefit| benefit.query)).collect();
        let mut unhelped: Vec<_> = (0..self.queries.len())
            .map(QueryId)
            .filter(|id| !helped.contains(id))
            .map(|id| unhelped::explain(&self.case(id)))
            .collect();
        unhelped.sort_by(|a, b| self.weight(b.query).total_cmp(&self.weight(a.query)).then(a.query.cmp(&b.query)));
        let cost = |answers: &[Option<crate::whatif::Answer>]| {
            // Costs as the planner says them; the log's correction is in the choice alone.
            let each = answers.iter().zip(self.queries);
            each.map(|(answer, query)| answer.as_ref().map_or(0.0, |answer| answer.cost) * query.calls).sum()
        };
        let totals = Totals {
            cost_before: cost(&outcome.before),
            cost_after: cost(&outcome.after),
            create_bytes: create.iter().map(|create| create.bytes).sum(),
            drop_bytes: drop.iter().filter_map(|drop| drop.bytes).sum(),
            ..Totals::default()
        };
        let frontier = outcome.frontier.clone();
        Advice { create, drop, unproven, foreign_keys, unhelped, totals, frontier, interrupted }
    }

    fn create(&self, position: usize, id: CandidateId, names: &mut Names<'_>) -> CreateIndex {
        let candidate = &self.run.candidates[id.0];
        let table = self.catalog.table(candidate.table);
        let mut index = candidate.index.clone();
        index.name = names.take(table, &index);
        let benefits = self.benefits(id);
        let gain = self.run.outcome.gains.get(position).copied();
        let mut write = self.write_costs[id.0];
        write.share_of_gain = match gain {
            Some(gain) if gain > 0.0 => write.cost / gain,
            _ => 0.0,
        };
        let replaces = table.indexes.iter().enumerate();
        let replaces = replaces.filter(|(_, existing)| !enforces(existing) && covers(&index, existing));
        let replaces = replaces.map(|(at, _)| at).collect();
        let engine = self.answered_by(&index, &benefits);
        let (confidence, notes) = self.confidence(candidate.table, &index, engine, &benefits, write);
        CreateIndex {
            table: candidate.table,
            bytes: candidate.bytes,
            build_seconds: build_seconds(self.catalog, candidate.table, candidate.bytes),
            index,
            benefits,
            write,
            replaces,
            confidence,
            notes,
            engine,
        }
    }

    /// The queries whose plan uses the index and that get cheaper, the most saved first.
    fn benefits(&self, id: CandidateId) -> Vec<Benefit> {
        let outcome = &self.run.outcome;
        let pairs = outcome.before.iter().zip(&outcome.after).enumerate();
        let mut benefits: Vec<Benefit> = pairs
            .filter_map(|(at, (before, after))| {
                let (before, after) = (before.as_ref()?, after.as_ref()?);
                let uses = after.used.contains(&UsedIndex::Candidate(id)) && after.cost < before.cost;
                uses.then(|| Benefit {
                    query: QueryId(at),
                    cost_before: before.cost,
                    cost_after: after.cost,
                    plan_before: before.plan.clone(),
                    plan_after: after.plan.clone(),
                })
            })
            .collect();
        let saved =
            |benefit: &Benefit| (benefit.cost_before - benefit.cost_after) * self.queries[benefit.query.0].calls;
        benefits.sort_by(|a, b| saved(b).total_cmp(&saved(a)).then(a.query.cmp(&b.query)));
        benefits
    }

    fn answered_by(&self, index: &Index, benefits: &[Benefit]) -> Engine {
        let confirmed = benefits.iter().any(|benefit| self.confirmed.contains(&benefit.query));
        if confirmed && is_simulated(&index.method) { self.engine } else { Engine::Model }
    }

    fn confidence(
        &self,
        table: TableId,
        index: &Index,
        engine: Engine,
        benefits: &[Benefit],
        write: WriteCost,
    ) -> (Confidence, Vec<String>) {
        let mut notes = Vec::new();
        let by_range = || {
            let accesses = benefits.iter().flat_map(|benefit| &self.wants[benefit.query.0].accesses);
            let mut accesses = accesses.filter(|access| access.table == table);
            accesses.any(|access| !(access.range.is_empty() && access.prefix.is_empty()))
        };
        let mut confidence = match (engine, self.catalog.quality) {
            (Engine::HypoPg, _) => Confidence::High,
            (Engine::Model, Quality::Full) => Confidence::Medium,
            (Engine::Model, Quality::Redacted) if by_range() => {
                notes.push(
                    "The snapshot is redacted, so the share of rows that a range selects is PostgreSQL's default guess."
                        .to_owned(),
                );
                Confidence::Low
            }
            (Engine::Model, Quality::Redacted) => Confidence::Medium,
            (Engine::Model, Quality::Defaults) => {
                notes.push("Without statistics the costs rest on PostgreSQL's default guesses.".to_owned());
                Confidence::Low
            }
        };
        if !is_simulated(&index.method) {
            notes.push(format!(
                "HypoPG cannot simulate {} indexes, so the gain is modelled by rules of thumb.",
                index.method.name()
            ));
            confidence = Confidence::Low;
        }
        let times = benefits.iter().map(|benefit| self.slowness[benefit.query.0]).fold(1.0, f64::max);
        if times > REMARKABLE {
            notes.push(format!(
                "By the log, a statement that it helps takes {times:.0} times longer than its estimated cost suggests; it \
                 was weighed by its time."
            ));
        }
        let rewrites: BTreeSet<String> = benefits.iter().filter_map(|benefit| self.rewrite(benefit)).collect();
        notes.extend(rewrites);
        if write.stops_hot {
            notes.push(
                "The workload updates one of its columns: such updates can no longer be HOT, and write to every index of \
                 the table."
                    .to_owned(),
            );
        }
        if index.keys.iter().any(|key| key.as_column().is_none()) {
            notes.push(
                "Run ANALYZE on the table afterwards: the expression has statistics only from then on.".to_owned(),
            );
        }
        if self.catalog.table(table).kind == Relkind::Partitioned {
            notes.push("On a partitioned table each partition gets its own index.".to_owned());
        }
        (confidence, notes)
    }

    /// How a query that the index helps too little could be written to be helped more.
    fn rewrite(&self, benefit: &Benefit) -> Option<String> {
        const ENOUGH: f64 = 0.1;
        let helped = benefit.cost_after <= ENOUGH * benefit.cost_before;
        let hint = if helped { None } else { unhelped::hint(&self.case(benefit.query)) }?;
        let fingerprint = &self.queries[benefit.query.0].fingerprint;
        Some(format!("Query {fingerprint} would gain more if it were written otherwise. {hint}"))
    }

    /// Existing indexes that some plan uses, before or after.
    fn used_existing(&self) -> BTreeSet<(TableId, usize)> {
        let outcome = &self.run.outcome;
        let answers = outcome.before.iter().chain(&outcome.after).flatten();
        answers
            .flat_map(|answer| &answer.used)
            .filter_map(|used| match used {
                UsedIndex::Existing(table, index) => Some((*table, *index)),
                UsedIndex::Candidate(_) => None,
            })
            .collect()
    }

    fn case(&self, id: QueryId) -> unhelped::Case<'_> {
        unhelped::Case {
            catalog: self.catalog,
            id,
            query: &self.queries[id.0],
            scope: &self.scopes[id.0],
            wants: &self.wants[id.0],
            outcome: &self.run.outcome,
            candidates: &self.run.candidates,
            write_costs: self.write_costs,
            budget: self.limits.budget,
            query_gain: self.limits.query_gain,
        }
    }

    /// Logged milliseconds, or else planned cost.
    fn weight(&self, id: QueryId) -> f64 {
        let query = &self.queries[id.0];
        let cost = self.run.outcome.before[id.0].as_ref().map_or(0.0, |answer| answer.cost);
        query.total_ms.unwrap_or(cost * query.calls)
    }
}

/// Seconds that `CREATE INDEX CONCURRENTLY` may take: it reads the table twice, sorts the entries once and writes the
/// index. The rates are those of an ordinary cloud disk and one core (200 MB/s, a million entries a second); the real
/// ones may well be three times better or worse. `None` when the table's size is not known.
fn build_seconds(catalog: &Catalog, table: TableId, bytes: f64) -> Option<f64> {
    const BYTES_PER_SECOND: f64 = 200e6;
    const ENTRIES_PER_SECOND: f64 = 1e6;
    let table = catalog.table(table);
    let rows = table.rows.is_some().then(|| size::table_rows(table))?;
    let table_bytes = table.pages * f64::from(catalog.server.block_size);
    Some((2.0 * table_bytes + bytes) / BYTES_PER_SECOND + rows / ENTRIES_PER_SECOND)
}
