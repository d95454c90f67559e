//! From a statement's block to a prepared one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use dbopt_catalog::{Catalog, ColumnId, ColumnStatistics, ConstraintKind, KeyPart, Relkind, Table, TableId};
use dbopt_sql::ir::{BlockId, Count, Expr, Output, Predicate, Relation, RelationSource, Role};

use super::{
    Block, JoinType, Key, Qual, Rel, RelKind, Shape, Subplan, SubplanKind, Tail, VarInfo, flatten::MAX_RELATIONS,
    quals, upper,
};
use crate::{
    canonical,
    model::{
        cost::clamp_rows,
        datum::Family,
        path::{Mask, PathKey},
        selectivity::Values,
    },
    scope::{Scope, Site, Source},
    size, walk,
};

/// What all statements share: the catalogue, and its statistics' values once they were parsed.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) version: u32,
    /// When the catalogue was read, which stands for `now()`.
    pub(crate) now: Option<f64>,
    columns: RefCell<HashMap<(TableId, ColumnId), VarInfo<'a>>>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            version: catalog.server.version_num,
            now: catalog.server.read_at.map(|seconds| seconds as f64),
            columns: RefCell::default(),
        }
    }

    /// A column with its statistics.
    pub(crate) fn column(&self, table: TableId, column: ColumnId) -> VarInfo<'a> {
        let mut columns = self.columns.borrow_mut();
        let found = columns.entry((table, column)).or_insert_with(|| {
            let home = self.catalog.table(table);
            let Some(info) = home.columns.get(column.0) else { return super::names::unknown_var(1.0) };
            let collation = info.collation.as_deref().unwrap_or(&self.catalog.server.collation);
            let family =
                Family::of(&info.kind, matches!(collation, "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "ucs_basic"));
            let statistics = info.statistics.as_ref();
            VarInfo {
                statistics,
                family,
                tuples: table_size(home).1,
                unique: is_unique(home, &[info.name.as_str()]),
                values: Arc::new(Values::new(statistics, family)),
                width: size::average_width(info),
            }
        });
        found.clone()
    }

    /// Statistics of an expression that an index of the table is over.
    pub(crate) fn expression_statistics(&self, table: TableId, canonical: &str) -> Option<&'a ColumnStatistics> {
        let indexes = &self.catalog.table(table).indexes;
        indexes.iter().find_map(|index| {
            index.expression_statistics.iter().find_map(|(at, statistics)| match &index.keys.get(*at)?.part {
                KeyPart::Expression(expression) if canonical::text(expression) == canonical => Some(statistics),
                _ => None,
            })
        })
    }
}

/// Pages and rows of a table (`estimate_rel_size`): a table that was never analysed has at least ten pages.
pub(crate) fn table_size(table: &Table) -> (f64, f64) {
    match table.rows {
        Some(rows) if rows >= 0.0 && rows.is_finite() => (table.pages.max(0.0), rows),
        _ => {
            let pages = if table.pages < 10.0 { 10.0 } else { table.pages };
            let width: f64 = table.columns.iter().map(size::average_width).sum();
            let fill = if table.fillfactor == 0 { 1.0 } else { f64::from(table.fillfactor) / 100.0 };
            // Per row: a line pointer and an aligned header.
            let density = ((8192.0 - 24.0) * fill / (width + 28.0)).floor().max(1.0);
            (pages, density * pages)
        }
    }
}

/// Whether a unique index or constraint is over just these columns, or some of them.
pub(crate) fn is_unique(table: &Table, columns: &[&str]) -> bool {
    let by_index = table.indexes.iter().any(|index| {
        index.unique
            && index.valid
            && index.predicate.is_none()
            && !index.keys.is_empty()
            && index.keys.iter().all(|key| key.as_column().is_some_and(|name| columns.contains(&name)))
    });
    by_index
        || table.constraints.iter().any(|constraint| {
            matches!(constraint.kind, ConstraintKind::Primary | ConstraintKind::Unique)
                && !constraint.columns.is_empty()
                && constraint.columns.iter().all(|name| columns.contains(&name.as_str()))
        })
}

