//! A statement from its tokens, when there is no syntax tree.
//!
//! The reader knows where clauses begin, how `FROM` lists tables, and the plain forms of conditions. It finds the tables and
//! simple predicates of any statement that is written roughly like SQL, cut-off ones included; everything else becomes
//! [`Expr::Other`](crate::ir::Expr::Other) with its columns. It recurses into parentheses to a fixed depth only.

mod clauses;
mod condition;
mod from;
mod write;

use std::ops::Range;

use crate::{
    ir::{Block, BlockId, Role, Source, Statement, StatementKind, WriteTarget},
    lexer::{Token, TokenKind},
    name::Name,
};

/// Parentheses that are recursed into.
const DEEPEST: usize = 48;

/// Reads a statement from its tokens.
pub(super) fn statement(sql: &str, tokens: &[Token]) -> Statement {
    let mut reader = Reader {
        sql,
        tokens,
        closing: closing(sql, tokens),
        blocks: Vec::new(),
        ctes: Vec::new(),
        kind: StatementKind::Select,
        target: None,
        depth: 0,
    };
    let root = reader.open(None, Role::Root);
    reader.query(root, 0..tokens.len());
    Statement { kind: reader.kind, target: reader.target, blocks: reader.blocks, source: Source::Tokens }
}

struct Reader<'a> {
    sql: &'a str,
    tokens: &'a [Token],
    /// For each opening parenthesis, bracket or `CASE`, the token that closes it, or the number of tokens.
    closing: Vec<usize>,
    blocks: Vec<Block>,
    ctes: Vec<(Name, BlockId)>,
    kind: StatementKind,
    target: Option<WriteTarget>,
    depth: usize,
}

impl Reader<'_> {
    fn open(&mut self, parent: Option<BlockId>, role: Role) -> BlockId {
        self.blocks.push(Block { parent, role, ..Block::default() });
        self.blocks.len() - 1
    }

    /// A sub-select as a new block.
    fn sub_select(&mut self, parent: BlockId, role: Role, range: Range<usize>) -> BlockId {
        let id = self.open(Some(parent), role);
        let ctes = self.ctes.len();
        self.query(id, range);
        self.ctes.truncate(ctes);
        id
    }

    fn writes(&mut self, id: BlockId, kind: StatementKind, target: WriteTarget) {
        if id == 0 || self.target.is_none() {
            self.kind = kind;
            self.target = Some(WriteTarget { relation: target.relation.filter(|_| id == 0), ..target });
        }
    }

    /// Does the work one level deeper, unless that is too deep.
    fn deeper(&mut self, work: impl FnOnce(&mut Self)) {
        if self.depth < DEEPEST {
            self.depth += 1;
            work(self);
            self.depth -= 1;
        }
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &self.sql[token.start..token.end])
    }

    fn text_of(&self, range: &Range<usize>) -> &str {
        match self.tokens.get(range.clone()) {
            Some([first, .., last]) => &self.sql[first.start..last.end],
            Some([only]) => &self.sql[only.start..only.end],
            _ => "",
        }
    }

    fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| super::is_word(self.sql, token, word))
    }

    fn is_one_of(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    fn mark(&self, at: usize, mark: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| super::is_mark(self.sql, token, mark))
    }

    /// The next token on the same level: behind the parentheses or the `CASE` that opens here, if any does.
    fn next(&self, at: usize) -> usize {
        if self.mark(at, "(") || self.mark(at, "[") || (self.is(at, "case") && self.closing[at] < self.tokens.len()) {
            self.closing[at] + 1
        } else {
            at + 1
        }
    }

    /// What stands between the parenthesis here and its end.
    fn inside(&self, at: usize, end: usize) -> Range<usize> {
        at + 1..self.closing[at].min(end).max(at + 1)
    }

    /// The range without parentheses around the whole of it.
    fn stripped(&self, range: Range<usize>) -> Range<usize> {
        let mut range = range;
        while range.len() >= 2 && self.mark(range.start, "(") && self.closing[range.start] == range.end - 1 {
            range = range.start + 1..range.end - 1;
        }
        range
    }

    /// Whether a query begins here, perhaps in parentheses.
    fn begins_query(&self, mut at: usize) -> bool {
        while self.mark(at, "(") {
            at += 1;
        }
        self.is_one_of(at, &["select", "with", "values"])
    }

    /// The range at the commas of its own level.
    fn elements(&self, range: Range<usize>) -> Vec<Range<usize>> {
        self.split(range, |reader, at| reader.mark(at, ","))
    }

    /// The range at the tokens of its own level that separate; empty parts are left out.
    fn split(&self, range: Range<usize>, mut separates: impl FnMut(&Self, usize) -> bool) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut start = range.start;
        let mut at = range.start;
        while at < range.end {
            if separates(self, at) {
                parts.push(start..at);
                start = at + 1;
            }
            at = self.next(at);
        }
        parts.push(start..range.end.max(start));
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// The name at a token.
    fn name(&self, at: usize) -> Option<Name> {
        match self.kind(at)? {
            TokenKind::Word => Some(Name::unquoted(self.text(at))),
            TokenKind::QuotedIdent => {
                let text = self.text(at);
                let text = text.strip_prefix("U&").or(text.strip_prefix("u&")).unwrap_or(text);
                let text = text.strip_prefix('"').unwrap_or(text);
                Some(Name::folded(&text.strip_suffix('"').unwrap_or(text).replace("\"\"", "\"")))
            }
            _ => None,
        }
    }

    /// The parts of a dotted name, and where it ends.
    fn dotted(&self, at: usize, end: usize) -> Option<(Vec<Name>, usize)> {
        let mut parts = vec![self.name(at)?];
        let mut at = at + 1;
        while at + 1 < end
            && self.mark(at, ".")
            && let Some(part) = self.name(at + 1)
        {
            parts.push(part);
            at += 2;
        }
        Some((parts, at))
    }

    /// Whether a token can be a name where keywords may stand, too.
    fn is_free_name(&self, at: usize) -> bool {
        match self.kind(at) {
            Some(TokenKind::QuotedIdent) => true,
            Some(TokenKind::Word) => !crate::keyword::needs_quotes(&self.text(at).to_ascii_lowercase()),
            _ => false,
        }
    }
}

/// For each opening parenthesis, bracket or `CASE`, the token that closes it; what is not closed runs to the end.
fn closing(sql: &str, tokens: &[Token]) -> Vec<usize> {
    let is_case = |token: &Token| super::is_word(sql, token, "case");
    let mut closing = vec![tokens.len(); tokens.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token.kind, sql.as_bytes()[token.start]) {
            (TokenKind::Punctuation, b'(' | b'[') => open.push(at),
            (TokenKind::Punctuation, b')' | b']') => {
                // A `CASE` that is not closed within its parentheses is none.
                while open.last().is_some_and(|opening| is_case(&tokens[*opening])) {
                    open.pop();
                }
                if let Some(opening) = open.pop() {
                    closing[opening] = at;
                }
            }
            (TokenKind::Word, b'c' | b'C') if is_case(token) => open.push(at),
            (TokenKind::Word, b'e' | b'E') if super::is_word(sql, token, "end") => {
                if let Some(opening) = open.pop_if(|opening| is_case(&tokens[*opening])) {
                    closing[opening] = at;
                }
            }
            _ => {}
        }
    }
    closing
}
