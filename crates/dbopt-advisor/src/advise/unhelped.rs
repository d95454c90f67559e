//! Why does no index help a query, and what else could?

use std::collections::BTreeSet;

use dbopt_catalog::Catalog;
use dbopt_sql::ir::Count;

use crate::{
    advice::{Unhelped, UnhelpedReason, WriteCost},
    candidates::{
        access::{Access, Obstacle},
        collect::Wants,
    },
    query::{Query, QueryId},
    scope::Scope,
    search::Outcome,
    whatif::{Answer, Candidate, UsedIndex},
};

/// What is known of a query that got no index.
pub(super) struct Case<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) id: QueryId,
    pub(super) query: &'a Query,
    pub(super) scope: &'a Scope<'a>,
    pub(super) wants: &'a Wants,
    pub(super) outcome: &'a Outcome,
    pub(super) candidates: &'a [Candidate],
    pub(super) write_costs: &'a [WriteCost],
    pub(super) budget: f64,
    pub(super) query_gain: f64,
}

/// A table of so few pages is read as a whole as quickly as by an index.
const SMALL_PAGES: f64 = 16.0;

/// Rows skipped that are worth a word.
const LARGE_OFFSET: u64 = 1000;

/// Explains one query.
pub(super) fn explain(case: &Case<'_>) -> Unhelped {
    Unhelped { query: case.id, reason: reason(case), hint: hint(case) }
}

fn reason(case: &Case<'_>) -> UnhelpedReason {
    if let Some(table) = case.scope.unknown_tables().first() {
        let schema = table.schema.as_ref().map_or_else(String::new, |schema| format!("{}.", schema.as_str()));
        return UnhelpedReason::UnknownTable(format!("{schema}{}", table.name.as_str()));
    }
    if case.wants.accesses.is_empty() {
        return UnhelpedReason::NothingToRead;
    }
    let at = case.id.0;
    let Some(before) = &case.outcome.before[at] else {
        return UnhelpedReason::NotPlanned;
    };
    let floor = case.outcome.floor[at].as_ref().unwrap_or(before);
    if floor.cost < before.cost * (1.0 - case.query_gain) {
        return refused(case, before, floor);
    }
    let reads_all = before.plan.contains("Seq Scan");
    let tables: BTreeSet<_> = case.wants.accesses.iter().map(|access| access.table).collect();
    let small = tables.iter().all(|table| case.catalog.table(*table).pages <= SMALL_PAGES);
    if !reads_all || small {
        UnhelpedReason::AlreadyServed
    } else if !case.wants.obstacles.is_empty() && !case.wants.accesses.iter().any(has_condition) {
        UnhelpedReason::NotIndexable
    } else {
        UnhelpedReason::ReadsMostRows
    }
}

/// Some candidates would help, and none of them was chosen.
fn refused(case: &Case<'_>, before: &Answer, floor: &Answer) -> UnhelpedReason {
    let gain = (before.cost - floor.cost) * case.query.calls;
    let useful: Vec<usize> = floor
        .used
        .iter()
        .filter_map(|used| match used {
            UsedIndex::Candidate(id) => Some(id.0),
            UsedIndex::Existing(..) => None,
        })
        .collect();
    let writes: f64 = useful.iter().filter_map(|at| case.write_costs.get(*at)).map(|write| write.cost).sum();
    let bytes: f64 = useful.iter().filter_map(|at| case.candidates.get(*at)).map(|candidate| candidate.bytes).sum();
    let taken: f64 =
        case.outcome.chosen.iter().filter_map(|id| case.candidates.get(id.0)).map(|candidate| candidate.bytes).sum();
    if writes >= gain {
        UnhelpedReason::WritesCostMore
    } else if taken + bytes > case.budget {
        UnhelpedReason::OverBudget
    } else {
        UnhelpedReason::SmallGain
    }
}

fn has_condition(access: &Access) -> bool {
    !(access.looked_up().is_empty()
        && access.range.is_empty()
        && access.prefix.is_empty()
        && access.joins.is_empty()
        && access.searched.is_empty())
}

/// A change of the statement that would let an index serve it.
pub(super) fn hint(case: &Case<'_>) -> Option<String> {
    let obstacle = case.wants.obstacles.iter().next().map(|obstacle| match obstacle {
        Obstacle::Function(column) => format!(
            "The condition computes with `{column}` before it compares: compare the bare column, with a range if need be."
        ),
        Obstacle::Cast(column) => {
            format!("The condition casts `{column}`: compare the bare column instead, with a range if need be.")
        }
        Obstacle::LeadingWildcard(column) => format!(
            "A pattern with a leading wildcard needs trigrams: CREATE EXTENSION pg_trgm, and an index USING gin ({column} \
             gin_trgm_ops)."
        ),
        Obstacle::NotIn => {
            "NOT IN (SELECT …) must read the whole sub-select because of NULLs: NOT EXISTS can use an index.".to_owned()
        }
        Obstacle::OrAcrossTables => {
            "An OR over columns of several tables cannot use their indexes together: a UNION of two queries can."
                .to_owned()
        }
    });
    obstacle.or_else(|| {
        let skips = case.query.statement.blocks.iter().any(|block| match block.offset {
            Some(Count::Rows(rows)) => rows >= LARGE_OFFSET,
            Some(Count::Unknown) => true,
            None => false,
        });
        skips.then(|| {
            "OFFSET reads and throws away all rows before it: continue after the last row seen (keyset pagination) instead."
                .to_owned()
        })
    })
}