/// An outer, semi or anti join.
#[derive(Clone, Debug)]
pub(super) struct Special {
    pub(super) kind: JoinType,
    pub(super) left: Mask,
    pub(super) right: Mask,
}

/// A condition before it is put where it belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawQual<'a> {
    pub(super) block: BlockId,
    pub(super) predicate: &'a Predicate,
    pub(super) special: Option<usize>,
    pub(super) within: Mask,
}

/// A relation while the block is being made.
#[derive(Debug)]
pub(super) struct RelBuild<'a> {
    pub(super) table: Option<TableId>,
    pub(super) sub: Option<Block<'a>>,
    pub(super) kept: bool,
    pub(super) name: Arc<str>,
    pub(super) pages: f64,
    pub(super) tuples: f64,
    pub(super) all_visible: f64,
    pub(super) width: f64,
    pub(super) unique_output: Option<String>,
    pub(super) partitions: f64,
}

/// Makes one block.
pub(super) struct Builder<'a, 's> {
    pub(super) shared: &'s Shared<'a>,
    pub(super) scope: &'s Scope<'a>,
    pub(super) rels: Vec<RelBuild<'a>>,
    pub(super) places: BTreeMap<Site, usize>,
    pub(super) pulled: BTreeSet<BlockId>,
    /// Blocks that are being planned already, here or above; recursive CTEs end there.
    pub(super) started: BTreeSet<BlockId>,
    pub(super) specials: Vec<Special>,
    pub(super) raw: Vec<RawQual<'a>>,
    /// `x IN (SELECT y …)`: special, block and expression of `x`, block and position of `y`.
    pub(super) memberships: Vec<(usize, BlockId, &'a Expr, BlockId, usize)>,
    pub(super) orderable: Vec<Vec<(usize, Key)>>,
    /// Orderable expressions that have one value only.
    pub(super) constant: BTreeSet<usize>,
    pub(super) once: Vec<Subplan<'a>>,
    depth: usize,
}

/// Levels of sub-selects that are planned.
const MAX_LEVELS: usize = 24;

/// In place of a depth: the block's joins alone, without what follows them.
pub(super) const BARE: usize = usize::MAX;

/// Prepares a statement; `None` when it reads no table or is too wide to plan.
pub(crate) fn prepare<'a>(shared: &Shared<'a>, scope: &Scope<'a>) -> Option<Block<'a>> {
    let statement = scope.statement();
    if statement.blocks.is_empty() || !scope.unknown_tables().is_empty() {
        return None;
    }
    let mut block = prepare_block(shared, scope, 0, &BTreeSet::new(), 0)?;
    let pages = sum_pages(&block);
    set_pages(&mut block, pages);
    Some(block)
}

fn sum_pages(block: &Block<'_>) -> f64 {
    let own: f64 = block
        .rels
        .iter()
        .map(|rel| match &rel.kind {
            RelKind::Table(_) => rel.pages,
            RelKind::Sub(inner) => sum_pages(inner),
            _ => 0.0,
        })
        .sum();
    // Sub-selects in expressions are planned apart from their query, with their own pages only.
    own + block.branches.iter().map(|(branch, _)| sum_pages(branch)).sum::<f64>()
}

fn set_pages(block: &mut Block<'_>, pages: f64) {
    block.total_pages = pages;
    for rel in &mut block.rels {
        if let RelKind::Sub(inner) = &mut rel.kind {
            set_own_pages(inner);
        }
        for subplan in rel.quals.iter_mut().flat_map(|qual| &mut qual.subplans) {
            set_own_pages(&mut subplan.block);
        }
    }
    for subplan in block.once.iter_mut().chain(&mut block.each) {
        set_own_pages(&mut subplan.block);
    }
    for branch in block.branches.iter_mut() {
        set_own_pages(&mut branch.0);
    }
    for extreme in &mut block.tail.extremes {
        set_pages(extreme, pages);
    }
}

fn set_own_pages(block: &mut Block<'_>) {
    let pages = sum_pages(block);
    set_pages(block, pages);
}

/// Prepares one block with all that is below it.
pub(super) fn prepare_block<'a>(
    shared: &Shared<'a>,
    scope: &Scope<'a>,
    id: BlockId,
    started: &BTreeSet<BlockId>,
    depth: usize,
) -> Option<Block<'a>> {
    let bare = depth == BARE;
    if depth > MAX_LEVELS && !bare {
        return None;
    }
    let mut started = started.clone();
    started.insert(id);
    let builder = Builder {
        shared,
        scope,
        rels: Vec::new(),
        places: BTreeMap::new(),
        pulled: BTreeSet::new(),
        started,
        specials: Vec::new(),
        raw: Vec::new(),
        memberships: Vec::new(),
        orderable: Vec::new(),
        constant: BTreeSet::new(),
        once: Vec::new(),
        depth: if bare { MAX_LEVELS } else { depth },
    };
    builder.block(id, bare)
}

