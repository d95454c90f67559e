//! From a statement to what it wants of each table.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_catalog::{Catalog, ColumnId, Datum, Relkind};
use dbopt_sql::{
    ir::{Block, BlockId, ColumnRef, CompareOp, Distinct, Expr, Literal, Output, Predicate, StatementKind},
    quote_ident, quote_literal,
};

use super::access::{Access, Constant, Key, Obstacle, Ordered, Searched, unique};
use super::types::is_relabelling;
use crate::{
    expression::index_expression,
    query::{Query, QueryId},
    scope::{Base, Resolved, Scope, Site, Source},
    walk,
};

/// What a query wants of its tables, and what stands in the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    pub(crate) accesses: Vec<Access>,
    pub(crate) obstacles: BTreeSet<Obstacle>,
}

/// Collects what a query wants of the tables that can be indexed.
pub(crate) fn collect(catalog: &Catalog, id: QueryId, query: &Query, scope: &Scope<'_>) -> Wants {
    let mut collector = Collector { catalog, id, query, scope, accesses: BTreeMap::new(), obstacles: BTreeSet::new() };
    // All are opened first: a condition may be about a table of a block that comes later.
    (0..query.statement.blocks.len()).for_each(|block| collector.open(block));
    (0..query.statement.blocks.len()).for_each(|block| collector.block(block));
    let mut accesses: Vec<Access> = collector.accesses.into_values().flatten().collect();
    for access in &mut accesses {
        access.tidy();
    }
    Wants { accesses, obstacles: collector.obstacles }
}

impl Access {
    /// Removes repetitions, and keys that a fixed value makes pointless.
    fn tidy(&mut self) {
        self.equal = unique(std::mem::take(&mut self.equal));
        self.any = unique(std::mem::take(&mut self.any).into_iter().filter(|key| !self.equal.contains(key)));
        let looked_up = self.looked_up();
        let open = |key: &Key| !looked_up.contains(key);
        self.range = unique(std::mem::take(&mut self.range).into_iter().filter(open));
        self.prefix = unique(std::mem::take(&mut self.prefix).into_iter().filter(open));
        self.joins = unique(std::mem::take(&mut self.joins));
        self.searched = unique(std::mem::take(&mut self.searched));
        self.row_range = unique(std::mem::take(&mut self.row_range));
        self.extremes = unique(std::mem::take(&mut self.extremes));
        // A column with one value orders nothing.
        let equal = self.equal.clone();
        self.order.retain(|ordered| !equal.contains(&ordered.key));
        self.group = unique(std::mem::take(&mut self.group).into_iter().filter(|key| !equal.contains(key)));
    }
}

struct Collector<'a> {
    catalog: &'a Catalog,
    id: QueryId,
    query: &'a Query,
    scope: &'a Scope<'a>,
    /// The first access of a site gathers the block's conjuncts; further ones stand for branches of an `OR`.
    accesses: BTreeMap<Site, Vec<Access>>,
    obstacles: BTreeSet<Obstacle>,
}

impl<'a> Collector<'a> {
    /// Opens an access for each table of a block.
    fn open(&mut self, id: BlockId) {
        let block: &'a Block = &self.scope.statement().blocks[id];
        for at in 0..block.relations.len() {
            if let Source::Table(table) = self.scope.source(id, at)
                && matches!(
                    self.catalog.table(table).kind,
                    Relkind::Table | Relkind::Partitioned | Relkind::MaterializedView
                )
            {
                let site = Site { block: id, relation: at };
                let mut access = Access::new(self.id, table);
                let written = id == 0
                    && matches!(
                        self.query.statement.kind,
                        StatementKind::Update | StatementKind::Delete | StatementKind::Merge
                    )
                    && self.query.statement.target.as_ref().is_some_and(|target| target.relation == Some(at));
                access.whole_row = written || block.locks_rows;
                self.accesses.entry(site).or_default().push(access);
            }
        }
    }

