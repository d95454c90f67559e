//! `FROM` from tokens.

use std::ops::Range;

use super::Reader;
use crate::{
    ir::{BlockId, ColumnRef, CompareOp, Expr, JoinKind, Predicate, Relation, RelationSource, Role},
    name::{Name, TableName},
};

impl Reader<'_> {
    /// Reads a list of tables and joins. `outer` is how the whole is joined to what stands before.
    pub(super) fn from(&mut self, id: BlockId, range: Range<usize>, outer: JoinKind) {
        self.deeper(|reader| reader.tables(id, range, outer));
    }

    fn tables(&mut self, id: BlockId, range: Range<usize>, outer: JoinKind) {
        let mut kind = outer;
        let mut lateral = false;
        let mut at = range.start;
        while at < range.end {
            let word = self.text(at).to_ascii_lowercase();
            match word.as_str() {
                "," => (kind, lateral) = (outer, false),
                "left" => kind = JoinKind::Left,
                "right" => kind = JoinKind::Right,
                "full" => kind = JoinKind::Full,
                "lateral" => lateral = true,
                "on" => {
                    let end = self.condition_end(at + 1, range.end);
                    let conditions = self.condition(id, at + 1..end);
                    self.join_on(id, kind, conditions);
                    (kind, lateral) = (outer, false);
                    at = end;
                    continue;
                }
                "using" if self.mark(at + 1, "(") => {
                    let columns = self.inside(at + 1, range.end);
                    let columns: Vec<Name> = columns.filter_map(|at| self.name(at)).collect();
                    let conditions = columns.into_iter().map(|column| self.using(id, column)).collect();
                    self.join_on(id, kind, conditions);
                    (kind, lateral) = (outer, false);
                    at = self.next(at + 1);
                    continue;
                }
                "(" if self.begins_query(at + 1) => {
                    let inside = self.inside(at, range.end);
                    let source = if self.is(self.stripped(inside.clone()).start, "values") {
                        RelationSource::Other
                    } else {
                        RelationSource::Block(self.sub_select(id, Role::From { lateral }, inside))
                    };
                    at = self.relation(id, source, None, kind, self.next(at), range.end);
                    continue;
                }
                "(" => self.from(id, self.inside(at, range.end), kind),
                "only" | "inner" | "outer" | "cross" | "natural" | "join" | "rows" => {}
                _ if self.is_free_name(at) => {
                    at = self.named(id, kind, at, range.end);
                    continue;
                }
                _ => {}
            }
            at = self.next(at);
        }
    }

    /// A table or a function; returns where it ends, alias included.
    fn named(&mut self, id: BlockId, kind: JoinKind, at: usize, end: usize) -> usize {
        let Some((mut parts, mut after)) = self.dotted(at, end) else { return at + 1 };
        let Some(name) = parts.pop() else { return after };
        if after < end && self.mark(after, "(") {
            let reads = self.elements(self.inside(after, end)).into_iter().map(|arg| self.expr(id, arg));
            let reads: Vec<Expr> = reads.filter(|read| !read.is_constant()).collect();
            self.blocks[id].reads.extend(reads);
            after = self.next(after);
            return self.relation(id, RelationSource::Other, Some(name), kind, after, end);
        }
        if self.mark(after, "*") {
            after += 1;
        }
        let cte = self.ctes.iter().rev().find(|(cte, _)| parts.is_empty() && *cte == name);
        let source = match cte {
            Some((_, block)) => RelationSource::Block(*block),
            None => RelationSource::Table(TableName { schema: parts.pop(), name: name.clone() }),
        };
        self.relation(id, source, Some(name), kind, after, end)
    }

    /// Notes a relation whose alias may stand at a token; returns where that ends.
    fn relation(
        &mut self,
        id: BlockId,
        source: RelationSource,
        own_name: Option<Name>,
        join: JoinKind,
        mut at: usize,
        end: usize,
    ) -> usize {
        let mut alias = own_name;
        let mut column_aliases = Vec::new();
        if at + 2 < end && self.is(at, "with") && self.is(at + 1, "ordinality") {
            at += 2;
        }
        at += usize::from(at < end && self.is(at, "as"));
        if at < end && self.is_free_name(at) {
            alias = self.name(at);
            at += 1;
        }
        if at < end && self.mark(at, "(") {
            let columns = self.elements(self.inside(at, end));
            column_aliases = columns.into_iter().filter_map(|column| self.name(column.start)).collect();
            at = self.next(at);
        }
        self.blocks[id].relations.push(Relation { source, alias, column_aliases, join, on: Vec::new() });
        at
    }

    fn join_on(&mut self, id: BlockId, kind: JoinKind, conditions: Vec<Predicate>) {
        let block = &mut self.blocks[id];
        match block.relations.last_mut() {
            Some(relation) if kind != JoinKind::Inner => relation.on.extend(conditions),
            _ => block.filters.extend(conditions),
        }
    }

    fn using(&self, id: BlockId, name: Name) -> Predicate {
        let relations = &self.blocks[id].relations;
        let label = |back: usize| relations.len().checked_sub(back).and_then(|at| relations[at].alias.clone());
        let left = if relations.len() == 2 { label(2) } else { None };
        let column = |qualifier| Expr::Column(ColumnRef { qualifier, name: name.clone() });
        Predicate::Compare { left: column(left), op: CompareOp::Eq, right: column(label(1)) }
    }

    /// Where the condition of a join ends.
    fn condition_end(&self, start: usize, end: usize) -> usize {
        let mut at = start;
        while at < end {
            let joins =
                self.is_one_of(at, &["join", "inner", "left", "right", "full", "cross", "natural", "on", "using"]);
            // `left(x, 1)` is a function.
            if self.mark(at, ",") || (joins && !self.mark(at + 1, "(")) {
                break;
            }
            at = self.next(at);
        }
        at.min(end)
    }
}
