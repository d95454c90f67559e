//! From a catalogue and weighted queries to advice.
//!
//! The in-process model thinks through all candidates, which costs no round trips. With a live engine the search is
//! then run again over those that the model found promising, so that the server's own planner has the last word
//! with far fewer EXPLAINs.

mod drive;
mod options;
mod report;
mod unhelped;
mod weights;

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, ColumnStatistics, Index, KeyPart, Table, TableId};
use dbopt_sql::{TokenKind, lex, quote_ident};

use self::{
    drive::{Confirming, drive, is_simulated},
    report::Findings,
};
use crate::{
    advice::{Advice, WriteCost},
    candidates::{self, Footprint, access::Access, collect::Wants, merge::merge},
    query::{Query, QueryId},
    scope::Scope,
    search::{Limits, Problem, Search},
    size::{self, SizeMode},
    whatif::{Candidate, CandidateId, Configuration, Engine, Question, WhatIf, WhatIfError},
    write_cost::Writes,
};

pub use options::{AdviseOptions, Budget};

/// Advice for queries over a catalogue, by the model alone or confirmed by a live engine.
///
/// # Errors
/// When an engine stops answering. An interrupt is no error: the advice is then the best so far.
pub async fn advise<M: WhatIf, L: WhatIf>(
    catalog: &Catalog,
    queries: &[Query],
    options: &AdviseOptions,
    model: &mut M,
    live: Option<&mut L>,
) -> Result<Advice, WhatIfError> {
    let scopes: Vec<Scope<'_>> = queries.iter().map(|query| Scope::new(&query.statement, catalog)).collect();
    let wants: Vec<Wants> = queries
        .iter()
        .zip(&scopes)
        .enumerate()
        .map(|(at, (query, scope))| candidates::collect::collect(catalog, QueryId(at), query, scope))
        .collect();
    let footprints: Vec<Footprint> = wants.iter().map(|wants| Footprint::new(catalog, &wants.accesses)).collect();
    let accesses: Vec<Access> = by_weight(queries).flat_map(|id| wants[id.0].accesses.iter().cloned()).collect();
    let writes = Writes::of(catalog, queries, options.period);
    let size = |table: TableId, index: &Index| predicted_bytes(catalog, table, index, options.sizes);
    let generated: Vec<Candidate> = candidates::generate(catalog, &accesses, options.candidates)
        .into_iter()
        .filter(|(_, index)| options.literals || !has_literal(index))
        .map(|(table, index)| Candidate { table, bytes: size(table, &index), index })
        .collect();
    let limits = Limits {
        budget: options.budget.bytes(catalog),
        query_gain: options.query_gain,
        total_gain: options.total_gain,
        ..Limits::default()
    };
    let plain = |at| Question { query: QueryId(at), configuration: Configuration::default() };
    let plain: Vec<Question> = (0..queries.len()).map(plain).collect();
    model.candidates(&[]);
    let mut slowness = weights::slowness(queries, &model.ask(&plain).await?);
    let problem = |candidates: Vec<Candidate>, slowness: &[f64]| Problem {
        executions: queries.iter().map(|query| query.calls).collect(),
        weights: queries.iter().zip(slowness).map(|(query, times)| query.calls * times).collect(),
        candidates,
        relevant: Box::new(|query: QueryId, candidate: &Candidate| {
            footprints[query.0].can_use(candidate.table, &candidate.index)
        }),
        upkeep: Box::new(|candidate: &Candidate| writes.cost(catalog, candidate).cost),
        merge: Box::new(|one: &Candidate, other: &Candidate| {
            let index = (one.table == other.table).then(|| merge(&one.index, &other.index)).flatten()?;
            Some(Candidate { table: one.table, bytes: size(one.table, &index), index })
        }),
    };

    let thought_of = generated.len();
    let mut run = drive(Search::new(problem(generated, &slowness), limits), model, options).await?;
    let mut questions = plain.len() + run.outcome.questions;
    let mut explains = 0;
    let mut engine = model.engine();
    // A server's planner may also be given as the only engine.
    let mut confirmed: BTreeSet<QueryId> = match engine {
        Engine::Model => BTreeSet::new(),
        Engine::HypoPg => (0..queries.len()).map(QueryId).collect(),
    };
    if let (Some(live), false) = (live, run.interrupted) {
        let mut shortlist: Vec<CandidateId> = run.outcome.chosen.clone();
        shortlist.extend(run.outcome.promising.iter().filter(|id| !run.outcome.chosen.contains(id)));
        let shortlist = shortlist.into_iter().map(|id| run.candidates[id.0].clone()).collect();
        let mut both = Confirming::new(model, live);
        engine = both.engine();
        // A unit of this engine's cost may have taken another time.
        slowness = weights::slowness(queries, &both.ask(&plain).await?);
        run = drive(Search::new(problem(shortlist, &slowness), limits), &mut both, options).await?;
        explains = both.explains;
        questions += both.modelled;
        confirmed = (0..queries.len()).map(QueryId).filter(|query| both.is_confirmed(*query)).collect();
    }

    let write_costs: Vec<WriteCost> = run.candidates.iter().map(|candidate| writes.cost(catalog, candidate)).collect();
    let findings = Findings {
        catalog,
        queries,
        scopes: &scopes,
        wants: &wants,
        writes: &writes,
        slowness: &slowness,
        write_costs: &write_costs,
        run: &run,
        limits,
        confirmed: &confirmed,
        engine,
        size: &size,
    };
    let mut advice = findings.advice();
    advice.totals.candidates = thought_of;
    advice.totals.questions = questions;
    advice.totals.explains = explains;
    Ok(advice)
}

