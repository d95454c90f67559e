//! Queries: `WITH`, set operations, and where the clauses of a `SELECT` begin.

use std::ops::Range;

use super::Reader;
use crate::{
    ir::{BlockId, Count, Distinct, Expr, Literal, OrderKey, Output, Role},
    lexer::TokenKind,
    name::Name,
};

/// A clause, by the words that begin it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Clause {
    Select,
    From,
    Using,
    Where,
    GroupBy,
    Having,
    OrderBy,
    Limit,
    Offset,
    Fetch,
    Lock,
    Set,
    Returning,
    /// Clauses that are passed over.
    Rest,
}

impl Reader<'_> {
    /// Fills a block with the query in a range.
    pub(super) fn query(&mut self, id: BlockId, range: Range<usize>) {
        self.deeper(|reader| {
            let range = reader.stripped(range);
            let start = if reader.is(range.start, "with") { reader.with(id, &range) } else { range.start };
            reader.body(id, start..range.end);
        });
    }

    fn body(&mut self, id: BlockId, range: Range<usize>) {
        if self.is_one_of(range.start, &["insert", "update", "delete", "merge"]) {
            return self.write(id, range);
        }
        let mut separators = Vec::new();
        let branches = self.split(range.clone(), |reader, at| {
            let separates = reader.is_one_of(at, &["union", "intersect", "except"]);
            if separates {
                separators.push(reader.is(at, "union") && reader.is(at + 1, "all"));
            }
            separates
        });
        if branches.len() < 2 {
            return self.select(id, range);
        }
        let all = separators.iter().all(|all| *all);
        let last = branches.len() - 1;
        for (position, branch) in branches.into_iter().enumerate() {
            let start = branch.start + usize::from(position > 0 && self.is_one_of(branch.start, &["all", "distinct"]));
            let mut end = branch.end;
            if position == last {
                // What orders and limits the whole stands behind the last branch.
                let ends = [Clause::OrderBy, Clause::Limit, Clause::Offset, Clause::Fetch, Clause::Lock];
                let tail = self.clauses(start..end).into_iter().find(|(clause, ..)| ends.contains(clause));
                end = tail.map_or(end, |(_, at, _)| at);
            }
            self.sub_select(id, Role::SetBranch { all }, start..end);
            if end < branch.end {
                self.select(id, end..branch.end);
            }
        }
    }

    /// The CTEs; returns where the statement itself begins.
    fn with(&mut self, parent: BlockId, range: &Range<usize>) -> usize {
        let mut at = range.start + 1;
        let recursive = self.is(at, "recursive");
        at += usize::from(recursive);
        while let Some(name) = self.name(at).filter(|_| at < range.end) {
            at += 1;
            if self.mark(at, "(") {
                at = self.next(at);
            }
            if !self.is(at, "as") {
                break;
            }
            at += 1;
            let not = self.is(at, "not");
            at += usize::from(not);
            let materialized = self.is(at, "materialized").then_some(!not);
            at += usize::from(materialized.is_some());
            if !self.mark(at, "(") {
                break;
            }
            let role = Role::Cte { name: name.clone(), materialized, recursive };
            let block = self.open(Some(parent), role);
            if recursive {
                self.ctes.push((name.clone(), block));
            }
            let ctes = self.ctes.len();
            self.query(block, self.inside(at, range.end));
            self.ctes.truncate(ctes);
            if !recursive {
                self.ctes.push((name, block));
            }
            at = self.next(at);
            // `SEARCH …` and `CYCLE …` stand between a CTE and what follows.
            while at < range.end
                && !self.mark(at, ",")
                && !self.is_one_of(at, &["select", "insert", "update", "delete", "merge", "values", "table"])
                && !self.mark(at, "(")
            {
                at += 1;
                // `SET seen USING path` and `SEARCH … BY a, b SET x` hold commas and no parentheses.
                if self.mark(at, ",") && !self.is(at + 2, "as") && !self.mark(at + 2, "(") {
                    at += 1;
                }
            }
            if !self.mark(at, ",") {
                break;
            }
            at += 1;
        }
        at.min(range.end)
    }

    /// The clauses on the level of a range, each with the token that begins it and what stands behind its words.
    pub(super) fn clauses(&self, range: Range<usize>) -> Vec<(Clause, usize, Range<usize>)> {
        let mut clauses: Vec<(Clause, usize, Range<usize>)> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            if let Some((clause, words)) = self.clause(at, range.start) {
                if let Some((.., last)) = clauses.last_mut() {
                    last.end = at.max(last.start);
                }
                let start = (at + words).min(range.end);
                clauses.push((clause, at, start..range.end));
                at += words;
            } else {
                at = self.next(at);
            }
        }
        clauses
    }

    fn clause(&self, at: usize, start: usize) -> Option<(Clause, usize)> {
        if self.kind(at) != Some(TokenKind::Word) || (at > start && self.mark(at - 1, ".")) {
            return None;
        }
        let two = |first: &str, second: &str| self.is(at, first) && self.is(at + 1, second);
        let compares = at >= 2 && self.is(at - 1, "distinct") && self.is_one_of(at - 2, &["is", "not"]);
        Some(match self.text(at).to_ascii_lowercase().as_str() {
            "select" => (Clause::Select, 1),
            "from" if !compares => (Clause::From, 1),
            "using"
                if self.is_one_of(start, &["delete", "merge"])
                    && (!self.mark(at + 1, "(") || self.begins_query(at + 1)) =>
            {
                (Clause::Using, 1)
            }
            "where" => (Clause::Where, 1),
            "group" if two("group", "by") => (Clause::GroupBy, 2),
            "having" => (Clause::Having, 1),
            "order" if two("order", "by") => (Clause::OrderBy, 2),
            "limit" => (Clause::Limit, 1),
            "offset" => (Clause::Offset, 1),
            "fetch" => (Clause::Fetch, 1),
            "for" if self.is_one_of(at + 1, &["update", "share", "no", "key"]) => (Clause::Lock, 1),
            "set" if self.is_one_of(start, &["update", "merge"]) => (Clause::Set, 1),
            "returning" => (Clause::Returning, 1),
            "on" if two("on", "conflict") => (Clause::Rest, 2),
            "when" if self.is(start, "merge") => (Clause::Rest, 1),
            "window" if self.is(at + 2, "as") => (Clause::Rest, 1),
            _ => return None,
        })
    }

    pub(super) fn select(&mut self, id: BlockId, range: Range<usize>) {
        if self.is(range.start, "table") {
            return self.from(id, range.start + 1..range.end, crate::ir::JoinKind::Inner);
        }
        if self.mark(range.start, "(") && self.begins_query(range.start) {
            // `(SELECT … LIMIT 5) LIMIT 3`
            let end = self.next(range.start).min(range.end);
            self.from(id, range.start..end, crate::ir::JoinKind::Inner);
            self.blocks[id].outputs.push(Output::Star { qualifier: None });
        }
        for (clause, _, range) in self.clauses(range) {
            match clause {
                Clause::Select => self.outputs(id, range),
                Clause::From | Clause::Using => self.from(id, range, crate::ir::JoinKind::Inner),
                Clause::Where => {
                    let filters = self.condition(id, range);
                    self.blocks[id].filters.extend(filters);
                }
                Clause::GroupBy => {
                    for key in self.elements(range) {
                        let key = self.output_or_expr(id, key);
                        self.blocks[id].group_by.push(key);
                    }
                }
                Clause::Having => self.blocks[id].having = self.condition(id, range),
                Clause::OrderBy => self.order_by(id, range),
                Clause::Limit if self.is(range.start, "all") || self.is(range.start, "null") => {}
                Clause::Limit => self.blocks[id].limit = Some(self.count(range.start)),
                Clause::Offset => self.blocks[id].offset = Some(self.count(range.start)),
                Clause::Fetch => {
                    // `FETCH FIRST [n] ROWS ONLY`
                    let count = range.start + 1;
                    let one = self.is_one_of(count, &["row", "rows"]);
                    self.blocks[id].limit = Some(if one { Count::Rows(1) } else { self.count(count) });
                }
                Clause::Lock => self.blocks[id].locks_rows = true,
                Clause::Returning => self.outputs(id, range),
                Clause::Set | Clause::Rest => {}
            }
        }
    }

    pub(super) fn outputs(&mut self, id: BlockId, mut range: Range<usize>) {
        if self.is(range.start, "all") {
            range.start += 1;
        } else if self.is(range.start, "distinct") {
            range.start += 1;
            let on = self.is(range.start, "on") && self.mark(range.start + 1, "(");
            let distinct = if on {
                let keys = self.inside(range.start + 1, range.end);
                range.start = self.next(range.start + 1).min(range.end);
                Distinct::On(self.elements(keys).into_iter().map(|key| self.expr(id, key)).collect())
            } else {
                Distinct::Row
            };
            self.blocks[id].distinct = Some(distinct);
        }
        for item in self.elements(range) {
            let output = self.output(id, item);
            self.blocks[id].outputs.push(output);
        }
    }

    fn output(&mut self, id: BlockId, item: Range<usize>) -> Output {
        let last = item.end - 1;
        if self.mark(last, "*") && item.len() == 1 {
            return Output::Star { qualifier: None };
        }
        if self.mark(last, "*") && item.len() >= 3 && self.mark(last - 1, ".") {
            return match self.name(last - 2) {
                Some(name) => Output::Star { qualifier: Some(name) },
                // `(row).*`
                None => Output::Expr { expr: self.expr(id, item.start..last - 1), alias: None },
            };
        }
        let alias = |at: usize| self.name(at);
        if item.len() >= 3 && self.is(last - 1, "as") {
            let alias = alias(last);
            return Output::Expr { expr: self.expr(id, item.start..last - 1), alias };
        }
        let before = last.checked_sub(1).and_then(|before| self.kind(before));
        let follows_value = match before {
            Some(TokenKind::Operator) | None => false,
            Some(TokenKind::Punctuation) => self.mark(last - 1, ")") || self.mark(last - 1, "]"),
            Some(TokenKind::Word) => {
                (self.is_free_name(last - 1) && !self.is(last - 1, "over")) || self.is(last - 1, "end")
            }
            Some(_) => true,
        };
        if item.len() >= 2 && self.is_free_name(last) && follows_value {
            let alias = alias(last);
            return Output::Expr { expr: self.expr(id, item.start..last), alias };
        }
        Output::Expr { expr: self.expr(id, item), alias: None }
    }

    fn order_by(&mut self, id: BlockId, range: Range<usize>) {
        let keys = self.elements(range).into_iter().map(|mut key| {
            let mut nulls_first = None;
            if key.len() > 2 && self.is(key.end - 2, "nulls") {
                nulls_first = Some(self.is(key.end - 1, "first"));
                key.end -= 2;
            }
            let descending = self.is(key.end - 1, "desc");
            if key.len() > 1 && (descending || self.is(key.end - 1, "asc")) {
                key.end -= 1;
            }
            let expr = self.output_or_expr(id, key);
            OrderKey { expr, descending, nulls_first: nulls_first.unwrap_or(descending) }
        });
        let keys = keys.collect();
        self.blocks[id].order_by = keys;
    }

    /// A key: an output by its name or number, or else an expression.
    fn output_or_expr(&mut self, id: BlockId, key: Range<usize>) -> Expr {
        if key.len() == 1 {
            let outputs = &self.blocks[id].outputs;
            if self.kind(key.start) == Some(TokenKind::Number) {
                let position = self.text(key.start).parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let before = position.and_then(|position| outputs.get(..=position)).unwrap_or_default();
                let star = before.iter().any(|output| matches!(output, Output::Star { .. }));
                return match before.last() {
                    Some(Output::Expr { expr, .. }) if !star => expr.clone(),
                    _ => Expr::Other { columns: Vec::new(), text: "*".to_owned() },
                };
            }
            let wanted: Option<Name> = self.name(key.start);
            let named = outputs.iter().find_map(|output| match output {
                Output::Expr { expr, alias: Some(alias) } if Some(alias) == wanted.as_ref() => Some(expr.clone()),
                _ => None,
            });
            if let Some(expr) = named {
                return expr;
            }
        }
        self.expr(id, key)
    }

    fn count(&mut self, at: usize) -> Count {
        match self.literal(at) {
            Some(Literal::Number(digits) | Literal::String(digits)) => {
                digits.parse().map_or(Count::Unknown, Count::Rows)
            }
            _ => Count::Unknown,
        }
    }
}
