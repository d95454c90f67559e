//! The relations' own conditions, the conditions that join them, and the sets of relations that a plan can go through.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_catalog::{ColumnId, ConstraintKind, Table};
use dbopt_sql::ir::{CompareOp, Expr, Predicate};

use super::{
    Clause, Foreign, Hand, JoinType, Key, Pair, Param, Qual, Rel, RelSet, Shape, VarInfo,
    build::{Builder, Special, is_unique},
    names::Operand,
    quals::together,
};
use crate::model::{
    cost::clamp_rows,
    path::Mask,
    selectivity::{self, Side},
};

/// What joining needs to know.
pub(super) struct Joined<'a> {
    pub(super) rels: Vec<Rel<'a>>,
    pub(super) clauses: Vec<Clause<'a>>,
    pub(super) sets: Vec<RelSet>,
}

/// Relations up to which all join orders are compared; more are joined greedily, smallest result first.
const MAX_EXHAUSTIVE: u32 = 8;

/// One side of an equality while clauses are made.
type Member<'a> = (usize, Key, VarInfo<'a>);

impl<'a> Builder<'a, '_> {
    /// Outer joins whose null-extended rows a condition rejects are inner ones; those whose other rows it rejects are
    /// anti joins (`reduce_outer_joins`).
    pub(super) fn reduce_outer_joins(&mut self) {
        loop {
            let mut rejected: Mask = 0;
            for raw in &self.raw {
                if raw.special.is_none_or(|special| self.specials[special].kind == JoinType::Inner) {
                    rejected |= self.strict_mask(raw.block, raw.predicate);
                }
            }
            let mut changed = false;
            for special in &mut self.specials {
                match special.kind {
                    JoinType::Left if special.right & rejected != 0 => {
                        special.kind = JoinType::Inner;
                        changed = true;
                    }
                    JoinType::Full if special.left & rejected != 0 => {
                        special.kind = JoinType::Left;
                        changed = true;
                    }
                    JoinType::Full if special.right & rejected != 0 => {
                        special.kind = JoinType::Left;
                        std::mem::swap(&mut special.left, &mut special.right);
                        changed = true;
                    }
                    _ => {}
                }
            }
            if !changed {
                break;
            }
        }
        for number in 0..self.specials.len() {
            if self.specials[number].kind != JoinType::Left {
                continue;
            }
            let right = self.specials[number].right;
            let strict: Vec<(usize, Key)> = self
                .raw
                .iter()
                .filter(|raw| raw.special == Some(number))
                .flat_map(|raw| match raw.predicate {
                    Predicate::Compare { left, right, .. } => vec![(raw.block, left), (raw.block, right)],
                    _ => vec![],
                })
                .filter_map(|(block, expr)| match self.operand(block, expr) {
                    Operand::Var { rel, key, .. } if right >> rel & 1 == 1 => Some((rel, key)),
                    _ => None,
                })
                .collect();
            let is_anti = |raw: &super::build::RawQual<'a>| match raw.predicate {
                Predicate::IsNull { expr, negated: false } if raw.special.is_none() => {
                    match self.operand(raw.block, expr) {
                        Operand::Var { rel, key, .. } => strict.contains(&(rel, key)),
                        _ => false,
                    }
                }
                _ => false,
            };
            if let Some(at) = self.raw.iter().position(is_anti) {
                self.raw.remove(at);
                self.specials[number].kind = JoinType::Anti;
            }
        }
    }

    /// Relations of which a condition accepts no null row.
    fn strict_mask(&self, block: usize, predicate: &'a Predicate) -> Mask {
        let strict = |expr: &'a Expr| match expr {
            Expr::Column(_) | Expr::Cast { .. } | Expr::Binary { .. } => self.mask(block, expr),
            _ => 0,
        };
        match predicate {
            Predicate::Compare { left, right, .. } => strict(left) | strict(right),
            Predicate::InList { expr, .. }
            | Predicate::IsNull { expr, negated: true }
            | Predicate::Bool { expr, .. } => strict(expr),
            Predicate::RowCompare { left, .. } => left.first().map_or(0, strict),
            Predicate::InSubquery { exprs, negated: false, .. } => exprs.iter().map(strict).fold(0, |a, b| a | b),
            _ => 0,
        }
    }

    /// A semi join with a side that has one row a value is an inner join (`reduce_unique_semijoins`).
    fn reduce_semi_joins(&mut self) {
        for number in 0..self.specials.len() {
            let Special { kind: JoinType::Semi, right, .. } = self.specials[number] else { continue };
            let rel = right.trailing_zeros() as usize;
            if right.count_ones() != 1 {
                continue;
            }
            let Some(table) = self.rels[rel].table else { continue };
            let table = self.shared.catalog.table(table);
            let mut keys = Vec::new();
            for (_, _, _, inner, position) in self.memberships.iter().filter(|member| member.0 == number) {
                let output = self.scope.outputs(*inner).get(*position).and_then(|output| output.expr);
                keys.extend(output.map(|(block, expr)| self.operand(block, expr)));
            }
            for raw in self.raw.iter().filter(|raw| raw.special == Some(number)) {
                if let Some([left, right]) = self.sides(raw.block, raw.predicate) {
                    let own = if left.0 == rel { left } else { right };
                    keys.push(Operand::Var { rel: own.0, key: own.1, var: own.2, ops: 0.0 });
                }
            }
            let names = keys.iter().filter_map(|operand| match operand {
                Operand::Var { rel: own, key: Key::Column(column), .. } if *own == rel => {
                    Some(table.columns.get(column.0)?.name.as_str())
                }
                _ => None,
            });
            if is_unique(table, &names.collect::<Vec<_>>()) {
                self.specials[number].kind = JoinType::Inner;
            }
        }
    }

    /// Builds relations, clauses and sets.
    pub(super) fn join_graph(&mut self, needed: &[BTreeSet<ColumnId>]) -> Option<Joined<'a>> {
        self.reduce_semi_joins();
        let count = self.rels.len();
        let mut restrictions: Vec<Vec<Qual<'a>>> = (0..count).map(|_| Vec::new()).collect();
        let mut equalities: Vec<[Member<'a>; 2]> = Vec::new();
        let mut clauses = Vec::new();
        let mut params: Vec<Vec<Param>> = vec![Vec::new(); count];
        for raw in std::mem::take(&mut self.raw) {
            let mask = self.predicate_mask(raw.block, raw.predicate);
            if mask == 0 {
                // True or false for all rows: a filter above the whole join, which costs nothing.
                continue;
            }
            let special = raw.special.filter(|special| self.specials[*special].kind != JoinType::Inner);
            let below = special.is_some_and(|special| {
                mask & !self.specials[special].right == 0 && self.specials[special].kind != JoinType::Full
            });
            let special = if below { None } else { special };
            let late = if special.is_none() { self.null_extended(mask, raw.within) } else { 0 };
            if special.is_none() && late == 0 && mask.count_ones() == 1 {
                let rel = mask.trailing_zeros() as usize;
                let qual = self.qual(raw.block, raw.predicate);
                restrictions[rel].push(qual);
                continue;
            }
            if let Some(sides) = self.sides(raw.block, raw.predicate) {
                let mergeable = special.is_none() && late == 0 && !below;
                if mergeable {
                    equalities.push(sides);
                } else {
                    let number = clauses.len();
                    clauses.push(self.equality_clause(sides, None, special, &mut params, number));
                    clauses[number].mask |= late;
                }
                continue;
            }
            let number = clauses.len();
            self.inequality_params(raw.block, raw.predicate, special, number, &mut params);
            let judged = self.judge(raw.block, raw.predicate);
            clauses.push(Clause {
                mask: mask | late,
                equality: None,
                selectivity: judged.selectivity,
                ops: judged.ops,
                class: None,
                special,
                foreign: None,
            });
        }
        for (special, block, expr, inner, position) in std::mem::take(&mut self.memberships) {
            let Some(sides) = self.membership_sides(special, block, expr, inner, position) else { continue };
            if self.specials[special].kind == JoinType::Inner {
                equalities.push(sides);
                continue;
            }
            let number = clauses.len();
            let clause = self.equality_clause(sides, None, Some(special), &mut params, number);
            clauses.push(clause);
        }
        self.equivalences(equalities, &mut restrictions, &mut clauses, &mut params);
        for (rel, quals) in restrictions.iter().enumerate() {
            for qual in quals {
                self.note_constant(rel, qual);
            }
        }
        let mut rels: Vec<Rel<'a>> = Vec::with_capacity(count);
        for (at, quals) in restrictions.into_iter().enumerate() {
            rels.push(self.finish_rel(at, quals, &needed[at]));
        }
        for (rel, params) in rels.iter_mut().zip(params) {
            rel.params = params;
        }
        self.foreign_keys(&mut clauses);
        let sets = Skeleton { builder: self, rels: &rels, clauses: &clauses }.build()?;
        Some(Joined { rels, clauses, sets })
    }

    /// The relations that must be joined before a condition on null-extended ones can be tested.
    fn null_extended(&self, mask: Mask, within: Mask) -> Mask {
        let mut late = 0;
        for special in &self.specials {
            // A condition within the nullable side itself is below the join.
            if within & !special.right == 0 {
                continue;
            }
            let extended = match special.kind {
                JoinType::Left => special.right,
                JoinType::Full => special.left | special.right,
                _ => 0,
            };
            if extended & mask != 0 {
                late |= special.left | special.right;
            }
        }
        late
    }

    /// The two sides of an equality between columns of different relations.
    fn sides(&self, block: usize, predicate: &'a Predicate) -> Option<[Member<'a>; 2]> {
        let Predicate::Compare { left, op: CompareOp::Eq, right } = predicate else { return None };
        self.pair(self.operand(block, left), self.operand(block, right))
    }

    fn pair(&self, left: Operand<'a>, right: Operand<'a>) -> Option<[Member<'a>; 2]> {
        match (left, right) {
            (
                Operand::Var { rel: a, key: left, var: left_var, .. },
                Operand::Var { rel: b, key: right, var: right_var, .. },
            ) if a != b => Some([(a, left, left_var), (b, right, right_var)]),
            _ => None,
        }
    }

    fn membership_sides(
        &self,
        special: usize,
        block: usize,
        expr: &'a Expr,
        inner: usize,
        position: usize,
    ) -> Option<[Member<'a>; 2]> {
        let left = self.operand(block, expr);
        let right = self.specials[special].right;
        if self.pulled.contains(&inner) {
            let (block, expr) = self.scope.outputs(inner).get(position)?.expr?;
            return self.pair(left, self.operand(block, expr));
        }
        // The sub-select stands as one relation; its columns have no names here, so the base column's values serve.
        let rel = right.trailing_zeros() as usize;
        let output = self.scope.outputs(inner).get(position)?;
        let mut var = match output.base {
            Some(base) => self.shared.column(base.table, base.column),
            None => super::names::unknown_var(self.rels[rel].tuples),
        };
        var.unique = self.rels[rel].unique_output.is_some();
        var.tuples = self.rels[rel].tuples;
        let key = Key::Output(output.name.as_ref().map_or("?", |name| name.as_str()).into());
        self.pair(left, Operand::Var { rel, key, var, ops: 0.0 })
    }

    fn equality_clause(
        &mut self,
        [left, right]: [Member<'a>; 2],
        class: Option<usize>,
        special: Option<usize>,
        params: &mut [Vec<Param>],
        number: usize,
    ) -> Clause<'a> {
        for (own, other) in [(&left, &right), (&right, &left)] {
            let usable = special.is_none_or(|special| self.specials[special].right >> own.0 & 1 == 1);
            if usable {
                params[own.0].push(Param {
                    key: own.1.clone(),
                    side: None,
                    others: 1 << other.0,
                    selectivity: selectivity::equal_to_unknown(&own.2.var()),
                    class,
                    clause: number,
                });
            }
        }
        let selectivity = selectivity::inner_equality(&left.2.var(), &right.2.var());
        let mask = 1 << left.0 | 1 << right.0;
        let hands = [left, right].map(|(rel, key, var)| Hand { rel, id: self.order_id(rel, &key), var });
        Clause { mask, equality: Some(hands), selectivity, ops: 1.0, class, special, foreign: None }
    }

    fn inequality_params(
        &self,
        block: usize,
        predicate: &'a Predicate,
        special: Option<usize>,
        number: usize,
        params: &mut [Vec<Param>],
    ) {
        let Predicate::Compare { left, op, right } = predicate else { return };
        let side = match op {
            CompareOp::Lt => Side { greater: false, or_equal: false },
            CompareOp::LtEq => Side { greater: false, or_equal: true },
            CompareOp::Gt => Side { greater: true, or_equal: false },
            CompareOp::GtEq => Side { greater: true, or_equal: true },
            _ => return,
        };
        let mirrored = Side { greater: !side.greater, ..side };
        let (left, right) = (self.operand(block, left), self.operand(block, right));
        for (own, other, side) in [(&left, &right, side), (&right, &left, mirrored)] {
            let Operand::Var { rel, key, .. } = own else { continue };
            let others = other.mask();
            let usable = special.is_none_or(|special| self.specials[special].right >> rel & 1 == 1);
            if usable && others != 0 && others >> rel & 1 == 0 {
                params[*rel].push(Param {
                    key: key.clone(),
                    side: Some(side),
                    others,
                    selectivity: selectivity::DEFAULT_INEQUALITY,
                    class: None,
                    clause: number,
                });
            }
        }
    }

    /// Equivalence classes (`equivclass.c`): equalities are transitive, and a value given for one member holds for all.
    fn equivalences(
        &mut self,
        equalities: Vec<[Member<'a>; 2]>,
        restrictions: &mut [Vec<Qual<'a>>],
        clauses: &mut Vec<Clause<'a>>,
        params: &mut [Vec<Param>],
    ) {
        let mut classes: Vec<Vec<Member<'a>>> = Vec::new();
        for [left, right] in equalities {
            let find = |member: &Member<'a>, classes: &[Vec<Member<'a>>]| {
                classes.iter().position(|class| class.iter().any(|other| other.0 == member.0 && other.1 == member.1))
            };
            match (find(&left, &classes), find(&right, &classes)) {
                (Some(a), Some(b)) if a != b => {
                    let moved = std::mem::take(&mut classes[b]);
                    classes[a].extend(moved);
                }
                (Some(_), Some(_)) => {}
                (Some(a), None) => classes[a].push(right),
                (None, Some(b)) => classes[b].push(left),
                (None, None) => classes.push(vec![left, right]),
            }
        }
        for (number, class) in classes.into_iter().enumerate() {
            if class.len() < 2 {
                continue;
            }
            // One order for all members.
            let ids: Vec<usize> = class.iter().map(|(rel, key, _)| self.order_id(*rel, key)).collect();
            for id in &ids[1..] {
                if *id != ids[0] {
                    let moved = std::mem::take(&mut self.orderable[*id]);
                    self.orderable[ids[0]].extend(moved);
                }
            }
            let given = class.iter().find_map(|(rel, key, _)| {
                restrictions[*rel].iter().find_map(|qual| match &qual.shape {
                    Shape::Equal(other, datum) if other == key => Some(datum.clone()),
                    _ => None,
                })
            });
            if let Some(datum) = given {
                for (rel, key, var) in &class {
                    let has =
                        restrictions[*rel].iter().any(|qual| matches!(&qual.shape, Shape::Equal(k, _) if k == key));
                    if !has {
                        restrictions[*rel].push(derived(key, var, datum.clone()));
                    }
                }
                continue;
            }
            for (at, left) in class.iter().enumerate().take(64) {
                for right in class.iter().skip(at + 1).take(64) {
                    if left.0 != right.0 {
                        let sides = [left.clone(), right.clone()];
                        let clause = self.equality_clause(sides, Some(number), None, params, clauses.len());
                        clauses.push(clause);
                    }
                }
            }
        }
    }

    /// Notes which equalities follow a foreign key (`match_foreign_keys_to_quals`).
    fn foreign_keys(&self, clauses: &mut [Clause<'a>]) {
        let mut number = 0;
        for (rel, from) in self.rels.iter().enumerate() {
            let Some(table) = from.table else { continue };
            let table = self.shared.catalog.table(table);
            for constraint in &table.constraints {
                let ConstraintKind::Foreign { table: (schema, name), columns, .. } = &constraint.kind else { continue };
                let Some(target) = self.shared.catalog.find(Some(schema), name) else { continue };
                for (referenced, to) in self.rels.iter().enumerate() {
                    if to.table != Some(target) || referenced == rel {
                        continue;
                    }
                    number += 1;
                    let pairs = constraint.columns.iter().zip(columns).filter_map(|(own, other)| {
                        let own = Key::Column(table.column(own)?);
                        let other = Key::Column(self.shared.catalog.table(target).column(other)?);
                        Some((own, other))
                    });
                    let foreign = Foreign { id: number, columns: constraint.columns.len(), referenced };
                    for (own, other) in pairs {
                        for clause in clauses.iter_mut() {
                            let Some([a, b]) = &clause.equality else { continue };
                            let is = |hand: &Hand<'_>, rel: usize, key: &Key| {
                                hand.rel == rel && self.orderable[hand.id].contains(&(rel, key.clone()))
                            };
                            let forward = is(a, rel, &own) && is(b, referenced, &other);
                            let backward = is(b, rel, &own) && is(a, referenced, &other);
                            if clause.foreign.is_none() && (forward || backward) {
                                clause.foreign = Some(foreign);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `key = value`, derived from another member of its class.
fn derived<'a>(key: &Key, var: &VarInfo<'a>, datum: Option<crate::model::datum::Datum>) -> Qual<'a> {
    let view = var.var();
    let selectivity = match &datum {
        Some(datum) => selectivity::equal_to(&view, datum),
        None => selectivity::equal_to_unknown(&view),
    };
    let columns = match key {
        Key::Column(column) => vec![*column],
        _ => Vec::new(),
    };
    Qual {
        selectivity,
        ops: 1.0,
        startup_ops: 0.0,
        shape: Shape::Equal(key.clone(), datum),
        text: None,
        columns,
        subplans: Vec::new(),
        range: None,
    }
}

/// Share of a table's rows that meet all conditions, functional dependencies considered
/// (`dependencies_clauselist_selectivity`).
pub(super) fn restricted(table: &Table, quals: &[Qual<'_>]) -> f64 {
    let mut share = together(quals.iter().map(|qual| (qual.selectivity, qual.range.as_ref())));
    let equal: BTreeMap<ColumnId, f64> = quals
        .iter()
        .filter_map(|qual| match &qual.shape {
            Shape::Equal(Key::Column(column), _) | Shape::In(Key::Column(column), _) => {
                Some((*column, qual.selectivity))
            }
            _ => None,
        })
        .collect();
    if equal.len() < 2 {
        return share;
    }
    let mut used = BTreeSet::new();
    for (from, to, degree) in table.extended.iter().flat_map(|statistics| &statistics.dependencies) {
        let from: Option<Vec<ColumnId>> = from.iter().map(|name| table.column(name)).collect();
        let (Some(from), Some(to)) = (from, table.column(to)) else { continue };
        let Some(target) = equal.get(&to) else { continue };
        if used.contains(&to) || !from.iter().all(|column| equal.contains_key(column) && !used.contains(column)) {
            continue;
        }
        // P(a, b) = P(a) * (f + (1 - f) * P(b)), where f is the degree.
        let degree = selectivity::share(*degree);
        if *target > 0.0 {
            share *= (degree + (1.0 - degree) * target) / target;
        }
        used.insert(to);
    }
    selectivity::share(share)
}

/// Makes the sets of relations.
struct Skeleton<'b, 'a, 's> {
    builder: &'b Builder<'a, 's>,
    rels: &'b [Rel<'a>],
    clauses: &'b [Clause<'a>],
}

impl<'a> Skeleton<'_, 'a, '_> {
    fn build(&self) -> Option<Vec<RelSet>> {
        let mut sets: Vec<RelSet> = Vec::new();
        for (at, rel) in self.rels.iter().enumerate() {
            sets.push(RelSet { mask: 1 << at, rows: rel.rows, width: rel.width, pairs: Vec::new() });
        }
        let count = self.rels.len() as u32;
        if count < 2 {
            return Some(sets);
        }
        let all: Mask = (1 << count) - 1;
        if count <= MAX_EXHAUSTIVE {
            self.exhaustive(&mut sets, all)
        } else {
            self.greedy(&mut sets, all)
        }
        // A statement whose joins fit no order that is known here is not planned.
        (sets.last().map(|set| set.mask) == Some(all)).then_some(sets)
    }

    fn exhaustive(&self, sets: &mut Vec<RelSet>, all: Mask) {
        let mut by_mask: BTreeMap<Mask, usize> = sets.iter().enumerate().map(|(at, set)| (set.mask, at)).collect();
        for size in 2..=all.count_ones() {
            for mask in (1..=all).filter(|mask| mask.count_ones() == size) {
                let mut set: Option<RelSet> = None;
                for clauseless in [false, true] {
                    // All ways to split the set in two, the half with the lowest relation first.
                    let low = mask & mask.wrapping_neg();
                    let mut half = (mask - 1) & mask;
                    while half != 0 {
                        if half & low != 0
                            && let (Some(a), Some(b)) = (by_mask.get(&half), by_mask.get(&(mask & !half)))
                            && (clauseless && self.separate(half, mask & !half) || self.connected(half, mask & !half))
                        {
                            self.join(sets, *a, *b, &mut set);
                        }
                        half = (half - 1) & mask;
                    }
                    if set.is_some() {
                        break;
                    }
                }
                if let Some(set) = set {
                    by_mask.insert(mask, sets.len());
                    sets.push(set);
                }
            }
        }
    }

    /// Joins, again and again, the two sets whose result is smallest.
    fn greedy(&self, sets: &mut Vec<RelSet>, all: Mask) {
        let mut open: Vec<usize> = (0..sets.len()).collect();
        while open.len() > 1 {
            let mut best: Option<(f64, usize, usize, RelSet)> = None;
            for clauseless in [false, true] {
                for (i, a) in open.iter().enumerate() {
                    for (j, b) in open.iter().enumerate().skip(i + 1) {
                        if !clauseless && !self.connected(sets[*a].mask, sets[*b].mask) {
                            continue;
                        }
                        let mut set = None;
                        self.join(sets, *a, *b, &mut set);
                        if let Some(set) = set
                            && best.as_ref().is_none_or(|(rows, ..)| set.rows < *rows)
                        {
                            best = Some((set.rows, i, j, set));
                        }
                    }
                }
                if best.is_some() {
                    break;
                }
            }
            let Some((_, i, j, set)) = best else { return };
            debug_assert!(set.mask & !all == 0);
            open.swap_remove(j);
            open.swap_remove(i);
            open.push(sets.len());
            sets.push(set);
        }
    }

    fn connected(&self, a: Mask, b: Mask) -> bool {
        let crosses = |clause: &Clause<'a>| clause.mask & a != 0 && clause.mask & b != 0 && clause.mask & !(a | b) == 0;
        self.clauses.iter().any(crosses)
            || self.specials().any(|special| {
                special.right == b && special.left & a != 0 || special.right == a && special.left & b != 0
            })
    }

    fn specials(&self) -> impl Iterator<Item = &Special> {
        self.builder.specials.iter().filter(|special| special.kind != JoinType::Inner)
    }

    /// Whether no clause leads out of either set: a product of the two is then the only way.
    fn separate(&self, a: Mask, b: Mask) -> bool {
        let leads_out = |set: Mask| self.clauses.iter().any(|clause| clause.mask & set != 0 && clause.mask & !set != 0);
        !leads_out(a) || !leads_out(b)
    }

    /// Adds the ways to join two sets.
    fn join(&self, sets: &[RelSet], a: usize, b: usize, into: &mut Option<RelSet>) {
        let (left, right) = (sets[a].mask, sets[b].mask);
        let mask = left | right;
        let Some(orders) = self.legal(left, right) else { return };
        let special = self.performed(left, right).map(|(at, _)| at);
        let clauses = self.clauses_for(left, right, special);
        for (forward, kind) in orders {
            let (outer, inner) = if forward { (a, b) } else { (b, a) };
            let pair = self.pair(&sets[outer], &sets[inner], outer, inner, kind, &clauses);
            let set = into.get_or_insert_with(|| RelSet {
                mask,
                rows: self.join_rows(&sets[outer], &sets[inner], kind, &clauses, &pair),
                width: match kind {
                    JoinType::Semi | JoinType::Anti => sets[outer].width,
                    JoinType::UniqueOuter => sets[inner].width,
                    _ => sets[a].width + sets[b].width,
                },
                pairs: Vec::new(),
            });
            set.pairs.push(pair);
        }
    }

    /// The special join that joining two sets performs, and whether its right side is the second.
    fn performed(&self, a: Mask, b: Mask) -> Option<(usize, bool)> {
        self.builder.specials.iter().enumerate().find_map(|(at, special)| {
            if special.kind == JoinType::Inner {
                None
            } else if special.right == b && special.left & !a == 0 {
                Some((at, true))
            } else if special.right == a && special.left & !b == 0 {
                Some((at, false))
            } else {
                None
            }
        })
    }

    /// The orders in which two sets may be joined (`join_is_legal`), as (first is outer, kind).
    fn legal(&self, a: Mask, b: Mask) -> Option<Vec<(bool, JoinType)>> {
        let performed = self.performed(a, b);
        for (at, special) in self.builder.specials.iter().enumerate() {
            if special.kind == JoinType::Inner || performed.is_some_and(|(performed, _)| performed == at) {
                continue;
            }
            let right = special.right;
            let whole = special.left | special.right;
            let done = |set: Mask| whole & !set == 0;
            let touches = (a | b) & right != 0;
            let inside = (a | b) & !right == 0;
            if touches && !inside && !done(a) && !done(b) {
                return None;
            }
            if special.kind == JoinType::Full
                && (a | b) & whole != 0
                && !done(a)
                && !done(b)
                && (a | b) & !special.left != 0
                && !inside
            {
                return None;
            }
        }
        Some(match performed {
            None => vec![(true, JoinType::Inner), (false, JoinType::Inner)],
            Some((at, forward)) => match self.builder.specials[at].kind {
                JoinType::Left => vec![(forward, JoinType::Left), (!forward, JoinType::Right)],
                JoinType::Full => vec![(forward, JoinType::Full), (!forward, JoinType::Full)],
                JoinType::Anti => vec![(forward, JoinType::Anti)],
                _ => {
                    vec![(forward, JoinType::Semi), (forward, JoinType::UniqueInner), (!forward, JoinType::UniqueOuter)]
                }
            },
        })
    }

    /// The clauses that a join tests; of a class, one.
    fn clauses_for(&self, a: Mask, b: Mask, special: Option<usize>) -> Vec<usize> {
        let mut classes = BTreeSet::new();
        let mask = a | b;
        let mut found = Vec::new();
        for (at, clause) in self.clauses.iter().enumerate() {
            let within = clause.mask & !mask == 0;
            let crosses = clause.mask & a != 0 && clause.mask & b != 0;
            let own = special.is_some() && clause.special == special;
            let elsewhere = clause.special.is_some() && clause.special != special;
            if !within || elsewhere || !(crosses || own) {
                continue;
            }
            if clause.class.is_none_or(|class| classes.insert(class)) {
                found.push(at);
            }
        }
        found
    }

    fn pair(
        &self,
        outer: &RelSet,
        inner: &RelSet,
        outer_at: usize,
        inner_at: usize,
        kind: JoinType,
        clauses: &[usize],
    ) -> Pair {
        let mut equalities = Vec::new();
        let mut approximate = 1.0;
        for at in clauses {
            let clause = &self.clauses[*at];
            let Some([left, right]) = &clause.equality else { continue };
            let forward = outer.mask >> left.rel & 1 == 1 && inner.mask >> right.rel & 1 == 1;
            let backward = outer.mask >> right.rel & 1 == 1 && inner.mask >> left.rel & 1 == 1;
            if forward || backward {
                equalities.push((*at, forward));
                approximate *= clause.selectivity;
            }
        }
        let semi = matches!(kind, JoinType::Semi | JoinType::Anti);
        let unique = !semi && self.unique_inner(inner, &equalities);
        let each: f64 = clauses.iter().map(|at| self.clauses[*at].selectivity).product();
        let matches = if semi {
            let share = self.semi_share(inner, clauses, &equalities);
            Some((share, if share > 0.0 { (each * inner.rows / share).max(1.0) } else { 1.0 }))
        } else {
            // For a unique inner side the server estimates the share of outer rows with a match as that of an inner
            // join, which is far too low; its costs are to be met, so the same is done here.
            unique.then_some((selectivity::share(each), inner.rows.max(1.0)))
        };
        // A semi join's right side made unique has as many rows as its columns have values.
        let unique_rows = match kind {
            JoinType::UniqueInner => self.distinct_rows(inner, &equalities),
            JoinType::UniqueOuter => self.distinct_rows(outer, &equalities),
            _ => 0.0,
        };
        Pair {
            outer: outer_at,
            inner: inner_at,
            kind,
            clauses: clauses.to_vec(),
            equalities,
            approximate,
            matches,
            unique_rows,
        }
    }

    fn distinct_rows(&self, set: &RelSet, equalities: &[(usize, bool)]) -> f64 {
        let mut rows = 1.0;
        for (at, _) in equalities {
            let Some(hands) = &self.clauses[*at].equality else { continue };
            for hand in hands {
                if set.mask >> hand.rel & 1 == 1 {
                    rows *= groups_of(&hand.var, &self.rels[hand.rel]);
                }
            }
        }
        rows.min(set.rows).max(1.0)
    }

    /// Whether a row of the outer side meets one row of the inner side at most (`innerrel_is_unique`).
    fn unique_inner(&self, inner: &RelSet, equalities: &[(usize, bool)]) -> bool {
        if inner.mask.count_ones() != 1 {
            return false;
        }
        let rel = inner.mask.trailing_zeros() as usize;
        let builder = &self.builder.rels[rel];
        let hands = equalities.iter().filter_map(|(at, forward)| {
            let [left, right] = self.clauses[*at].equality.as_ref()?;
            Some(if *forward { right } else { left })
        });
        match builder.table {
            Some(table) => {
                let table = self.builder.shared.catalog.table(table);
                let mut names: Vec<&str> = Vec::new();
                for hand in hands {
                    for (member, key) in &self.builder.orderable[hand.id] {
                        if let (true, Key::Column(column)) = (*member == rel, key) {
                            names.push(&table.columns[column.0].name);
                        }
                    }
                }
                is_unique(table, &names)
            }
            None => hands.into_iter().any(|hand| hand.var.unique),
        }
    }

    /// Share of outer rows that have a match.
    fn semi_share(&self, inner: &RelSet, clauses: &[usize], equalities: &[(usize, bool)]) -> f64 {
        let mut share = 1.0;
        let mut foreign: BTreeMap<usize, (Foreign, usize)> = BTreeMap::new();
        for at in clauses {
            if let Some(key) = self.clauses[*at].foreign {
                foreign.entry(key.id).or_insert((key, 0)).1 += 1;
            }
        }
        let complete = |at: usize| {
            let key = self.clauses[at].foreign?;
            let (_, count) = foreign.get(&key.id)?;
            (*count >= key.columns && inner.mask >> key.referenced & 1 == 1).then_some(key)
        };
        let mut counted = BTreeSet::new();
        for at in clauses {
            let clause = &self.clauses[*at];
            if let Some(key) = complete(*at) {
                if counted.insert(key.id) {
                    let referenced = &self.rels[key.referenced];
                    share *= (referenced.rows / referenced.tuples.max(1.0)).min(1.0);
                }
                continue;
            }
            share *= match (&clause.equality, equalities.iter().find(|(number, _)| number == at)) {
                (Some([left, right]), Some((_, forward))) => {
                    let (own, other) = if *forward { (left, right) } else { (right, left) };
                    selectivity::semi_equality(&own.var.var(), &other.var.var(), self.rels[other.rel].rows, inner.rows)
                }
                _ => clause.selectivity,
            };
        }
        selectivity::share(share)
    }

    /// Rows of a join (`calc_joinrel_size_estimate`).
    fn join_rows(&self, outer: &RelSet, inner: &RelSet, kind: JoinType, clauses: &[usize], pair: &Pair) -> f64 {
        let (mut own, mut above) = (1.0, 1.0);
        let mut foreign: BTreeMap<usize, usize> = BTreeMap::new();
        for at in clauses {
            if let Some(key) = self.clauses[*at].foreign {
                *foreign.entry(key.id).or_insert(0) += 1;
            }
        }
        let mut counted = BTreeSet::new();
        for at in clauses {
            let clause = &self.clauses[*at];
            let complete = clause.foreign.filter(|key| foreign.get(&key.id).is_some_and(|count| *count >= key.columns));
            let selectivity = match complete {
                Some(key) if !counted.insert(key.id) => 1.0,
                Some(key) => 1.0 / self.rels[key.referenced].tuples.max(1.0),
                None => clause.selectivity,
            };
            // A left join's own conditions make no row vanish; those of `WHERE` do.
            let is_own = clause.special.is_some() || kind == JoinType::Inner;
            if is_own { own *= selectivity } else { above *= selectivity }
        }
        let product = outer.rows * inner.rows * own;
        let rows = match kind {
            JoinType::Inner => product * above,
            JoinType::Left => product.max(outer.rows) * above,
            JoinType::Right => product.max(inner.rows) * above,
            JoinType::Full => product.max(outer.rows).max(inner.rows) * above,
            JoinType::Semi | JoinType::UniqueInner => outer.rows * pair.matches.map_or(1.0, |(share, _)| share),
            JoinType::UniqueOuter => inner.rows,
            JoinType::Anti => outer.rows * (1.0 - pair.matches.map_or(0.0, |(share, _)| share)),
        };
        clamp_rows(rows)
    }
}

/// Distinct values of a variable among a relation's rows (the single-variable case of `estimate_num_groups`).
pub(super) fn groups_of(var: &VarInfo<'_>, rel: &Rel<'_>) -> f64 {
    let (distinct, _) = var.var().distinct();
    thin_out(distinct, rel.tuples, rel.rows)
}

/// Distinct values left when `rows` of `tuples` rows are picked (`estimate_num_groups`, after Dell'Era).
pub(crate) fn thin_out(distinct: f64, tuples: f64, rows: f64) -> f64 {
    let distinct = distinct.max(1.0);
    if tuples <= 0.0 || rows >= tuples {
        return distinct.min(tuples.max(1.0));
    }
    (distinct * (1.0 - ((tuples - rows) / tuples).powf(tuples / distinct))).clamp(1.0, rows.max(1.0)).ceil()
}
