//! Which sub-selects become part of the join that they stand in? (`prepjointree.c`, `subselect.c`)

use dbopt_sql::ir::{Block as Select, BlockId, Expr, JoinKind, Output, Predicate, Role};

use super::{
    JoinType,
    build::{Builder, RawQual, Special},
};
use crate::{
    model::path::Mask,
    scope::{Site, Source},
    walk,
};

/// Relations of one join; a wider mask would be needed for more.
pub(super) const MAX_RELATIONS: usize = 60;

impl<'a> Builder<'a, '_> {
    /// Adds a block's relations and conditions to this level, and says which relations they are.
    pub(super) fn pull(&mut self, id: BlockId) -> Option<Mask> {
        let statement = self.scope.statement();
        let block = statement.blocks.get(id)?;
        let mut before: Mask = 0;
        for (position, relation) in block.relations.iter().enumerate() {
            let site = Site { block: id, relation: position };
            let right = match self.scope.source(id, position) {
                Source::Block(inner) if self.can_pull(inner, relation.join) && self.started.insert(inner) => {
                    self.pulled.insert(inner);
                    self.pull(inner)?
                }
                _ => self.add_relation(site, relation)?,
            };
            match relation.join {
                JoinKind::Inner => {}
                JoinKind::Left => self.special(JoinType::Left, before, right, id, &relation.on),
                JoinKind::Right => self.special(JoinType::Left, right, before, id, &relation.on),
                JoinKind::Full => self.special(JoinType::Full, before, right, id, &relation.on),
            }
            before |= right;
        }
        for predicate in &block.filters {
            if !self.pull_condition(id, predicate, before)? {
                self.raw.push(RawQual { block: id, predicate, special: None, within: before });
            }
        }
        Some(before)
    }

    fn special(&mut self, kind: JoinType, left: Mask, right: Mask, block: BlockId, on: &'a [Predicate]) {
        let number = self.specials.len();
        self.specials.push(Special { kind, left, right });
        for predicate in on {
            self.raw.push(RawQual { block, predicate, special: Some(number), within: left | right });
        }
    }

    /// `EXISTS` and `IN` as semi joins, `NOT EXISTS` as an anti join (`pull_up_sublinks`).
    fn pull_condition(&mut self, id: BlockId, predicate: &'a Predicate, left: Mask) -> Option<bool> {
        let statement = self.scope.statement();
        let (inner, negated, exprs) = match predicate {
            Predicate::Exists { block, negated } => (*block, *negated, &[][..]),
            Predicate::InSubquery { exprs, block, negated: false } => (*block, false, exprs.as_slice()),
            _ => return Some(false),
        };
        let Some(select) = statement.blocks.get(inner) else { return Some(false) };
        let exists = exprs.is_empty();
        let outer = self.outer_mask(inner);
        let simple = is_simple(statement, inner, select, exists);
        if left == 0 || select.relations.is_empty() && !has_branches(statement, inner) {
            return Some(false);
        }
        if exists {
            // Without a reference to the outer query it is a condition by itself; one buried below the first level
            // cannot be pulled out.
            if !simple || outer == 0 || self.refers_below(inner) {
                return Some(false);
            }
        } else if outer != 0 {
            return Some(false);
        }
        let kind = if negated { JoinType::Anti } else { JoinType::Semi };
        if !self.started.insert(inner) {
            return Some(false);
        }
        let number = self.specials.len();
        self.specials.push(Special { kind, left: 0, right: 0 });
        let raw = self.raw.len();
        let right = if simple {
            self.pulled.insert(inner);
            self.pull(inner)?
        } else {
            self.add_block(inner)?
        };
        // What crosses from the sub-select to the outer query belongs to the join.
        for qual in &mut self.raw[raw..] {
            if qual.special.is_none() {
                qual.special = Some(number);
                qual.within |= left;
            }
        }
        let mut from = outer;
        for (position, expr) in exprs.iter().enumerate() {
            from |= self.mask(id, expr);
            self.memberships.push((number, id, expr, inner, position));
        }
        self.specials[number].left = if from & left == 0 { left } else { from & left };
        self.specials[number].right = right;
        Some(true)
    }

    /// Whether a block below the first level of a sub-select reads this level's relations.
    fn refers_below(&self, inner: BlockId) -> bool {
        let below: Vec<BlockId> = self.subtree(inner).into_iter().skip(1).collect();
        let statement = self.scope.statement();
        let mut refers = false;
        for id in below {
            walk::block_exprs(&statement.blocks[id], &mut |expr| {
                refers |= {
                    let mut found = false;
                    walk::expr_columns(expr, &mut |column| {
                        found |= self.scope.site(id, column).is_some_and(|(site, _)| self.places.contains_key(&site));
                    });
                    found
                }
            });
        }
        refers
    }

    /// Whether a sub-select in `FROM` is merged into this level (`is_simple_subquery`).
    fn can_pull(&self, inner: BlockId, join: JoinKind) -> bool {
        let statement = self.scope.statement();
        let Some(select) = statement.blocks.get(inner) else { return false };
        let (cte, merged) = match &select.role {
            Role::From { .. } => (false, true),
            Role::Cte { materialized, recursive, .. } => {
                (true, !recursive && self.shared.version >= 120_000 && *materialized != Some(true))
            }
            _ => (false, false),
        };
        // A CTE that is read twice is kept, unless it says otherwise.
        let once =
            !cte || self.references(inner) == 1 || matches!(&select.role, Role::Cte { materialized: Some(false), .. });
        let join = join == JoinKind::Inner
            || join == JoinKind::Left && select.relations.iter().all(|r| r.join == JoinKind::Inner);
        merged
            && once
            && join
            && is_simple(statement, inner, select, false)
            && !select.relations.is_empty()
            && self.rels.len() + select.relations.len() <= MAX_RELATIONS
    }

    /// How often a block stands in a `FROM`.
    pub(super) fn references(&self, inner: BlockId) -> usize {
        let blocks = &self.scope.statement().blocks;
        let relations = blocks.iter().flat_map(|block| &block.relations);
        relations
            .filter(|relation| matches!(relation.source, dbopt_sql::ir::RelationSource::Block(id) if id == inner))
            .count()
    }
}

fn has_branches(statement: &dbopt_sql::ir::Statement, id: BlockId) -> bool {
    statement.blocks.iter().any(|block| block.parent == Some(id) && matches!(block.role, Role::SetBranch { .. }))
}

/// Whether a select is nothing but a join with conditions.
fn is_simple(statement: &dbopt_sql::ir::Statement, id: BlockId, select: &Select, exists: bool) -> bool {
    let plain_outputs = exists
        || select.outputs.iter().all(|output| match output {
            Output::Star { .. } => true,
            Output::Expr { expr, .. } => !contains_subquery(expr),
        });
    let limited = select.limit.is_some() && !exists || select.offset.is_some();
    select.aggregates.is_empty()
        && select.group_by.is_empty()
        && !select.grouping_sets
        && select.having.is_empty()
        && (select.distinct.is_none() || exists)
        && select.windows.is_empty()
        && !limited
        && !select.locks_rows
        && (exists || select.order_by.is_empty())
        && plain_outputs
        && !has_branches(statement, id)
}

fn contains_subquery(expr: &Expr) -> bool {
    let mut found = false;
    walk::expr_blocks(expr, &mut |_| found = true);
    found
}