    fn block(&mut self, id: BlockId) {
        let block: &'a Block = &self.scope.statement().blocks[id];
        for predicate in block.filters.iter().chain(block.relations.iter().flat_map(|relation| &relation.on)) {
            self.predicate(id, predicate);
        }
        self.columns(id, block);
        self.order(id, block);
        self.group(id, block);
        if block.group_by.is_empty() {
            for aggregate in &block.aggregates {
                if matches!(aggregate.name.as_str(), "min" | "max")
                    && let [argument] = aggregate.args.as_slice()
                    && let Some((site, key)) = self.key(id, argument)
                {
                    self.at(site, |access| access.extremes.push(key));
                }
            }
        }
    }

    /// Changes the access of a site, when the site is a table that can be indexed.
    fn at(&mut self, site: Site, change: impl FnOnce(&mut Access)) {
        if let Some(access) = self.accesses.get_mut(&site).and_then(|accesses| accesses.first_mut()) {
            change(access);
        }
    }

    fn predicate(&mut self, block: BlockId, predicate: &'a Predicate) {
        match predicate {
            Predicate::Compare { left, op, right } => self.compare(block, predicate, left, op, right),
            Predicate::InList { expr, list, array, negated: false } => {
                if let Some((site, key)) = self.key(block, expr)
                    && list.iter().all(|value| !self.reads(block, value, site))
                {
                    let single = !array && list.len() == 1;
                    self.at(site, |access| if single { access.equal.push(key) } else { access.any.push(key) });
                } else {
                    self.note_obstacle(block, expr);
                }
            }
            Predicate::IsNull { expr, negated } => {
                if let Some((site, key)) = self.key(block, expr) {
                    if !negated {
                        self.at(site, |access| access.equal.push(key.clone()));
                    }
                    self.constant(predicate, site, &key, !negated, if *negated { "IS NOT NULL" } else { "IS NULL" });
                }
            }
            Predicate::Bool { expr, negated } => {
                if let Some((site, key)) = self.key(block, expr) {
                    self.at(site, |access| access.equal.push(key.clone()));
                    self.constant(predicate, site, &key, true, if *negated { "= false" } else { "= true" });
                }
            }
            Predicate::InSubquery { exprs, block: inner, negated } => {
                if *negated {
                    self.obstacles.insert(Obstacle::NotIn);
                    return;
                }
                let outputs: Vec<Option<Base>> = self.scope.outputs(*inner).iter().map(|output| output.base).collect();
                for (at, expr) in exprs.iter().enumerate() {
                    let outer = self.key(block, expr);
                    let inner =
                        outputs.get(at).copied().flatten().map(|base| {
                            (Site { block: base.block, relation: base.relation }, Key::Column(base.column))
                        });
                    if let (Some((site, key)), other) = (&outer, &inner) {
                        let partner = other.as_ref().map_or(*site, |(site, _)| *site);
                        self.at(*site, |access| access.joins.push((key.clone(), partner)));
                    }
                    if let (other, Some((site, key))) = (&outer, &inner) {
                        let partner = other.as_ref().map_or(*site, |(site, _)| *site);
                        self.at(*site, |access| access.joins.push((key.clone(), partner)));
                    }
                }
            }
            Predicate::RowCompare { left, op, right } => {
                let keys: Option<Vec<(Site, Key)>> = left.iter().map(|expr| self.key(block, expr)).collect();
                let Some(keys) = keys else { return };
                let Some((site, _)) = keys.first().cloned() else { return };
                if keys.iter().any(|(other, _)| *other != site)
                    || right.iter().any(|expr| self.reads(block, expr, site))
                {
                    return;
                }
                let keys: Vec<Key> = keys.into_iter().map(|(_, key)| key).collect();
                self.at(site, |access| match op {
                    CompareOp::Eq => access.equal.extend(keys),
                    _ => access.row_range.push(keys),
                });
            }
            Predicate::Or(branches) => self.or(block, branches),
            Predicate::Exists { .. } | Predicate::InList { .. } => {}
            Predicate::Other(expr) => self.note_obstacle(block, expr),
        }
    }

