//! A file of SQL into statements.
//!
//! Statements end at a semicolon that is outside strings, comments, parentheses and `BEGIN ATOMIC` bodies. What only psql
//! understands, backslash commands and the data behind `COPY … FROM stdin`, is passed over and named, so that a dump can be
//! read as it is.

use dbopt_finding::Span;

use crate::lexer::{Token, TokenKind, lex};

/// A file's statements, and what was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The statements in order, without their semicolons.
    pub statements: Vec<Span>,
    /// What is not SQL.
    pub skipped: Vec<Skipped>,
}

/// Text that is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A line that begins with a backslash.
    MetaCommand(Span),
    /// The rows behind `COPY … FROM stdin`, up to `\.`.
    CopyData(Span),
}

/// Splits a text into statements.
///
/// ```
/// use dbopt_sql::split;
/// let sql = "select ';'; \n\\timing\n select 2";
/// let split = split(sql);
/// let texts: Vec<&str> = split.statements.iter().map(|span| &sql[span.start..span.end]).collect();
/// assert_eq!(texts, ["select ';'", "select 2"]);
/// assert_eq!(split.skipped.len(), 1);
/// ```
#[must_use]
pub fn split(text: &str) -> Split {
    let mut split = Split::default();
    let mut base = 0;
    while base < text.len() {
        base = split_from(text, base, &mut split);
    }
    split
}

/// Reads one statement, or one thing that is passed over, from an offset; returns the offset to go on from.
fn split_from(text: &str, base: usize, split: &mut Split) -> usize {
    let rest = &text.as_bytes()[base..];
    let mut statement: Option<Span> = None;
    let mut depth = 0_usize;
    let mut atomic = 0_usize;
    let mut words = Words::default();
    for token in lex(rest) {
        let span = Span::new(base + token.start, base + token.end);
        let bytes = &rest[token.start..token.end];
        if token.kind == TokenKind::Punctuation {
            match bytes {
                b"(" | b"[" => depth += 1,
                b")" | b"]" => depth = depth.saturating_sub(1),
                b"\\" if statement.is_none() => {
                    let end = line_end(text, span.start);
                    split.skipped.push(Skipped::MetaCommand(Span::new(span.start, end)));
                    return end;
                }
                b";" if depth == 0 && atomic == 0 => {
                    split.statements.extend(statement);
                    return if words.copies_from_stdin() { copy_end(text, span.end, split) } else { span.end };
                }
                _ => {}
            }
        }
        words.see(&token, bytes);
        atomic = words.atomic_depth(&token, bytes, atomic);
        statement = Some(Span::new(statement.map_or(span.start, |statement| statement.start), span.end));
    }
    split.statements.extend(statement);
    text.len()
}

/// Passes over the rows of a `COPY … FROM stdin` that ends at an offset.
fn copy_end(text: &str, from: usize, split: &mut Split) -> usize {
    let start = line_end(text, from);
    let mut end = start;
    while end < text.len() {
        let line = end;
        end = line_end(text, line);
        if text[line..end].trim_end() == "\\." {
            break;
        }
    }
    split.skipped.push(Skipped::CopyData(Span::new(start, end)));
    end
}

/// The offset after the line that holds an offset.
fn line_end(text: &str, from: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[from..]).map_or(text.len(), |length| from + length + 1)
}

/// The few words that decide where a statement ends.
#[derive(Default)]
struct Words {
    first_is_copy: bool,
    count: usize,
    previous: Vec<u8>,
    from_stdin: bool,
}

impl Words {
    fn see(&mut self, token: &Token, bytes: &[u8]) {
        if token.kind != TokenKind::Word {
            return;
        }
        if self.count == 0 {
            self.first_is_copy = bytes.eq_ignore_ascii_case(b"copy");
        }
        self.count += 1;
        self.from_stdin |= self.previous == b"from" && bytes.eq_ignore_ascii_case(b"stdin");
    }

    fn copies_from_stdin(&self) -> bool {
        self.first_is_copy && self.from_stdin
    }

    /// How deep in `BEGIN ATOMIC … END` the text is; `CASE … END` within counts too.
    fn atomic_depth(&mut self, token: &Token, bytes: &[u8], depth: usize) -> usize {
        if token.kind != TokenKind::Word {
            return depth;
        }
        let word = bytes.to_ascii_lowercase();
        let next = match word.as_slice() {
            b"atomic" if self.previous == b"begin" => depth + 1,
            b"case" if depth > 0 => depth + 1,
            b"end" => depth.saturating_sub(1),
            _ => depth,
        };
        self.previous = word;
        next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let split = split(sql);
        let texts: Vec<&str> = split.statements.iter().map(|span| &sql[span.start..span.end]).collect();
        assert_eq!(texts, expected, "{sql}");
    }

    #[test]
    fn semicolons_inside_do_not_end_a_statement() {
        check("select $$;$$; -- ;\nselect \";\" /* ; */;", &["select $$;$$", "select \";\""]);
        check(";;select 1;;", &["select 1"]);
        check(
            "create rule r as on insert to t do (select 1; select 2); select 3",
            &["create rule r as on insert to t do (select 1; select 2)", "select 3"],
        );
    }

    #[test]
    fn atomic_bodies_are_one_statement() {
        check(
            "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3",
            &[
                "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
                "select 3",
            ],
        );
        check("begin; select 1; end; select 2", &["begin", "select 1", "end", "select 2"]);
    }

    #[test]
    fn copied_rows_are_passed_over() {
        check("COPY t (a) FROM stdin;\n1;'\n\\.\nselect 1;", &["COPY t (a) FROM stdin", "select 1"]);
        assert_eq!(split("copy t from stdin;\n1\n").skipped.len(), 1);
    }

    proptest! {
        #[test]
        fn statements_are_in_order_and_inside(sql: String) {
            let mut before = 0;
            for span in split(&sql).statements {
                prop_assert!(span.start >= before && span.end > span.start && span.end <= sql.len());
                prop_assert!(sql.get(span.start..span.end).is_some());
                before = span.end;
            }
        }
    }
}
