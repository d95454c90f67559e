//! What a statement asks of its tables: the form in which the advisor reads SQL.
//!
//! A statement is a list of query blocks (one per `SELECT` level, [`Block`]), each with its relations, its conjuncts
//! and what it groups, orders and returns. Names are as written; nothing is resolved against a catalogue, so a
//! column without a qualifier may belong to any relation of its block or, when correlated, of an enclosing one.
//! The form keeps what an index could serve and drops the rest into [`Expr::Other`], which still names its columns.

use crate::name::{Name, TableName};

/// One analysed statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What the statement does.
    pub kind: StatementKind,
    /// The table that is written, for `INSERT`, `UPDATE`, `DELETE` and `MERGE`.
    pub target: Option<WriteTarget>,
    /// The query blocks; block 0 is the outermost one. Empty for utility statements.
    pub blocks: Vec<Block>,
    /// How the analysis was made, and so how far it can be trusted.
    pub source: Source,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// `SELECT`, `VALUES`, `TABLE`, and `WITH` that only reads.
    Select,
    /// `INSERT`, with or without a query.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `BEGIN`, `COMMIT`, `SET`, `VACUUM`, DDL and everything else that no index serves.
    Utility,
}

/// How an analysis was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// From the syntax tree.
    Parser,
    /// From the tokens alone, since the parser rejects the statement: tables and simple predicates only.
    Tokens,
}

/// The table that a statement writes.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteTarget {
    /// The table.
    pub table: TableName,
    /// The columns given a value: the `INSERT` list (empty means all) or the `SET` targets.
    pub columns: Vec<Name>,
    /// The relation in block 0 that stands for the table, for `UPDATE`, `DELETE` and `MERGE`.
    pub relation: Option<usize>,
    /// Rows of a literal `VALUES` list, when that is what is inserted.
    pub values_rows: Option<usize>,
    /// The columns of an `ON CONFLICT` target.
    pub on_conflict: Vec<Name>,
}

/// Index of a block in [`Statement::blocks`].
pub type BlockId = usize;

/// One `SELECT` level.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Block {
    /// The enclosing block, if any; a parent stands before its children.
    pub parent: Option<BlockId>,
    /// How the enclosing block uses this one.
    pub role: Role,
    /// The relations of `FROM` (for `UPDATE` and `DELETE` the target first), in order.
    pub relations: Vec<Relation>,
    /// `WHERE` and inner-join `ON` and `USING`, split at `AND`.
    pub filters: Vec<Predicate>,
    /// `GROUP BY` expressions (all grouping sets flattened; `grouping_sets` says so).
    pub group_by: Vec<Expr>,
    /// Whether `GROUPING SETS`, `ROLLUP` or `CUBE` are at work.
    pub grouping_sets: bool,
    /// `HAVING`, split at `AND`.
    pub having: Vec<Predicate>,
    /// `SELECT DISTINCT` (of all outputs) or `DISTINCT ON (…)`.
    pub distinct: Option<Distinct>,
    /// `ORDER BY`, output aliases and ordinals already replaced by their expressions.
    pub order_by: Vec<OrderKey>,
    /// `LIMIT` or `FETCH FIRST`.
    pub limit: Option<Count>,
    /// `OFFSET`.
    pub offset: Option<Count>,
    /// The select list (and `RETURNING`), one entry an item.
    pub outputs: Vec<Output>,
    /// The aggregates called anywhere in the block.
    pub aggregates: Vec<Aggregate>,
    /// Whether window functions are called; their partition and order keys are in `windows`.
    pub windows: Vec<Window>,
    /// Expressions that the block reads besides: arguments of functions in `FROM` and in calls of window functions,
    /// `FILTER` conditions, the values that `SET` and `VALUES` give, `WHEN … AND` of `MERGE`. They name columns that an
    /// index-only scan would have to return.
    pub reads: Vec<Expr>,
    /// `FOR UPDATE`, `FOR SHARE` and the like.
    pub locks_rows: bool,
}

