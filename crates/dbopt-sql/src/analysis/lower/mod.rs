//! sqlparser's syntax tree to the form of [`crate::ir`].

mod dml;
mod expr;
mod from;
mod opaque;
mod outputs;
mod predicate;
mod query;

pub(super) use predicate::{compare, comparison_symbol};
use sqlparser::ast::{self, Ident, ObjectName, ObjectNamePart};

use crate::{
    ir::{Block, BlockId, Expr, Role, Source, Statement, StatementKind, Window, WriteTarget},
    name::{Name, TableName},
};

/// The statement; `None` for a syntax tree that is not of a statement with tables.
pub(super) fn statement(tree: &ast::Statement) -> Option<Statement> {
    let mut lowering = Lowering {
        blocks: Vec::new(),
        kind: StatementKind::Select,
        target: None,
        ctes: Vec::new(),
        windows: Vec::new(),
        nesting: 0,
    };
    let root = lowering.open(None, Role::Root);
    lowering.statement(root, tree)?;
    Some(Statement { kind: lowering.kind, target: lowering.target, blocks: lowering.blocks, source: Source::Parser })
}

/// What is known so far of the statement that is lowered.
struct Lowering {
    blocks: Vec<Block>,
    kind: StatementKind,
    target: Option<WriteTarget>,
    /// The CTEs in sight, the innermost last.
    ctes: Vec<Cte>,
    /// The named windows of the `SELECT` level at work.
    windows: Vec<(Name, Window)>,
    /// Expressions that enclose the one at work.
    nesting: usize,
}

struct Cte {
    name: Name,
    block: BlockId,
    columns: Vec<Name>,
}

impl Lowering {
    /// Fills a block with a statement.
    fn statement(&mut self, id: BlockId, tree: &ast::Statement) -> Option<()> {
        match tree {
            ast::Statement::Query(query) => self.fill(id, query),
            ast::Statement::Insert(insert) => self.insert(id, insert),
            ast::Statement::Update(update) => self.update(id, update),
            ast::Statement::Delete(delete) => self.delete(id, delete),
            ast::Statement::Merge(merge) => self.merge(id, merge),
            _ => return None,
        }
        Some(())
    }

    /// A new block.
    fn open(&mut self, parent: Option<BlockId>, role: Role) -> BlockId {
        self.blocks.push(Block { parent, role, ..Block::default() });
        self.blocks.len() - 1
    }

    /// Notes what a statement writes. The outermost one decides; a CTE's write counts when the statement itself only reads.
    fn writes(&mut self, id: BlockId, kind: StatementKind, target: WriteTarget) {
        let outermost = id == 0;
        if outermost || self.target.is_none() {
            self.kind = kind;
            self.target = Some(WriteTarget { relation: target.relation.filter(|_| outermost), ..target });
        }
    }

    /// Notes an expression that the block reads outside the clauses that have a place of their own.
    fn read(&mut self, id: BlockId, expr: &ast::Expr) {
        if matches!(expr, ast::Expr::Value(_)) {
            return;
        }
        let expr = self.expr(id, expr);
        self.note_read(id, expr);
    }

    fn note_read(&mut self, id: BlockId, expr: Expr) {
        if !expr.is_constant() {
            self.blocks[id].reads.push(expr);
        }
    }
}

/// An identifier, folded.
fn name(ident: &Ident) -> Name {
    if ident.quote_style.is_some() { Name::folded(&ident.value) } else { Name::unquoted(&ident.value) }
}

/// The identifiers of a qualified name, folded.
fn parts(object: &ObjectName) -> Vec<Name> {
    let idents = object.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => name(ident),
        ObjectNamePart::Function(function) => name(&function.name),
    });
    idents.collect()
}

/// The last identifier of a qualified name.
fn last_part(object: &ObjectName) -> Name {
    parts(object).pop().unwrap_or_else(|| Name::folded(""))
}

fn table_name(object: &ObjectName) -> TableName {
    let mut parts = parts(object);
    let name = parts.pop().unwrap_or_else(|| Name::folded(""));
    TableName { schema: parts.pop(), name }
}