impl<'a> Builder<'a, '_> {
    fn block(mut self, id: BlockId, bare: bool) -> Option<Block<'a>> {
        let statement = self.scope.statement();
        let select = statement.blocks.get(id)?;
        let branches = self.branches(id)?;
        self.pull(id)?;
        self.pulled.insert(id);
        self.reduce_outer_joins();
        let needed = self.needed_columns(id);
        let joined = self.join_graph(&needed)?;
        let mut block = Block {
            rels: joined.rels,
            sets: joined.sets,
            clauses: joined.clauses,
            tail: Tail::default(),
            once: Vec::new(),
            each: Vec::new(),
            wanted: Vec::new(),
            orderable: Vec::new(),
            distinct: Vec::new(),
            branches,
            total_pages: 0.0,
            rows: 1.0,
            width: 8.0,
        };
        if let Some(last) = block.sets.last() {
            block.rows = last.rows;
            block.width = last.width;
        }
        if !block.branches.is_empty() {
            block.rows = block.branches.iter().map(|(branch, _)| branch.returned_rows()).sum();
            block.width = block.branches[0].0.width;
            if block.branches.iter().any(|(_, all)| !all) {
                // `UNION`, `INTERSECT` and `EXCEPT` are taken to keep all rows, as the planner does at worst.
                block.tail.set_rows = Some(block.rows);
            }
        }
        if !bare {
            upper::tail(&mut self, id, select, &mut block)?;
            self.expression_subplans(id, &mut block)?;
        }
        block.wanted.extend(self.wanted_orders(&block.tail));
        block.distinct = self.order_distinct(&block);
        block.orderable = std::mem::take(&mut self.orderable);
        block.once = std::mem::take(&mut self.once);
        Some(block)
    }

    fn branches(&mut self, id: BlockId) -> Option<Vec<(Block<'a>, bool)>> {
        let statement = self.scope.statement();
        let mut branches = Vec::new();
        for (branch, select) in statement.blocks.iter().enumerate().skip(id + 1) {
            if select.parent != Some(id) {
                continue;
            }
            if let Role::SetBranch { all } = select.role {
                branches.push((prepare_block(self.shared, self.scope, branch, &self.started, self.depth + 1)?, all));
            }
        }
        Some(branches)
    }

    /// Adds an entry of `FROM` as a relation of its own.
    pub(super) fn add_relation(&mut self, site: Site, relation: &Relation) -> Option<Mask> {
        match self.scope.source(site.block, site.relation) {
            Source::Table(table) => self.add_table(site, table, relation),
            Source::Block(inner) if !self.started.contains(&inner) => {
                let mask = self.add_block(inner)?;
                self.places.insert(site, mask.trailing_zeros() as usize);
                Some(mask)
            }
            // A recursive CTE's own reference: a work table of unknown size.
            Source::Block(_) => self.add_function(site, 1000.0),
            Source::Opaque => {
                let known = matches!(relation.source, RelationSource::Table(_));
                self.add_function(site, if known { 1000.0 } else { 100.0 })
            }
        }
    }

    fn push(&mut self, rel: RelBuild<'a>) -> Option<Mask> {
        if self.rels.len() >= MAX_RELATIONS {
            return None;
        }
        self.rels.push(rel);
        Some(1 << (self.rels.len() - 1))
    }

    fn add_function(&mut self, site: Site, tuples: f64) -> Option<Mask> {
        let mask = self.push(RelBuild {
            table: None,
            sub: None,
            kept: false,
            name: "function".into(),
            pages: 0.0,
            tuples,
            all_visible: 0.0,
            width: 32.0,
            unique_output: None,
            partitions: 1.0,
        })?;
        self.places.insert(site, mask.trailing_zeros() as usize);
        Some(mask)
    }

    fn add_table(&mut self, site: Site, id: TableId, relation: &Relation) -> Option<Mask> {
        let table = self.shared.catalog.table(id);
        let (pages, tuples) = table_size(table);
        let name: Arc<str> = match &relation.alias {
            Some(alias) if alias.as_str() != table.name => format!("{} {}", table.name, alias.as_str()).into(),
            _ => table.name.as_str().into(),
        };
        let partitions =
            if table.kind == Relkind::Partitioned { self.shared.catalog.leaves(id).len().max(1) } else { 1 };
        let mask = self.push(RelBuild {
            table: Some(id),
            sub: None,
            kept: false,
            name,
            pages,
            tuples,
            all_visible: crate::model::selectivity::share(table.all_visible),
            width: 0.0,
            unique_output: None,
            partitions: partitions as f64,
        })?;
        self.places.insert(site, mask.trailing_zeros() as usize);
        Some(mask)
    }

    /// Adds a sub-select that is planned by itself.
    pub(super) fn add_block(&mut self, inner: BlockId) -> Option<Mask> {
        let block = prepare_block(self.shared, self.scope, inner, &self.started, self.depth + 1)?;
        let select = &self.scope.statement().blocks[inner];
        let kept = matches!(select.role, Role::Cte { .. });
        let unique_output = match (select.group_by.as_slice(), &select.distinct, select.outputs.as_slice()) {
            ([expr], _, outputs) => outputs.iter().zip(self.scope.outputs(inner)).find_map(|(output, column)| {
                let Output::Expr { expr: output, .. } = output else { return None };
                (output == expr).then(|| column.name.as_ref().map(|name| name.as_str().to_owned()))?
            }),
            (_, Some(_), [_]) => {
                self.scope.outputs(inner).first().and_then(|column| Some(column.name.as_ref()?.as_str().to_owned()))
            }
            _ => None,
        };
        let (rows, width) = (block.returned_rows(), block.width);
        let name: Arc<str> = match &select.role {
            Role::Cte { name, .. } => name.as_str().into(),
            _ => "subquery".into(),
        };
        let sub = if kept {
            // Run once, however often it is read.
            self.once.push(Subplan { block, kind: SubplanKind::Cte });
            None
        } else {
            Some(block)
        };
        let pages = 0.0;
        self.push(RelBuild {
            table: None,
            sub,
            kept,
            name,
            pages,
            tuples: rows,
            all_visible: 0.0,
            width,
            unique_output,
            partitions: 1.0,
        })
    }

    /// The columns that each relation's scan must return, for joins, outputs and orders.
    fn needed_columns(&self, id: BlockId) -> Vec<BTreeSet<ColumnId>> {
        let mut found = BTreeSet::new();
        let statement = self.scope.statement();
        let select = &statement.blocks[id];
        let mut expr = |block: BlockId, expr: &'a Expr| {
            walk::expr_columns(expr, &mut |column| self.collect(block, column, &mut found));
            walk::expr_blocks(expr, &mut |inner| {
                for below in self.subtree(inner) {
                    walk::block_exprs(&statement.blocks[below], &mut |expr| {
                        walk::expr_columns(expr, &mut |column| self.collect(below, column, &mut found));
                    });
                }
            });
        };
        select.group_by.iter().chain(&select.reads).for_each(|e| expr(id, e));
        select.having.iter().for_each(|predicate| walk::predicate_exprs(predicate, &mut |e| expr(id, e)));
        select.order_by.iter().for_each(|key| expr(id, &key.expr));
        select.aggregates.iter().flat_map(|aggregate| &aggregate.args).for_each(|e| expr(id, e));
        for window in &select.windows {
            window.partition_by.iter().for_each(|e| expr(id, e));
            window.order_by.iter().for_each(|key| expr(id, &key.expr));
        }
        if let Some(dbopt_sql::ir::Distinct::On(exprs)) = &select.distinct {
            exprs.iter().for_each(|e| expr(id, e));
        }
        for output in &select.outputs {
            if let Output::Expr { expr: e, .. } = output {
                expr(id, e);
            }
        }
        for (_, block, e, inner, position) in &self.memberships {
            expr(*block, e);
            if let Some((block, e)) = self.scope.outputs(*inner).get(*position).and_then(|output| output.expr) {
                expr(block, e);
            }
        }
        for raw in &self.raw {
            if self.predicate_mask(raw.block, raw.predicate).count_ones() > 1 {
                walk::predicate_exprs(raw.predicate, &mut |e| expr(raw.block, e));
            }
        }
        let mut needed = vec![BTreeSet::new(); self.rels.len()];
        for (rel, column) in found {
            needed[rel].insert(column);
        }
        self.star_columns(id, &mut needed);
        needed
    }

    /// Adds what `*` in the outputs of a block stands for.
    fn star_columns(&self, id: BlockId, needed: &mut [BTreeSet<ColumnId>]) {
        let select = &self.scope.statement().blocks[id];
        if !select.outputs.iter().any(|output| matches!(output, Output::Star { .. })) {
            return;
        }
        for output in self.scope.outputs(id) {
            if let Some(base) = output.base
                && let Some(rel) = self.places.get(&Site { block: base.block, relation: base.relation })
            {
                needed[*rel].insert(base.column);
            }
        }
    }

    /// The prepared relation, with its conditions.
    pub(super) fn finish_rel(&mut self, at: usize, quals: Vec<Qual<'a>>, targets: &BTreeSet<ColumnId>) -> Rel<'a> {
        let shared = self.shared;
        let rel = &mut self.rels[at];
        let width = match rel.table {
            Some(table) => {
                let columns = &shared.catalog.table(table).columns;
                targets.iter().filter_map(|column| columns.get(column.0)).map(size::average_width).sum()
            }
            None => rel.width,
        };
        let share = match rel.table {
            Some(table) => super::graph::restricted(shared.catalog.table(table), &quals),
            None => quals::together(quals.iter().map(|qual| (qual.selectivity, qual.range.as_ref()))),
        };
        let mut needed = targets.clone();
        needed.extend(quals.iter().flat_map(|qual| qual.columns.iter().copied()));
        let kind = match (rel.table, rel.sub.take()) {
            (Some(table), _) => RelKind::Table(table),
            (None, Some(block)) => RelKind::Sub(Box::new(block)),
            (None, None) if rel.kept => RelKind::Cte,
            (None, None) => RelKind::Function,
        };
        Rel {
            kind,
            name: rel.name.clone(),
            pages: rel.pages,
            tuples: rel.tuples,
            all_visible: rel.all_visible,
            rows: clamp_rows(rel.tuples * share),
            width,
            quals,
            needed: needed.into_iter().collect(),
            whole_row: false,
            params: Vec::new(),
            partitions: rel.partitions,
            cache: RefCell::default(),
        }
    }

    /// The number of an orderable expression.
    pub(super) fn order_id(&mut self, rel: usize, key: &Key) -> usize {
        let found = self.orderable.iter().position(|members| members.iter().any(|(r, k)| *r == rel && k == key));
        found.unwrap_or_else(|| {
            self.orderable.push(vec![(rel, key.clone())]);
            self.orderable.len() - 1
        })
    }

    /// Marks what an equality with a value holds constant.
    pub(super) fn note_constant(&mut self, rel: usize, qual: &Qual<'a>) {
        if let Shape::Equal(key, _) = &qual.shape {
            let id = self.order_id(rel, &key.clone());
            self.constant.insert(id);
        }
    }

    /// Sub-selects of a condition, to be run for its rows; those that depend on nothing are run once.
    pub(super) fn subplans(&mut self, predicate: &'a Predicate, inner: &[BlockId]) -> Vec<Subplan<'a>> {
        let negated_in = |id: BlockId, found: &Predicate| match found {
            Predicate::InSubquery { block, .. } => *block == id,
            _ => false,
        };
        let mut each = Vec::new();
        for id in inner {
            let Some(block) = prepare_block(self.shared, self.scope, *id, &self.started, self.depth + 1) else {
                continue;
            };
            let correlated = self.is_correlated(*id);
            let any = match predicate {
                Predicate::Or(branches) => branches.iter().flatten().any(|found| negated_in(*id, found)),
                found => negated_in(*id, found),
            };
            let role = &self.scope.statement().blocks[*id].role;
            let kind = match (any, correlated, role) {
                (true, false, _) => SubplanKind::Hashed,
                (true, true, _) => SubplanKind::Any,
                (false, _, Role::Exists) => SubplanKind::Exists,
                _ => SubplanKind::Scalar,
            };
            if correlated || kind == SubplanKind::Hashed {
                each.push(Subplan { block, kind });
            } else {
                self.once.push(Subplan { block, kind });
            }
        }
        each
    }

    /// Whether a sub-select reads anything outside of itself.
    fn is_correlated(&self, inner: BlockId) -> bool {
        let inside = self.subtree(inner);
        let statement = self.scope.statement();
        let mut correlated = false;
        for id in &inside {
            walk::block_exprs(&statement.blocks[*id], &mut |expr| {
                walk::expr_columns(expr, &mut |column| {
                    if let Some((site, _)) = self.scope.site(*id, column) {
                        correlated |= !inside.contains(&site.block);
                    }
                });
            });
        }
        correlated
    }

    /// Sub-selects in the outputs, which run for each row of the result.
    fn expression_subplans(&mut self, id: BlockId, block: &mut Block<'a>) -> Option<()> {
        let select = self.scope.statement().blocks.get(id)?;
        let mut inner = Vec::new();
        for output in &select.outputs {
            if let Output::Expr { expr, .. } = output {
                walk::expr_blocks(expr, &mut |found| inner.push(found));
            }
        }
        for predicate in &select.having {
            walk::predicate_blocks(predicate, &mut |found| inner.push(found));
        }
        for found in inner {
            let Some(prepared) = prepare_block(self.shared, self.scope, found, &self.started, self.depth + 1) else {
                continue;
            };
            let kind = match self.scope.statement().blocks[found].role {
                Role::Exists => SubplanKind::Exists,
                _ => SubplanKind::Scalar,
            };
            let subplan = Subplan { block: prepared, kind };
            if self.is_correlated(found) { block.each.push(subplan) } else { self.once.push(subplan) }
        }
        Some(())
    }

    /// Distinct values of orderable expressions, for sorting within groups.
    fn order_distinct(&self, block: &Block<'a>) -> Vec<Option<f64>> {
        let of = |members: &Vec<(usize, Key)>| {
            let (rel, key) = members.first()?;
            let Key::Column(column) = key else { return None };
            let info = block.rels.get(*rel)?;
            Some(super::graph::groups_of(&self.base_var(*rel, *column), info))
        };
        self.orderable.iter().map(of).collect()
    }

    fn wanted_orders(&self, tail: &Tail<'a>) -> Vec<Vec<PathKey>> {
        let mut wanted = Vec::new();
        if let Some(group) = &tail.group {
            wanted.push(group.keys.clone());
        }
        wanted.extend(tail.windows.iter().cloned());
        if let Some((keys, _)) = &tail.distinct {
            wanted.push(keys.clone());
        }
        wanted.push(tail.order.clone());
        wanted.retain(|keys| !keys.is_empty());
        wanted
    }
}

impl Block<'_> {
    /// Rows that it returns after its limit.
    pub(crate) fn returned_rows(&self) -> f64 {
        match self.tail.limit {
            None => self.rows,
            Some((offset, count)) => {
                let offset = offset.unwrap_or(0.0).min(self.rows);
                let count = count.unwrap_or(self.rows);
                clamp_rows((self.rows - offset).max(0.0).min(count))
            }
        }
    }
}

/// A count as rows; one that is not known is a tenth of what there is (`preprocess_limit`).
pub(super) fn count_rows(count: Option<Count>, rows: f64) -> Option<f64> {
    match count? {
        Count::Rows(rows) => Some(rows as f64),
        Count::Unknown => Some(clamp_rows(rows * 0.1)),
    }
}
