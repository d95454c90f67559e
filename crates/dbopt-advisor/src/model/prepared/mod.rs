//! A statement made ready for planning: names resolved, sub-selects pulled up, selectivities and row counts estimated.
//!
//! None of this depends on which indexes there are, so it is done once a query, and planning under a set of indexes only
//! compares costs.

mod build;
mod flatten;
mod graph;
mod names;
mod quals;
mod upper;

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use dbopt_catalog::{ColumnId, ColumnStatistics, TableId};

use super::{
    datum::{Datum, Family},
    path::{Mask, PathKey, Paths},
    selectivity::{Side, Values, Var},
};

pub(crate) use build::{Shared, prepare};
pub(crate) use graph::thin_out;
pub(crate) use quals::together as quals_together;

/// One query level after pull-up.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    /// The relations that are joined.
    pub(crate) rels: Vec<Rel<'a>>,
    /// Sets of relations in the order in which they are built: first each relation, last all of them.
    pub(crate) sets: Vec<RelSet>,
    /// Conditions that join relations.
    pub(crate) clauses: Vec<Clause<'a>>,
    /// What follows the joins.
    pub(crate) tail: Tail<'a>,
    /// Queries run once beside this one: CTEs that are kept, sub-selects that are not correlated.
    pub(crate) once: Vec<Subplan<'a>>,
    /// Queries run for each row of the result.
    pub(crate) each: Vec<Subplan<'a>>,
    /// Orders that a join or a later step could use; others are forgotten.
    pub(crate) wanted: Vec<Vec<PathKey>>,
    /// Expressions that orders are over, by their number in [`PathKey::id`].
    pub(crate) orderable: Vec<Vec<(usize, Key)>>,
    /// Distinct values of these expressions, where known.
    pub(crate) distinct: Vec<Option<f64>>,
    /// `UNION` and the like: the branches, and whether duplicates stay.
    pub(crate) branches: Vec<(Self, bool)>,
    /// Pages of all tables in the statement.
    pub(crate) total_pages: f64,
    /// Rows that the block returns, before a limit.
    pub(crate) rows: f64,
    /// Bytes of a returned row.
    pub(crate) width: f64,
}

/// A query within another's expressions.
#[derive(Debug)]
pub(crate) struct Subplan<'a> {
    /// The query.
    pub(crate) block: Block<'a>,
    /// How much of it is run, and how often.
    pub(crate) kind: SubplanKind,
}

/// How a sub-select within an expression is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubplanKind {
    /// To its end.
    Scalar,
    /// To its first row.
    Exists,
    /// Half of it on average, for `IN` with outer references.
    Any,
    /// Once, into a hash table.
    Hashed,
    /// Once, and then read as a relation.
    Cte,
}

/// A relation of a join.
#[derive(Debug)]
pub(crate) struct Rel<'a> {
    /// What it is.
    pub(crate) kind: RelKind<'a>,
    /// Name for plans.
    pub(crate) name: Arc<str>,
    /// Pages.
    pub(crate) pages: f64,
    /// Rows before its conditions.
    pub(crate) tuples: f64,
    /// Share of its pages that are all-visible.
    pub(crate) all_visible: f64,
    /// Rows after its conditions.
    pub(crate) rows: f64,
    /// Bytes of the columns that are needed of a row.
    pub(crate) width: f64,
    /// Its conditions.
    pub(crate) quals: Vec<Qual<'a>>,
    /// Columns that its scan must return or test, in order.
    pub(crate) needed: Vec<ColumnId>,
    /// Whether the row itself is needed, so that an index alone does not do.
    pub(crate) whole_row: bool,
    /// Join conditions that a scan could use with a row of other relations.
    pub(crate) params: Vec<Param>,
    /// Leaves of a partitioned table, or 1.
    pub(crate) partitions: f64,
    /// Its scans, by the indexes that are there.
    pub(crate) cache: RefCell<BTreeMap<Vec<usize>, Paths>>,
}

