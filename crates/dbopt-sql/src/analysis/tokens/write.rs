//! `INSERT`, `UPDATE`, `DELETE` and `MERGE` from tokens.

use std::ops::Range;

use super::{Reader, clauses::Clause};
use crate::{
    ir::{BlockId, JoinKind, RelationSource, StatementKind, WriteTarget},
    name::{Name, TableName},
};

impl Reader<'_> {
    pub(super) fn write(&mut self, id: BlockId, range: Range<usize>) {
        let kind = match self.text(range.start).to_ascii_lowercase().as_str() {
            "insert" => return self.insert(id, range),
            "update" => StatementKind::Update,
            "merge" => StatementKind::Merge,
            _ => StatementKind::Delete,
        };
        let clauses = self.clauses(range.clone());
        let first = clauses.first().map_or(range.end, |(_, at, _)| *at);
        let mut columns = Vec::new();
        // `UPDATE t` and `MERGE INTO t` name the target before any clause.
        let into = range.start + 1 + usize::from(self.is(range.start + 1, "into"));
        self.from(id, into..first.max(into), JoinKind::Inner);
        for (clause, _, clause_range) in clauses {
            match clause {
                // The source of `MERGE` is joined with `ON`, that of `DELETE` in `WHERE`.
                Clause::From | Clause::Using => self.from(id, clause_range, JoinKind::Inner),
                Clause::Where => {
                    let filters = self.condition(id, clause_range);
                    self.blocks[id].filters.extend(filters);
                }
                Clause::Set => columns.extend(self.assignments(id, clause_range)),
                Clause::Returning => self.outputs(id, clause_range),
                _ => {}
            }
        }
        let Some(relation) = self.blocks[id].relations.first_mut() else { return };
        if let (RelationSource::Block(block), Some(alias)) = (&relation.source, &relation.alias) {
            // The target is always a table, also when a CTE has its name.
            let named = self.ctes.iter().find(|(_, cte)| cte == block).map_or(alias, |(name, _)| name);
            relation.source = RelationSource::Table(TableName { schema: None, name: named.clone() });
        }
        let RelationSource::Table(table) = relation.source.clone() else { return };
        let target = WriteTarget { table, columns, relation: Some(0), values_rows: None, on_conflict: Vec::new() };
        self.writes(id, kind, target);
    }

    fn insert(&mut self, id: BlockId, range: Range<usize>) {
        let mut at = range.start + 1 + usize::from(self.is(range.start + 1, "into"));
        let Some((mut parts, after)) = self.dotted(at, range.end) else { return };
        let Some(name) = parts.pop() else { return };
        let mut target = WriteTarget {
            table: TableName { schema: parts.pop(), name },
            columns: Vec::new(),
            relation: None,
            values_rows: None,
            on_conflict: Vec::new(),
        };
        at = after;
        if self.is(at, "as") {
            at += 2;
        }
        if self.mark(at, "(") && !self.begins_query(at + 1) {
            target.columns = self.names(self.inside(at, range.end));
            at = self.next(at);
        }
        while self.is_one_of(at, &["overriding", "system", "user", "value"]) {
            at += 1;
        }
        let at = at.min(range.end);
        let clauses = self.clauses(at..range.end);
        let end = clauses.iter().find(|(clause, ..)| matches!(clause, Clause::Rest | Clause::Returning));
        let end = end.map_or(range.end, |(_, at, _)| *at);
        if self.is(at, "default") {
            target.values_rows = Some(1);
        } else if self.is(at, "values") {
            let rows = self.elements(at + 1..end.max(at + 1));
            target.values_rows = Some(rows.len());
            for row in rows {
                for value in self.elements(self.stripped(row)) {
                    let value = self.expr(id, value);
                    if !value.is_constant() {
                        self.blocks[id].reads.push(value);
                    }
                }
            }
        } else {
            self.query(id, at..end.max(at));
        }
        if self.is(end, "on") && self.mark(end + 2, "(") {
            target.on_conflict = self.names(self.inside(end + 2, range.end));
        }
        self.writes(id, StatementKind::Insert, target);
    }

    /// The elements of a list that are plain names.
    fn names(&self, range: Range<usize>) -> Vec<Name> {
        let plain =
            |element: Range<usize>| (!self.mark(element.start + 1, "(")).then(|| self.name(element.start)).flatten();
        self.elements(range).into_iter().filter_map(plain).collect()
    }

    fn assignments(&mut self, id: BlockId, range: Range<usize>) -> Vec<Name> {
        let mut columns = Vec::new();
        for assignment in self.elements(range) {
            let Some(equals) = assignment.clone().find(|at| self.mark(*at, "=")) else { continue };
            if self.mark(assignment.start, "(") {
                columns.extend(self.names(self.inside(assignment.start, equals)));
            } else {
                columns.extend(self.name(assignment.start));
            }
            let value = self.expr(id, equals + 1..assignment.end);
            if !value.is_constant() {
                self.blocks[id].reads.push(value);
            }
        }
        columns
    }
}