/// How an enclosing block uses a block.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Role {
    /// The statement itself, or the query of an `INSERT`.
    #[default]
    Root,
    /// `WITH name AS [NOT] MATERIALIZED (…)`.
    Cte {
        /// The name.
        name: Name,
        /// `MATERIALIZED` or `NOT MATERIALIZED`, when written.
        materialized: Option<bool>,
        /// Whether it is recursive and refers to itself.
        recursive: bool,
    },
    /// In `FROM`; `lateral` when it may refer to its siblings.
    From {
        /// Whether `LATERAL` is written.
        lateral: bool,
    },
    /// `[NOT] EXISTS (…)`; the predicate refers to it.
    Exists,
    /// `x [NOT] IN (…)` or `x op ANY/ALL (…)`; the predicate refers to it.
    In,
    /// A scalar or `ARRAY(…)` sub-select within an expression.
    Scalar,
    /// A branch of `UNION`, `INTERSECT` or `EXCEPT`; the parent holds the `ORDER BY` and `LIMIT` of the whole.
    SetBranch {
        /// `UNION ALL`: no duplicates are removed.
        all: bool,
    },
}

/// An entry of `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// What it is.
    pub source: RelationSource,
    /// Its alias, or else its own name; what qualifiers refer to.
    pub alias: Option<Name>,
    /// Names given to its columns by the alias, in order.
    pub column_aliases: Vec<Name>,
    /// How it is joined to what stands before it.
    pub join: JoinKind,
    /// The `ON`/`USING` conjuncts of an outer join (those of inner joins are in [`Block::filters`]).
    pub on: Vec<Predicate>,
}

/// What an entry of `FROM` is.
#[derive(Clone, Debug, PartialEq)]
pub enum RelationSource {
    /// A table, view or CTE by name (a CTE is resolved to [`RelationSource::Block`]).
    Table(TableName),
    /// A sub-select or a CTE.
    Block(BlockId),
    /// A set-returning function, `unnest`, `VALUES`, JSON table and the like.
    Other,
}

/// How a relation is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// The first relation, a comma, `CROSS JOIN` or `INNER JOIN`.
    Inner,
    /// `LEFT JOIN`: this relation is the nullable side.
    Left,
    /// `RIGHT JOIN`: everything before is the nullable side.
    Right,
    /// `FULL JOIN`.
    Full,
}

/// A column as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnRef {
    /// The alias, table or `schema.table` before the dot, last part only.
    pub qualifier: Option<Name>,
    /// The column.
    pub name: Name,
}

/// A scalar expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A column.
    Column(ColumnRef),
    /// A literal.
    Literal(Literal),
    /// `$n`.
    Param(u32),
    /// A call of a non-aggregate function with its folded, unqualified name.
    Function {
        /// The name.
        name: Name,
        /// The arguments.
        args: Vec<Expr>,
        /// The call as PostgreSQL would print it, to use in an index definition.
        text: String,
    },
    /// `x::type` or `CAST(x AS type)`.
    Cast {
        /// The inner expression.
        expr: Box<Expr>,
        /// The type as written, lower case.
        to: String,
    },
    /// A binary operator other than a comparison: `a + b`, `payload ->> 'k'`, `a || b`.
    Binary {
        /// Left operand.
        left: Box<Expr>,
        /// The operator's symbol.
        op: String,
        /// Right operand.
        right: Box<Expr>,
        /// The expression as text.
        text: String,
    },
    /// A scalar sub-select.
    Subquery(BlockId),
    /// Anything else, with the columns it reads.
    Other {
        /// The columns.
        columns: Vec<ColumnRef>,
        /// The expression as text.
        text: String,
    },
}

