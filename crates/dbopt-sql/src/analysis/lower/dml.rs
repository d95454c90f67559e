//! `INSERT`, `UPDATE`, `DELETE` and `MERGE`.

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, FromTable, Insert, Merge, MergeAction, MergeInsertKind,
    MergeUpdateKind, ObjectName, OnConflictAction, OnInsert, SetExpr, TableFactor, TableObject, Update,
    UpdateTableFromKind,
};

use super::{Lowering, last_part, name, table_name};
use crate::{
    ir::{BlockId, JoinKind, RelationSource, StatementKind, WriteTarget},
    name::{Name, TableName},
};

impl Lowering {
    pub(super) fn insert(&mut self, id: BlockId, insert: &Insert) {
        let TableObject::TableName(table) = &insert.table else { return };
        let mut target = WriteTarget {
            table: table_name(table),
            columns: insert.columns.iter().map(last_part).collect(),
            relation: None,
            values_rows: None,
            on_conflict: Vec::new(),
        };
        match insert.source.as_deref() {
            // `DEFAULT VALUES`
            None => target.values_rows = Some(1),
            Some(source) => match &*source.body {
                SetExpr::Values(values) => {
                    target.values_rows = Some(values.rows.len());
                    // A list of rows is no query; what matters is a sub-select among the values.
                    for expr in values.rows.iter().flat_map(|row| &row.content) {
                        self.read(id, expr);
                    }
                }
                _ => self.fill(id, source),
            },
        }
        if let Some(OnInsert::OnConflict(conflict)) = &insert.on {
            if let Some(ConflictTarget::Columns(columns)) = &conflict.conflict_target {
                target.on_conflict = columns.iter().map(name).collect();
            }
            if let OnConflictAction::DoUpdate(update) = &conflict.action {
                // The updated row is found by the conflicting index; only sub-selects cost something here.
                for assignment in &update.assignments {
                    self.sub_selects(id, &assignment.value);
                }
                if let Some(selection) = &update.selection {
                    self.sub_selects(id, selection);
                }
            }
        }
        self.writes(id, StatementKind::Insert, target);
    }

    pub(super) fn update(&mut self, id: BlockId, update: &Update) {
        self.table_with_joins(id, &update.table, JoinKind::Inner);
        if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) = &update.from {
            for table in tables {
                self.table_with_joins(id, table, JoinKind::Inner);
            }
        }
        if let Some(selection) = &update.selection {
            let filters = self.conjuncts(id, selection);
            self.blocks[id].filters.extend(filters);
        }
        let columns = self.assignments(id, &update.assignments);
        for item in update.returning.iter().flatten() {
            self.output(id, item);
        }
        self.writes_relation(id, StatementKind::Update, &update.table.relation, columns);
    }

    pub(super) fn delete(&mut self, id: BlockId, delete: &Delete) {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        for table in tables.iter().chain(delete.using.iter().flatten()) {
            self.table_with_joins(id, table, JoinKind::Inner);
        }
        if let Some(selection) = &delete.selection {
            let filters = self.conjuncts(id, selection);
            self.blocks[id].filters.extend(filters);
        }
        for item in delete.returning.iter().flatten() {
            self.output(id, item);
        }
        if let Some(table) = tables.first() {
            self.writes_relation(id, StatementKind::Delete, &table.relation, Vec::new());
        }
    }

    pub(super) fn merge(&mut self, id: BlockId, merge: &Merge) {
        self.factor(id, &merge.table, JoinKind::Inner);
        self.factor(id, &merge.source, JoinKind::Inner);
        self.blocks[id].filters = self.conjuncts(id, &merge.on);
        let mut columns = Vec::new();
        for clause in &merge.clauses {
            if let Some(predicate) = &clause.predicate {
                self.read(id, predicate);
            }
            match &clause.action {
                MergeAction::Insert(insert) => {
                    columns.extend(insert.columns.iter().map(last_part));
                    if let MergeInsertKind::Values(values) = &insert.kind {
                        for expr in values.rows.iter().flat_map(|row| &row.content) {
                            self.read(id, expr);
                        }
                    }
                }
                MergeAction::Update(update) => {
                    if let MergeUpdateKind::Set(assignments) = &update.kind {
                        columns.extend(self.assignments(id, assignments));
                    }
                }
                MergeAction::Delete { .. } | MergeAction::DoNothing { .. } => {}
            }
        }
        let mut seen: Vec<Name> = Vec::new();
        columns.retain(|column| {
            let new = !seen.contains(column);
            seen.push(column.clone());
            new
        });
        self.writes_relation(id, StatementKind::Merge, &merge.table, columns);
    }

    /// The columns that `SET` gives values to; what the values read is noted.
    fn assignments(&mut self, id: BlockId, assignments: &[Assignment]) -> Vec<Name> {
        let mut columns = Vec::new();
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(column) => columns.push(assigned(column)),
                AssignmentTarget::Tuple(tuple) => columns.extend(tuple.iter().map(assigned)),
            }
            self.read(id, &assignment.value);
        }
        columns
    }

    /// Notes that the block's first relation is written.
    fn writes_relation(&mut self, id: BlockId, kind: StatementKind, factor: &TableFactor, columns: Vec<Name>) {
        let TableFactor::Table { name, .. } = factor else { return };
        let table: TableName = table_name(name);
        if let Some(relation) = self.blocks[id].relations.first_mut() {
            // The target is always a table, also when a CTE has its name.
            relation.source = RelationSource::Table(table.clone());
        }
        let target = WriteTarget { table, columns, relation: Some(0), values_rows: None, on_conflict: Vec::new() };
        self.writes(id, kind, target);
    }
}

/// A `SET` target: PostgreSQL takes no qualifier there, so of `a.b` it is `a` that is the column, and `b` a field of it.
fn assigned(column: &ObjectName) -> Name {
    super::parts(column).into_iter().next().unwrap_or_else(|| Name::folded(""))
}