    fn compare(
        &mut self,
        block: BlockId,
        predicate: &'a Predicate,
        left: &'a Expr,
        op: &'a CompareOp,
        right: &'a Expr,
    ) {
        let mut found = false;
        for (one, other, flipped) in [(left, right, false), (right, left, true)] {
            let Some((site, key)) = self.key(block, one) else { continue };
            let sites = self.sites(block, other);
            if sites.contains(&site) {
                continue;
            }
            found = true;
            if let Some(partner) = sites.iter().next() {
                if *op == CompareOp::Eq {
                    self.at(site, |access| access.joins.push((key, *partner)));
                } else if matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq) {
                    self.at(site, |access| access.range.push(key));
                }
                continue;
            }
            match op {
                CompareOp::Eq => {
                    self.at(site, |access| access.equal.push(key.clone()));
                    if let Some(value) = literal(other) {
                        self.constant(predicate, site, &key, true, &format!("= {value}"));
                    }
                }
                CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => {
                    self.at(site, |access| access.range.push(key));
                }
                CompareOp::Like { insensitive: false, negated: false } if !flipped => match other {
                    Expr::Literal(Literal::String(pattern)) if pattern.starts_with(['%', '_']) => {
                        self.obstacles.insert(Obstacle::LeadingWildcard(self.name(site, &key)));
                    }
                    _ => self.at(site, |access| access.prefix.push(key)),
                },
                CompareOp::Like { negated: false, .. } if !flipped => {
                    self.obstacles.insert(Obstacle::LeadingWildcard(self.name(site, &key)));
                }
                // `array @> x` is served with the array as the key, whichever side it stands on.
                CompareOp::Other(operator) => {
                    let operator = operator.clone();
                    self.at(site, |access| access.searched.push(Searched { key, operator }));
                }
                CompareOp::NotEq | CompareOp::Like { .. } => {
                    if let (CompareOp::NotEq, Some(value)) = (op, literal(other)) {
                        self.constant(predicate, site, &key, false, &format!("<> {value}"));
                    }
                }
            }
        }
        if !found {
            self.note_obstacle(block, left);
            self.note_obstacle(block, right);
        }
    }

    /// Each branch that is about one table becomes an access of its own: together they make a bitmap of several.
    fn or(&mut self, block: BlockId, branches: &'a [Vec<Predicate>]) {
        const MOST: usize = 16;
        let mut sites = BTreeSet::new();
        let mut found: Vec<(Site, Access)> = Vec::new();
        for branch in branches.iter().take(MOST) {
            let mut inner = Self {
                accesses: self
                    .accesses
                    .iter()
                    .filter_map(|(site, accesses)| {
                        let access = accesses.first()?;
                        Some((*site, vec![Access::new(access.query, access.table)]))
                    })
                    .collect(),
                obstacles: BTreeSet::new(),
                ..*self
            };
            branch.iter().for_each(|predicate| inner.predicate(block, predicate));
            self.obstacles.extend(inner.obstacles);
            for (site, accesses) in inner.accesses {
                for access in accesses {
                    let looks = !(access.looked_up().is_empty()
                        && access.range.is_empty()
                        && access.prefix.is_empty()
                        && access.searched.is_empty());
                    if looks {
                        sites.insert(site);
                        found.push((site, Access { constants: Vec::new(), ..access }));
                    }
                }
            }
        }
        if sites.len() > 1 {
            self.obstacles.insert(Obstacle::OrAcrossTables);
        }
        for (site, mut access) in found {
            if let Some(accesses) = self.accesses.get_mut(&site) {
                access.whole_row = true;
                accesses.push(access);
            }
        }
    }

    /// A condition that a partial index may rely on, when it is the same in every execution.
    fn constant(&mut self, predicate: &Predicate, site: Site, key: &Key, fixes_value: bool, condition: &str) {
        let Key::Column(column) = key else { return };
        if !self.query.constants.contains(predicate) {
            return;
        }
        let Some(table) = self.accesses.get(&site).and_then(|accesses| accesses.first()).map(|access| access.table)
        else {
            return;
        };
        let column_data = &self.catalog.table(table).columns[column.0];
        let name = quote_ident(&column_data.name).into_owned();
        let text = match condition {
            "= true" => name,
            "= false" => format!("NOT {name}"),
            _ => format!("{name} {condition}"),
        };
        let share = column_data.statistics.as_ref().and_then(|statistics| match condition {
            "IS NULL" => Some(statistics.null_fraction),
            "IS NOT NULL" => Some(1.0 - statistics.null_fraction),
            _ => {
                let (equals, value) = match condition.split_once(' ')? {
                    ("=", value) => (true, value),
                    ("<>", value) => (false, value),
                    _ => return None,
                };
                let value = match value {
                    "true" => "t".to_owned(),
                    "false" => "f".to_owned(),
                    other => other.trim_matches('\'').replace("''", "'"),
                };
                let frequency = statistics.common.iter().find_map(|common| match &common.value {
                    Datum::Text(text) if *text == value => Some(common.frequency),
                    _ => None,
                });
                let known = statistics.common.iter().all(|common| matches!(common.value, Datum::Text(_)));
                // A value that is not among the common ones is rare, as far as the common ones are known.
                let frequency = frequency.or((known && !statistics.common.is_empty()).then_some(0.0));
                frequency.map(|frequency| if equals { frequency } else { 1.0 - frequency - statistics.null_fraction })
            }
        });
        let constant = Constant { column: *column, text, share, fixes_value };
        self.at(site, |access| access.constants.push(constant));
    }

    /// All columns that a block reads, and whether it reads whole rows.
    fn columns(&mut self, id: BlockId, block: &'a Block) {
        let mut columns: Vec<&'a ColumnRef> = Vec::new();
        walk::block_exprs(block, &mut |expr| walk::expr_columns(expr, &mut |column| columns.push(column)));
        for column in columns {
            if let Some(found) = self.scope.resolve(id, column) {
                self.at(site_of(&found), |access| {
                    access.columns.insert(found.column);
                });
            }
        }
        for output in &block.outputs {
            let Output::Star { qualifier } = output else { continue };
            for (at, relation) in block.relations.iter().enumerate() {
                let named = relation.alias.as_ref().is_some_and(|alias| Some(alias) == qualifier.as_ref());
                if qualifier.is_none() || named {
                    // `SELECT *` in EXISTS and the like reads nothing, but it is rare and the loss is small.
                    self.at(Site { block: id, relation: at }, |access| access.whole_row = true);
                }
            }
        }
    }

    fn order(&mut self, id: BlockId, block: &'a Block) {
        let (order, limited) = if block.order_by.is_empty() {
            match &block.distinct {
                Some(Distinct::On(exprs)) => (exprs.iter().map(|expr| (expr, false, false)).collect(), false),
                _ => (Vec::new(), false),
            }
        } else {
            let keys: Vec<_> = block.order_by.iter().map(|key| (&key.expr, key.descending, key.nulls_first)).collect();
            (keys, block.limit.is_some())
        };
        let mut site = None;
        let mut keys = Vec::new();
        for (expr, descending, nulls_first) in order {
            match self.key(id, expr) {
                Some((found, key)) if site.is_none_or(|site| site == found) => {
                    site = Some(found);
                    keys.push(Ordered { key, descending, nulls_first });
                }
                // An order over several tables comes from no index; what it begins with still may, with an
                // incremental sort of the rest.
                _ => break,
            }
        }
        if let Some(site) = site {
            self.at(site, |access| {
                access.order = keys;
                access.limited = limited;
            });
        }
    }

    fn group(&mut self, id: BlockId, block: &'a Block) {
        if block.grouping_sets {
            return;
        }
        let distinct_row = matches!(block.distinct, Some(Distinct::Row)) && block.group_by.is_empty();
        let exprs: Vec<&Expr> = if distinct_row {
            block
                .outputs
                .iter()
                .filter_map(|output| match output {
                    Output::Expr { expr, .. } => Some(expr),
                    Output::Star { .. } => None,
                })
                .collect()
        } else {
            block.group_by.iter().collect()
        };
        let keys: Option<Vec<(Site, Key)>> = exprs.into_iter().map(|expr| self.key(id, expr)).collect();
        let Some(keys) = keys else { return };
        let Some((site, _)) = keys.first().cloned() else { return };
        if keys.iter().all(|(other, _)| *other == site) {
            let keys = keys.into_iter().map(|(_, key)| key).collect();
            self.at(site, |access| access.group = keys);
        }
    }

    /// What an index could have as a key: a column, or an immutable expression over one relation.
    fn key(&self, block: BlockId, expr: &Expr) -> Option<(Site, Key)> {
        match expr {
            Expr::Column(column) => {
                let found = self.scope.resolve(block, column)?;
                Some((site_of(&found), Key::Column(found.column)))
            }
            Expr::Cast { expr: inner, to } => {
                if let Expr::Column(column) = &**inner
                    && let Some(found) = self.scope.resolve(block, column)
                    && is_relabelling(&self.catalog.table(found.table).columns[found.column.0].kind, to)
                {
                    return Some((site_of(&found), Key::Column(found.column)));
                }
                self.expression(block, expr)
            }
            Expr::Function { .. } | Expr::Binary { .. } => self.expression(block, expr),
            Expr::Literal(_) | Expr::Param(_) | Expr::Subquery(_) | Expr::Other { .. } => None,
        }
    }

    fn expression(&self, block: BlockId, expr: &Expr) -> Option<(Site, Key)> {
        let (found, text) = index_expression(self.scope, block, expr)?;
        Some((site_of(&found), Key::Expression(text)))
    }

    /// The relations whose columns an expression reads.
    fn sites(&self, block: BlockId, expr: &Expr) -> BTreeSet<Site> {
        let mut sites = BTreeSet::new();
        walk::expr_columns(expr, &mut |column| {
            if let Some(found) = self.scope.resolve(block, column) {
                sites.insert(site_of(&found));
            } else if let Some((site, _)) = self.scope.site(block, column) {
                sites.insert(site);
            }
        });
        sites
    }

    fn reads(&self, block: BlockId, expr: &Expr, site: Site) -> bool {
        self.sites(block, expr).contains(&site)
    }

    fn note_obstacle(&mut self, block: BlockId, expr: &Expr) {
        let mut column_name = None;
        walk::expr_columns(expr, &mut |column| {
            if self.scope.resolve(block, column).is_some() {
                column_name.get_or_insert_with(|| column.name.as_str().to_owned());
            }
        });
        let Some(name) = column_name else { return };
        match expr {
            Expr::Cast { .. } => self.obstacles.insert(Obstacle::Cast(name)),
            Expr::Function { .. } | Expr::Binary { .. } | Expr::Other { .. } => {
                self.obstacles.insert(Obstacle::Function(name))
            }
            _ => false,
        };
    }

    fn name(&self, site: Site, key: &Key) -> String {
        match (key, self.scope.source(site.block, site.relation)) {
            (Key::Column(column), Source::Table(table)) => self.column_name(table, *column),
            (Key::Expression(text), _) => text.clone(),
            (Key::Column(_), _) => String::new(),
        }
    }

    fn column_name(&self, table: dbopt_catalog::TableId, column: ColumnId) -> String {
        self.catalog.table(table).columns[column.0].name.clone()
    }
}

fn site_of(found: &Resolved) -> Site {
    Site { block: found.block, relation: found.relation }
}

/// A literal as it is written in the predicate of an index.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(Literal::Bool(value)) => Some(value.to_string()),
        Expr::Literal(Literal::Number(text)) => Some(text.clone()),
        Expr::Literal(Literal::String(text)) => Some(quote_literal(text)),
        Expr::Cast { expr, .. } => literal(expr),
        _ => None,
    }
}