/// What a relation is.
#[derive(Debug)]
pub(crate) enum RelKind<'a> {
    /// A table.
    Table(TableId),
    /// A sub-select that could not be pulled up.
    Sub(Box<Block<'a>>),
    /// A CTE that is kept, by its position in the outermost list.
    Cte,
    /// A function, or something the catalogue does not know.
    Function,
}

/// What a condition is about, and what an index can be over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A column of a table.
    Column(ColumnId),
    /// An expression in canonical form.
    Expression(Arc<str>),
    /// A column of a sub-select.
    Output(Arc<str>),
}

/// A column or expression with its statistics.
#[derive(Clone, Debug)]
pub(crate) struct VarInfo<'a> {
    pub(crate) statistics: Option<&'a ColumnStatistics>,
    pub(crate) family: Family,
    pub(crate) tuples: f64,
    pub(crate) unique: bool,
    pub(crate) values: Arc<Values>,
    pub(crate) width: f64,
}

impl VarInfo<'_> {
    pub(crate) fn var(&self) -> Var<'_> {
        Var {
            statistics: self.statistics,
            family: self.family,
            tuples: self.tuples,
            unique: self.unique,
            values: &self.values,
        }
    }
}

/// A condition on one relation.
#[derive(Debug)]
pub(crate) struct Qual<'a> {
    /// Share of the rows that it keeps.
    pub(crate) selectivity: f64,
    /// Operator calls a row.
    pub(crate) ops: f64,
    /// Operator calls once.
    pub(crate) startup_ops: f64,
    /// What an index can do with it.
    pub(crate) shape: Shape,
    /// Canonical text, to meet index predicates.
    pub(crate) text: Option<String>,
    /// Columns that it reads.
    pub(crate) columns: Vec<ColumnId>,
    /// Sub-selects that it runs for each row.
    pub(crate) subplans: Vec<Subplan<'a>>,
    /// For a range: its key, side and share, to be paired with the opposite one.
    pub(crate) range: Option<Range>,
}

/// One half of a range condition.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) key: Key,
    pub(crate) side: Side,
    /// Whether the bound is known.
    pub(crate) known: bool,
    /// Share of nulls of the key.
    pub(crate) nulls: f64,
}

/// What an index can do with a condition.
#[derive(Debug)]
pub(crate) enum Shape {
    /// `key = value`; the value when it is known.
    Equal(Key, Option<Datum>),
    /// `key IN (…)` of so many values.
    In(Key, f64),
    /// An inequality.
    Range(Key),
    /// `key IS [NOT] NULL`.
    Null(Key, bool),
    /// A boolean key by itself, negated or not.
    Bool(Key),
    /// A pattern with a fixed beginning: its share as a range, and whether it is the whole pattern.
    Prefix(Key, f64),
    /// `(a, b) op (c, d)` with an order operator.
    Row(Vec<Key>),
    /// Any other operator, for GIN and GiST.
    Search(Key),
    /// A disjunction of conjunctions.
    Or(Vec<Vec<Self>>, Vec<Vec<f64>>),
    /// Nothing.
    Other,
}

/// A join condition as seen by one relation's scan: `key op something of other relations`.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    /// The relation's side.
    pub(crate) key: Key,
    /// `None` for `=`, or the side of an inequality.
    pub(crate) side: Option<Side>,
    /// The relations of the other side.
    pub(crate) others: Mask,
    /// Share of the relation's rows that match one value.
    pub(crate) selectivity: f64,
    /// Equivalence class, of which one condition is enough.
    pub(crate) class: Option<usize>,
    /// The condition.
    pub(crate) clause: usize,
}

/// A condition over several relations.
#[derive(Debug)]
pub(crate) struct Clause<'a> {
    /// All relations that must be there before it can be tested.
    pub(crate) mask: Mask,
    /// The two sides of an equality that can be hashed or merged.
    pub(crate) equality: Option<[Hand<'a>; 2]>,
    /// Share of the pairs that it keeps.
    pub(crate) selectivity: f64,
    /// Operator calls a pair.
    pub(crate) ops: f64,
    /// Equivalence class, of which one condition is enough.
    pub(crate) class: Option<usize>,
    /// The outer, semi or anti join that it belongs to.
    pub(crate) special: Option<usize>,
    /// Foreign key behind the equality: the referenced relation, and the number of the key with its columns.
    pub(crate) foreign: Option<Foreign>,
}

