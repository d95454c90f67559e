//! Conditions and expressions from tokens.

use std::ops::Range;

use super::Reader;
use crate::{
    analysis::{array, lower},
    ir::{BlockId, ColumnRef, CompareOp, Expr, Literal, Predicate, Role},
    keyword::{is_aggregate, needs_quotes},
    lexer::TokenKind,
    name::Name,
};

impl Reader<'_> {
    /// The conjuncts of a condition.
    pub(super) fn condition(&mut self, id: BlockId, range: Range<usize>) -> Vec<Predicate> {
        let mut found = Vec::new();
        let range = self.stripped(range);
        if range.is_empty() {
            return found;
        }
        if self.depth >= super::DEEPEST {
            return vec![Predicate::Other(self.unknown(id, range))];
        }
        self.depth += 1;
        let branches = self.operands(range, "or");
        if let [only] = branches.as_slice() {
            for conjunct in self.operands(only.clone(), "and") {
                if self.stripped(conjunct.clone()) == conjunct {
                    if conjunct.len() == 1 && self.is(conjunct.start, "true") {
                        continue;
                    }
                    match self.between(id, &conjunct) {
                        Some(bounds) => found.extend(bounds),
                        None => found.push(self.leaf(id, conjunct)),
                    }
                } else {
                    found.extend(self.condition(id, conjunct));
                }
            }
        } else {
            found.push(Predicate::Or(branches.into_iter().map(|branch| self.condition(id, branch)).collect()));
        }
        self.depth -= 1;
        found
    }

    /// The operands of `AND` or `OR` on the level of a range; the `AND` of a `BETWEEN` ends none.
    fn operands(&self, range: Range<usize>, word: &str) -> Vec<Range<usize>> {
        let mut between = false;
        self.split(range, |reader, at| {
            if reader.is(at, "between") {
                between = true;
            } else if reader.is(at, "and") && std::mem::take(&mut between) {
                return false;
            }
            reader.is(at, word)
        })
    }

    fn leaf(&mut self, id: BlockId, range: Range<usize>) -> Predicate {
        let negated = self.is(range.start, "not");
        let start = range.start + usize::from(negated);
        if self.is(start, "exists") && self.mark(start + 1, "(") {
            let inside = self.inside(start + 1, range.end);
            return Predicate::Exists { block: self.sub_select(id, Role::Exists, inside), negated };
        }
        if !negated && let Some(predicate) = self.comparison(id, &range) {
            return predicate;
        }
        match self.dotted(start, range.end) {
            Some((parts, end)) if end == range.end && self.is_free_name(start) => {
                Predicate::Bool { expr: Expr::Column(column(parts)), negated }
            }
            _ => Predicate::Other(self.unknown(id, range)),
        }
    }

    /// The bounds that `BETWEEN` sets.
    fn between(&mut self, id: BlockId, range: &Range<usize>) -> Option<Vec<Predicate>> {
        let level = self.level(range);
        let at = level.iter().copied().find(|at| self.is(*at, "between"))?;
        let and = level.iter().copied().find(|middle| *middle > at && self.is(*middle, "and"))?;
        let negated = at > range.start && self.is(at - 1, "not");
        let left = range.start..at - usize::from(negated);
        if left.is_empty() || self.is(left.start, "not") || self.is(at + 1, "symmetric") {
            return None;
        }
        let expr = self.expr(id, left);
        let low = self.expr(id, at + 1..and);
        let high = self.expr(id, and + 1..range.end);
        let bound = |op, right| lower::compare(expr.clone(), op, right);
        Some(if negated {
            vec![Predicate::Or(vec![vec![bound(CompareOp::Lt, low)], vec![bound(CompareOp::Gt, high)]])]
        } else {
            vec![bound(CompareOp::GtEq, low), bound(CompareOp::LtEq, high)]
        })
    }

    /// `left operator right`, for the operators that a form has a place for.
    fn comparison(&mut self, id: BlockId, range: &Range<usize>) -> Option<Predicate> {
        let plain = ["=", "<>", "!=", "<", "<=", ">", ">="];
        let level = self.level(range);
        let at = level.iter().copied().find(|at| {
            plain.iter().any(|mark| self.mark(*at, mark)) || self.is_one_of(*at, &["in", "like", "ilike", "is"])
        });
        let other = |at: &usize| {
            self.kind(*at) == Some(TokenKind::Operator) && lower::comparison_symbol(self.text(*at)).is_some()
        };
        let at = at.or_else(|| level.iter().copied().find(other))?;
        let negated = at > range.start && self.is(at - 1, "not");
        let left = range.start..at - usize::from(negated);
        if left.is_empty() || at + 1 >= range.end {
            return None;
        }
        let right = at + 1..range.end;
        Some(match self.text(at).to_ascii_lowercase().as_str() {
            "in" if self.mark(right.start, "(") => {
                let inside = self.inside(right.start, range.end);
                if self.begins_query(inside.start) {
                    let exprs =
                        self.elements(self.stripped(left)).into_iter().map(|expr| self.expr(id, expr)).collect();
                    return Some(Predicate::InSubquery {
                        exprs,
                        block: self.sub_select(id, Role::In, inside),
                        negated,
                    });
                }
                if self.mark(left.start, "(") || self.mark(inside.start, "(") {
                    return None;
                }
                let list = self.elements(inside).into_iter().map(|value| self.expr(id, value)).collect();
                Predicate::InList { expr: self.expr(id, left), list, array: false, negated }
            }
            word @ ("like" | "ilike") => {
                if level.iter().any(|escape| self.is(*escape, "escape")) || self.is_one_of(right.start, &["any", "all"])
                {
                    return None;
                }
                let op = CompareOp::Like { insensitive: word == "ilike", negated };
                Predicate::Compare { left: self.expr(id, left), op, right: self.expr(id, right) }
            }
            "is" => {
                let negated = self.is(right.start, "not");
                let what = right.start + usize::from(negated);
                if what + 1 != range.end {
                    return None;
                }
                match self.text(what).to_ascii_lowercase().as_str() {
                    "null" | "unknown" => Predicate::IsNull { expr: self.expr(id, left), negated },
                    "true" if !negated => Predicate::Bool { expr: self.expr(id, left), negated: false },
                    "false" if !negated => Predicate::Bool { expr: self.expr(id, left), negated: true },
                    _ => return None,
                }
            }
            symbol => {
                let op = lower::comparison_symbol(symbol)?;
                if self.is_one_of(right.start, &["any", "some", "all"]) {
                    return self.quantified(id, left, &op, right);
                }
                if self.mark(left.start, "(")
                    && self.stripped(left.clone()) != left
                    && self.elements(self.stripped(left.clone())).len() > 1
                {
                    return None;
                }
                let left = self.expr(id, left);
                lower::compare(left, op, self.expr(id, right))
            }
        })
    }

    fn quantified(
        &mut self,
        id: BlockId,
        left: Range<usize>,
        op: &CompareOp,
        right: Range<usize>,
    ) -> Option<Predicate> {
        let all = self.is(right.start, "all");
        let negated = match op {
            CompareOp::Eq if !all => false,
            CompareOp::NotEq if all => true,
            _ => return None,
        };
        if !self.mark(right.start + 1, "(") {
            return None;
        }
        let inside = self.inside(right.start + 1, right.end);
        if self.begins_query(inside.start) {
            let exprs = vec![self.expr(id, left)];
            return Some(Predicate::InSubquery { exprs, block: self.sub_select(id, Role::In, inside), negated });
        }
        let expr = self.expr(id, left);
        if self.is(inside.start, "array") && self.mark(inside.start + 1, "[") {
            let list = self.elements(self.inside(inside.start + 1, inside.end));
            let list = list.into_iter().map(|value| self.expr(id, value)).collect();
            return Some(Predicate::InList { expr, list, array: false, negated });
        }
        let array = self.expr(id, inside);
        if !array.is_constant() {
            let columns = expr.columns().chain(array.columns()).cloned().collect();
            return Some(Predicate::Other(Expr::Other { columns, text: array.text().into_owned() }));
        }
        Some(match &array {
            Expr::Literal(Literal::String(text)) if let Some(list) = array::elements(text) => {
                let literal = |element: Option<String>| Expr::Literal(element.map_or(Literal::Null, Literal::String));
                Predicate::InList { expr, list: list.into_iter().map(literal).collect(), array: false, negated }
            }
            _ => Predicate::InList { expr, list: vec![array], array: true, negated },
        })
    }

    /// An expression, in its plain forms.
    pub(super) fn expr(&mut self, id: BlockId, range: Range<usize>) -> Expr {
        let range = self.stripped(range);
        if self.depth >= super::DEEPEST {
            return self.unknown(id, range);
        }
        self.depth += 1;
        let expr = self.expr_within(id, &range);
        self.depth -= 1;
        expr.unwrap_or_else(|| self.unknown(id, range))
    }

    fn expr_within(&mut self, id: BlockId, range: &Range<usize>) -> Option<Expr> {
        let at = range.start;
        if range.len() == 1 {
            if self.kind(at) == Some(TokenKind::Param) {
                let number = self.text(at)[1..].parse();
                return Some(number.map_or(Expr::Literal(Literal::Unknown), Expr::Param));
            }
            if let Some(literal) = self.literal(at) {
                return Some(Expr::Literal(literal));
            }
        }
        if range.len() == 2 && self.mark(at, "-") && self.kind(at + 1) == Some(TokenKind::Number) {
            return Some(Expr::Literal(Literal::Number(format!("-{}", self.text(at + 1)))));
        }
        if self.is_one_of(at, &["select", "with"]) {
            return Some(Expr::Subquery(self.sub_select(id, Role::Scalar, range.clone())));
        }
        // `date '2024-01-01'`, `interval '1 day'`, also `date $1`.
        if range.len() == 2
            && self.kind(at) == Some(TokenKind::Word)
            && matches!(self.kind(at + 1), Some(TokenKind::String | TokenKind::Param))
        {
            let to = self.text(at).to_ascii_lowercase();
            let value = self.expr(id, at + 1..at + 2);
            return Some(Expr::Cast { expr: Box::new(value), to });
        }
        let level = self.level(range);
        let operators: Vec<usize> =
            level.iter().copied().filter(|at| self.kind(*at) == Some(TokenKind::Operator)).collect();
        match operators.as_slice() {
            [] => {}
            [.., cast] if operators.iter().all(|at| self.mark(*at, "::")) && *cast > at => {
                let to = self.text_of(&(cast + 1..range.end)).to_lowercase();
                let expr = self.expr(id, at..*cast);
                return Some(Expr::Cast { expr: Box::new(expr), to });
            }
            [op] if matches!(self.text(*op), "->" | "->>" | "#>" | "#>>" | "||" | "+" | "-" | "*" | "/")
                && *op > at
                && op + 1 < range.end =>
            {
                let symbol = self.text(*op).to_owned();
                let left = self.expr(id, at..*op);
                return Some(Expr::binary(left, &symbol, self.expr(id, op + 1..range.end)));
            }
            _ => return None,
        }
        let (parts, end) = self.dotted(at, range.end)?;
        if end == range.end {
            let plain = self.kind(at) == Some(TokenKind::QuotedIdent) || parts.len() > 1 || self.is_free_name(at);
            return plain.then(|| Expr::Column(column(parts)));
        }
        if self.mark(end, "(") && self.closing[end] + 1 == range.end {
            let mut parts = parts;
            let name = parts.pop()?;
            let inside = self.inside(end, range.end);
            let special = ["from", "in", "for", "as", "distinct", "order", "variadic", "all"];
            if is_aggregate(name.as_str())
                || self.begins_query(inside.start)
                || self.level(&inside).iter().any(|at| self.mark(*at, "*") || self.is_one_of(*at, &special))
            {
                return None;
            }
            let args = self.elements(inside).into_iter().map(|arg| self.expr(id, arg)).collect();
            return Some(Expr::call(parts.last().map(Name::as_str), name.as_str(), args));
        }
        None
    }

    /// The literal that a token is.
    pub(super) fn literal(&self, at: usize) -> Option<Literal> {
        let text = self.text(at);
        match self.kind(at)? {
            TokenKind::Number => Some(Literal::Number(text.to_owned())),
            TokenKind::String => Some(string_value(text)),
            TokenKind::Word => match text.to_ascii_lowercase().as_str() {
                "null" => Some(Literal::Null),
                "true" => Some(Literal::Bool(true)),
                "false" => Some(Literal::Bool(false)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The tokens on the level of a range.
    fn level(&self, range: &Range<usize>) -> Vec<usize> {
        let mut level = Vec::new();
        let mut at = range.start;
        while at < range.end {
            level.push(at);
            at = self.next(at);
        }
        level
    }

    /// Anything by its columns; its sub-selects become blocks.
    fn unknown(&mut self, id: BlockId, range: Range<usize>) -> Expr {
        let mut columns = Vec::new();
        let mut at = range.start;
        while at < range.end {
            if self.mark(at, "(") && self.begins_query(at + 1) {
                let inside = self.inside(at, range.end);
                if self.depth < super::DEEPEST {
                    self.sub_select(id, Role::Scalar, inside);
                }
                at = self.next(at);
                continue;
            }
            let typed = self.mark(at.wrapping_sub(1), "::") || self.is(at.wrapping_sub(1), "as");
            let Some((parts, end)) = self.dotted(at, range.end) else {
                at += 1;
                continue;
            };
            let named = self.kind(at) == Some(TokenKind::QuotedIdent)
                || !needs_quotes(parts[0].as_str()) && !is_syntax(parts[0].as_str());
            let star = self.mark(end, ".");
            let followed = self.mark(end, "(") || self.kind(end) == Some(TokenKind::String);
            if named && !typed && !star && (end >= range.end || !followed) {
                columns.push(column(parts));
            }
            at = end;
        }
        Expr::Other { columns, text: self.text_of(&range).to_owned() }
    }
}

fn column(mut parts: Vec<Name>) -> ColumnRef {
    let name = parts.pop().unwrap_or_else(|| Name::folded(""));
    ColumnRef { qualifier: parts.pop(), name }
}

/// The value of a string constant; unknown for bit strings and Unicode escapes.
fn string_value(text: &str) -> Literal {
    let escaped = text.starts_with(['e', 'E']);
    let quoted = text.strip_prefix(['e', 'E', 'n', 'N']).unwrap_or(text);
    if let Some(body) = quoted.strip_prefix('\'') {
        let body = body.strip_suffix('\'').unwrap_or(body);
        if escaped && body.contains('\\') {
            return Literal::Unknown;
        }
        return Literal::String(body.replace("''", "'"));
    }
    match text.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
        Some((tag, body)) => {
            let end = format!("${tag}$");
            Literal::String(body.strip_suffix(end.as_str()).unwrap_or(body).to_owned())
        }
        None => Literal::Unknown,
    }
}

/// Words of the expression grammar that may also be names.
fn is_syntax(word: &str) -> bool {
    matches!(
        word,
        "at" | "by"
            | "current"
            | "escape"
            | "exclude"
            | "filter"
            | "first"
            | "following"
            | "last"
            | "nulls"
            | "over"
            | "others"
            | "partition"
            | "preceding"
            | "range"
            | "rows"
            | "ties"
            | "unbounded"
            | "unknown"
            | "within"
            | "zone"
            | "time"
    )
}