/// Query ids, the heaviest by logged time or else by executions first.
fn by_weight(queries: &[Query]) -> impl Iterator<Item = QueryId> {
    let mut ids: Vec<QueryId> = (0..queries.len()).map(QueryId).collect();
    let weight = |id: &QueryId| {
        let query = &queries[id.0];
        query.total_ms.unwrap_or(query.calls)
    };
    ids.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(a.cmp(b)));
    ids.into_iter()
}

/// Predicted size of an index that does not exist.
fn predicted_bytes(catalog: &Catalog, table: TableId, index: &Index, mode: SizeMode) -> f64 {
    let owner = catalog.table(table);
    let entries = index.rows.unwrap_or_else(|| size::table_rows(owner));
    let mut index = index.clone();
    for (position, key) in index.keys.iter().enumerate() {
        if let KeyPart::Expression(text) = &key.part
            && let Some(statistics) = expression_statistics(owner, text)
        {
            index.expression_statistics.push((position, statistics));
        }
    }
    size::index_size(catalog, table, &index, entries, mode).bytes
}

/// What the statistics of a column say of a function of it that keeps width and distinct values about as they are.
fn expression_statistics(table: &Table, text: &str) -> Option<ColumnStatistics> {
    let (function, argument) = text.strip_suffix(')')?.split_once('(')?;
    if !matches!(function, "lower" | "upper" | "initcap" | "trim" | "btrim" | "ltrim" | "rtrim" | "reverse") {
        return None;
    }
    let column = table.columns.iter().find(|column| *quote_ident(&column.name) == *argument)?;
    let known = column.statistics.as_ref()?;
    Some(ColumnStatistics {
        null_fraction: known.null_fraction,
        average_width: known.average_width,
        n_distinct: known.n_distinct,
        ..ColumnStatistics::default()
    })
}

/// Whether an index's definition holds a constant.
fn has_literal(index: &Index) -> bool {
    let expressions = index.keys.iter().filter_map(|key| match &key.part {
        KeyPart::Expression(text) => Some(text),
        KeyPart::Column(_) => None,
    });
    expressions
        .chain(&index.predicate)
        .any(|text| lex(text.as_bytes()).any(|token| matches!(token.kind, TokenKind::String | TokenKind::Number)))
}