/// A literal value.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `NULL`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string's value, also of typed literals such as `date '2024-01-01'`.
    String(String),
    /// A literal that normalisation replaced: its value is unknown.
    Unknown,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// `left op right`.
    Compare {
        /// Left operand.
        left: Expr,
        /// Operator.
        op: CompareOp,
        /// Right operand.
        right: Expr,
    },
    /// `expr [NOT] IN (list)`, or `expr = ANY(array)`/`<> ALL(array)` with a literal or unknown array.
    InList {
        /// The tested expression.
        expr: Expr,
        /// The listed values; one [`Expr::Param`] or [`Expr::Other`] stands for a whole array when `array` is set.
        list: Vec<Expr>,
        /// Whether the list is one array value.
        array: bool,
        /// `NOT IN`.
        negated: bool,
    },
    /// `expr IS [NOT] NULL`.
    IsNull {
        /// The tested expression.
        expr: Expr,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// A boolean expression by itself: `active`, `NOT active`, `active IS TRUE`.
    Bool {
        /// The expression.
        expr: Expr,
        /// Whether it is negated.
        negated: bool,
    },
    /// `expr [NOT] IN (SELECT …)` or `expr = ANY (SELECT …)`.
    InSubquery {
        /// The tested expressions; several for a row.
        exprs: Vec<Expr>,
        /// The sub-select.
        block: BlockId,
        /// `NOT IN`.
        negated: bool,
    },
    /// `[NOT] EXISTS (SELECT …)`.
    Exists {
        /// The sub-select.
        block: BlockId,
        /// `NOT EXISTS`.
        negated: bool,
    },
    /// `(a, b) op (c, d)` with an order operator: keyset pagination.
    RowCompare {
        /// Left fields.
        left: Vec<Expr>,
        /// Operator.
        op: CompareOp,
        /// Right fields.
        right: Vec<Expr>,
    },
    /// `a OR b OR …`, each branch a conjunction.
    Or(Vec<Vec<Predicate>>),
    /// Anything else, with the columns it reads.
    Other(Expr),
}

/// A comparison or search operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`. `IS NOT DISTINCT FROM` is `Other`, since no index serves it.
    Eq,
    /// `<>`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `[NOT] LIKE` and `[NOT] ILIKE`, `SIMILAR TO` as `Other`.
    Like {
        /// `ILIKE`.
        insensitive: bool,
        /// `NOT`.
        negated: bool,
    },
    /// Any other boolean operator by its symbol: `@>`, `&&`, `?`, `~`, `@@`, `<@`.
    Other(String),
}

impl CompareOp {
    /// The operator that says the same with its operands exchanged, where it is known: `<` for `>`.
    #[must_use]
    pub fn mirrored(&self) -> Option<Self> {
        Some(match self {
            Self::Eq => Self::Eq,
            Self::NotEq => Self::NotEq,
            Self::Lt => Self::Gt,
            Self::LtEq => Self::GtEq,
            Self::Gt => Self::Lt,
            Self::GtEq => Self::LtEq,
            Self::Like { .. } => return None,
            Self::Other(symbol) => Self::Other(
                match symbol.as_str() {
                    "@>" => "<@",
                    "<@" => "@>",
                    "&&" | "@@" | "IS DISTINCT FROM" | "IS NOT DISTINCT FROM" => symbol,
                    _ => return None,
                }
                .to_owned(),
            ),
        })
    }
}

/// `DISTINCT`.
#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// Of the whole row.
    Row,
    /// `DISTINCT ON (…)`.
    On(Vec<Expr>),
}

/// One key of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey {
    /// The key.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`; the default is the same as `descending`.
    pub nulls_first: bool,
}

/// A row count in `LIMIT` or `OFFSET`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    /// Written out.
    Rows(u64),
    /// A parameter or an expression.
    Unknown,
}

/// An item of the select list.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// `*` or `t.*`.
    Star {
        /// The qualifier.
        qualifier: Option<Name>,
    },
    /// An expression, with its alias.
    Expr {
        /// The expression.
        expr: Expr,
        /// `AS alias`.
        alias: Option<Name>,
    },
}

/// An aggregate call.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Folded function name.
    pub name: Name,
    /// The arguments; empty for `count(*)`.
    pub args: Vec<Expr>,
    /// `DISTINCT` inside the call.
    pub distinct: bool,
}

/// The keys of a window.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Window {
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderKey>,
}