/// A foreign key that a join follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Foreign {
    /// Number of the constraint within the block.
    pub(crate) id: usize,
    /// Its columns; all of them must be joined.
    pub(crate) columns: usize,
    /// The referenced relation.
    pub(crate) referenced: usize,
}

/// One side of an equality.
#[derive(Clone, Debug)]
pub(crate) struct Hand<'a> {
    pub(crate) rel: usize,
    /// Its number among orderable expressions.
    pub(crate) id: usize,
    pub(crate) var: VarInfo<'a>,
}

/// Relations joined together.
#[derive(Debug)]
pub(crate) struct RelSet {
    pub(crate) mask: Mask,
    pub(crate) rows: f64,
    pub(crate) width: f64,
    /// The ways to make it from two smaller sets.
    pub(crate) pairs: Vec<Pair>,
}

/// A kind of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum JoinType {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
    /// A semi join whose inner side is made unique first.
    UniqueInner,
    /// The same with that side as the outer one.
    UniqueOuter,
}

/// One way to join two sets.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) outer: usize,
    pub(crate) inner: usize,
    pub(crate) kind: JoinType,
    /// Its conditions, by number.
    pub(crate) clauses: Vec<usize>,
    /// Those of them that can be hashed or merged, with whether the outer side is the left hand.
    pub(crate) equalities: Vec<(usize, bool)>,
    /// Rows that the equalities alone let through (`approx_tuple_count`), as a share of all pairs.
    pub(crate) approximate: f64,
    /// For semi and anti joins, and unique inner sides: share of outer rows with a match, and matches of such a row.
    pub(crate) matches: Option<(f64, f64)>,
    /// Rows after the inner side is made unique.
    pub(crate) unique_rows: f64,
}

/// What follows the joins of a block.
#[derive(Debug, Default)]
pub(crate) struct Tail<'a> {
    /// Grouping.
    pub(crate) group: Option<Group>,
    /// Operator calls of the conditions on groups, and their share.
    pub(crate) having: (f64, f64),
    /// Sort orders of the windows, with the number of their functions.
    pub(crate) windows: Vec<Vec<PathKey>>,
    /// `DISTINCT`: its keys, and the rows that stay.
    pub(crate) distinct: Option<(Vec<PathKey>, f64)>,
    /// `ORDER BY`.
    pub(crate) order: Vec<PathKey>,
    /// Rows that are wanted: offset and count.
    pub(crate) limit: Option<(Option<f64>, Option<f64>)>,
    /// `FOR UPDATE`.
    pub(crate) locks: bool,
    /// Operator calls to make an output row.
    pub(crate) output_ops: f64,
    /// `min` and `max` over single columns and nothing else: a query for each that an index could answer.
    pub(crate) extremes: Vec<Block<'a>>,
    /// Rows of a set operation after removing duplicates.
    pub(crate) set_rows: Option<f64>,
}

/// Grouping and aggregation.
#[derive(Debug)]
pub(crate) struct Group {
    /// The keys; empty for one group.
    pub(crate) keys: Vec<PathKey>,
    /// Columns grouped by, those that the order drops as constant included.
    pub(crate) columns: f64,
    /// Groups.
    pub(crate) groups: f64,
    /// Operator calls a row for the aggregates.
    pub(crate) ops: f64,
    /// Operator calls a group.
    pub(crate) final_ops: f64,
    /// Aggregates.
    pub(crate) aggregates: f64,
    /// Whether groups can be hashed: no `DISTINCT` or `ORDER BY` inside an aggregate.
    pub(crate) hashable: bool,
    /// Width of a grouped row.
    pub(crate) width: f64,
}
