//! A statement's tokens, read from left to right.

use dbopt_sql::{Token, TokenKind, lex};

/// Why a statement is not understood, and where.
#[derive(Debug)]
pub(super) struct Fault {
    /// Offset in the file.
    pub(super) offset: usize,
    pub(super) message: String,
}

pub(super) type Parsed<T> = Result<T, Fault>;

/// A name with the schema before it, if one is written.
pub(super) type Written = (Option<String>, String);

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// Offset of `text` in the file.
    base: usize,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, base: usize) -> Self {
        Self { text, base, tokens: lex(text.as_bytes()).collect(), at: 0 }
    }

    /// Whether all tokens are closed; what a truncated file leaves open runs to its end.
    pub(super) fn is_closed(&self) -> bool {
        self.tokens.iter().all(|token| token.closed)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn fault<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let offset = self.tokens.get(self.at).map_or(self.text.len(), |token| token.start);
        Err(Fault { offset: self.base + offset, message: message.into() })
    }

    fn slice(&self, token: &Token) -> &'a str {
        // Tokens begin and end at ASCII bytes or at the ends of runs of others; a wrong boundary gives an empty text.
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// The text of the next token.
    pub(super) fn peek(&self) -> &'a str {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| self.slice(token))
    }

    pub(super) fn skip(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }

    /// Whether the next tokens are these words or signs.
    pub(super) fn sees(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(ahead, word)| self.peek_at(ahead).eq_ignore_ascii_case(word))
    }

    /// Passes the next tokens over when they are these.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let sees = self.sees(words);
        if sees {
            self.at += words.split(' ').count();
        }
        sees
    }

    pub(super) fn expect(&mut self, words: &str) -> Parsed<()> {
        if self.eat(words) { Ok(()) } else { self.fault(format!("`{words}` was expected here")) }
    }

    /// A name, folded.
    pub(super) fn name(&mut self) -> Parsed<String> {
        let Some(token) = self.tokens.get(self.at) else {
            return self.fault("a name was expected here");
        };
        let text = self.slice(token);
        let name = match token.kind {
            TokenKind::Word => text.to_lowercase(),
            TokenKind::QuotedIdent => unquoted(text),
            _ => return self.fault("a name was expected here"),
        };
        self.at += 1;
        Ok(name)
    }

    /// A name that may have a schema, and a database before it.
    pub(super) fn qualified(&mut self) -> Parsed<Written> {
        let mut name = self.name()?;
        let mut schema = None;
        while self.eat(".") {
            schema = Some(std::mem::replace(&mut name, self.name()?));
        }
        Ok((schema, name))
    }

    /// Whether the next token is a quoted name.
    pub(super) fn sees_quoted(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.kind == TokenKind::QuotedIdent)
    }

    /// The value of a string constant.
    pub(super) fn string(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).filter(|token| token.kind == TokenKind::String)?;
        let value = self.slice(token).strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
        self.at += 1;
        Some(value)
    }

    /// What the parentheses that open here enclose.
    pub(super) fn group(&mut self) -> Parsed<Self> {
        self.expect("(")?;
        let start = self.at;
        let mut depth = 1_usize;
        while let Some(token) = self.tokens.get(self.at) {
            match self.slice(token) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(self.part(start, self.at - 1));
            }
        }
        self.fault("a parenthesis is not closed")
    }

    /// The parts between commas outside parentheses, from here to the end.
    pub(super) fn split_at_commas(mut self) -> Vec<Self> {
        let mut parts = Vec::new();
        while !self.is_at_end() {
            let part = self.until(|cursor| cursor.peek() == ",");
            parts.push(part);
            self.skip();
        }
        parts
    }

    /// From here up to where `stop` says so outside parentheses, or to the end.
    pub(super) fn until(&mut self, stop: impl Fn(&Self) -> bool) -> Self {
        let start = self.at;
        let mut depth = 0_usize;
        while !self.is_at_end() {
            match self.peek() {
                _ if depth == 0 && stop(self) => break,
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
        self.part(start, self.at)
    }

    /// How many tokens there are from here.
    pub(super) fn remaining(&self) -> usize {
        self.tokens.len() - self.at
    }

    /// The next so many tokens.
    pub(super) fn take(&mut self, count: usize) -> Self {
        let start = self.at;
        self.at = (start + count).min(self.tokens.len());
        self.part(start, self.at)
    }

    /// The rest.
    pub(super) fn rest(&mut self) -> Self {
        self.until(|_| false)
    }

    /// All tokens as text: white space and comments become one space each, and nothing else changes.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut end = None;
        for token in &self.tokens[self.at.min(self.tokens.len())..] {
            if end.is_some_and(|end| end < token.start) {
                text.push(' ');
            }
            text.push_str(self.slice(token));
            end = Some(token.end);
        }
        text
    }

    /// The words and quoted names that stand here, folded.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.tokens[self.at.min(self.tokens.len())..].iter().filter_map(|token| match token.kind {
            TokenKind::Word => Some(self.slice(token).to_lowercase()),
            TokenKind::QuotedIdent => Some(unquoted(self.slice(token))),
            _ => None,
        })
    }

    fn part(&self, start: usize, end: usize) -> Self {
        let tokens = self.tokens[start..end].to_vec();
        // The text ends with the part, so that a fault at its end has the right offset.
        let length = self.tokens.get(end).map_or(self.text.len(), |token| token.start);
        Self { text: self.text.get(..length).unwrap_or(self.text), base: self.base, tokens, at: 0 }
    }
}

fn unquoted(text: &str) -> String {
    let inner = text.trim_start_matches(['u', 'U', '&']);
    let inner = inner.strip_prefix('"').unwrap_or(inner);
    inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_unless_quoted() {
        let mut cursor = Cursor::new("App.\"Odd \"\"Name\"\"\"", 0);
        assert_eq!(cursor.qualified().ok(), Some((Some("app".to_owned()), "Odd \"Name\"".to_owned())));
    }

    #[test]
    fn groups_and_commas_nest() {
        let mut cursor = Cursor::new("(a, f(b, c) -- x, y\n, d) rest", 0);
        let parts: Vec<_> = cursor.group().expect("it is closed").split_at_commas().iter().map(Cursor::text).collect();
        assert_eq!(parts, ["a", "f(b, c)", "d"]);
        assert_eq!(cursor.text(), "rest");
    }

    #[test]
    fn faults_have_their_place() {
        let mut cursor = Cursor::new("a (b", 100);
        cursor.skip();
        assert_eq!(cursor.group().map(|_| ()).map_err(|fault| fault.offset), Err(104));
    }
}
