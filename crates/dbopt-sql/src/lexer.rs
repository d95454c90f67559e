//! PostgreSQL's lexical rules over bytes.
//!
//! Every byte belongs to a token, to white space or to a comment; nothing is an error, since a log may cut a statement
//! anywhere. What is not closed runs to the end and says so. Bytes from 0x80 on are identifier bytes, whatever the
//! encoding, exactly as the server's scanner has it
//! (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>).

mod swar;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A keyword or an unquoted identifier.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedIdent,
    /// Any string constant: `'…'`, `E'…'`, `U&'…'`, `N'…'`, `B'…'`, `X'…'`, `$tag$…$tag$`.
    String,
    /// A numeric constant.
    Number,
    /// `$1`.
    Param,
    /// An operator, `::`, `:=` and `=>` included.
    Operator,
    /// One of `( ) [ ] , ; . :`, or a byte that begins nothing.
    Punctuation,
}

/// A token by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
    /// Whether it is closed; a string, quoted identifier or dollar quote that runs into the end is not.
    pub closed: bool,
}

/// The tokens of a text, in order, without white space and comments.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The tokens of a text.
///
/// ```
/// use dbopt_sql::{TokenKind, lex};
/// let kinds: Vec<TokenKind> = lex(b"a >= $1 -- c").map(|token| token.kind).collect();
/// assert_eq!(kinds, [TokenKind::Word, TokenKind::Operator, TokenKind::Param]);
/// ```
#[must_use]
pub fn lex(bytes: &[u8]) -> Lexer<'_> {
    Lexer { bytes, at: 0 }
}

impl Lexer<'_> {
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        // NUL never occurs in SQL, and begins no token.
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The end of the line comment that begins at `start`.
    fn line_end(&self, start: usize) -> usize {
        memchr::memchr2(b'\n', b'\r', &self.bytes[start..]).map_or(self.bytes.len(), |length| start + length)
    }

    /// The end of the block comment that begins at `start`; block comments nest.
    fn comment_end(&self, start: usize) -> usize {
        let mut at = start + 2;
        let mut depth = 1;
        while let Some(found) = memchr::memchr2(b'*', b'/', self.bytes.get(at..).unwrap_or_default()) {
            at += found;
            match (self.byte(at), self.byte(at + 1)) {
                (b'*', b'/') => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return at;
                    }
                }
                (b'/', b'*') => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.bytes.len()
    }

    /// The end of what is quoted by `quote` from `open` on (the offset after the opening quote), doubled quotes included.
    #[inline]
    fn quoted_end(&self, open: usize, quote: u8) -> (usize, bool) {
        let mut at = open;
        while let Some(found) = swar::find(quote, self.bytes.get(at..).unwrap_or_default()) {
            at += found + 1;
            if self.byte(at) != quote {
                return (at, true);
            }
            at += 1;
        }
        (self.bytes.len(), false)
    }

    /// The same for `E'…'`, where a backslash escapes the next byte.
    fn escaped_end(&self, open: usize) -> (usize, bool) {
        let mut at = open;
        while let Some(found) = memchr::memchr2(b'\'', b'\\', self.bytes.get(at..).unwrap_or_default()) {
            at += found;
            match (self.byte(at), self.byte(at + 1)) {
                (b'\'', b'\'') | (b'\\', _) => at += 2,
                _ => return (at + 1, true),
            }
        }
        (self.bytes.len(), false)
    }

    /// The end of the dollar-quoted string that begins at `start`, if one does.
    fn dollar_end(&self, start: usize) -> Option<(usize, bool)> {
        let mut tag_end = start + 1;
        if is_word_start(self.byte(tag_end)) {
            while is_word(self.byte(tag_end)) && self.byte(tag_end) != b'$' {
                tag_end += 1;
            }
        }
        if self.byte(tag_end) != b'$' {
            return None;
        }
        let tag = &self.bytes[start..=tag_end];
        let body = &self.bytes[tag_end + 1..];
        Some(match memchr::memmem::find(body, tag) {
            Some(found) => (tag_end + 1 + found + tag.len(), true),
            None => (self.bytes.len(), false),
        })
    }

    #[inline]
    fn number_end(&self, start: usize) -> usize {
        let end = start + swar::digits(&self.bytes[start..]);
        match self.byte(end) {
            b'.' | b'_' | b'e' | b'E' | b'x' | b'X' | b'o' | b'O' | b'b' | b'B' => self.long_number_end(start),
            _ => end,
        }
    }

    /// The end of a number that may be more than digits.
    fn long_number_end(&self, start: usize) -> usize {
        let mut at = start;
        if self.byte(at) == b'0' && matches!(self.byte(at + 1) | 0x20, b'x' | b'o' | b'b') {
            let digits = at + 2;
            let mut end = digits;
            while self.byte(end).is_ascii_hexdigit() || self.byte(end) == b'_' {
                end += 1;
            }
            if end > digits {
                return end;
            }
        }
        at = self.digits_end(at);
        if self.byte(at) == b'.' && self.byte(at + 1) != b'.' {
            at = self.digits_end(at + 1);
        }
        if self.byte(at) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.byte(at + 1), b'+' | b'-'));
            if self.byte(at + 1 + sign).is_ascii_digit() {
                at = self.digits_end(at + 1 + sign);
            }
        }
        at
    }

    fn digits_end(&self, mut at: usize) -> usize {
        while self.byte(at).is_ascii_digit() || (self.byte(at) == b'_' && self.byte(at + 1).is_ascii_digit()) {
            at += 1;
        }
        at
    }

    /// The end of the operator that begins at `start`: the longest run of operator characters that holds no comment and,
    /// unless it holds one of `~ ! @ # % ^ & | ` ?`, does not end in `+` or `-`.
    fn operator_end(&self, start: usize) -> usize {
        let mut end = start;
        let mut free = false;
        while is_operator(self.byte(end)) {
            if end > start && matches!((self.byte(end), self.byte(end + 1)), (b'-', b'-') | (b'/', b'*')) {
                break;
            }
            free |= matches!(self.byte(end), b'~' | b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'|' | b'`' | b'?');
            end += 1;
        }
        while !free && end > start + 1 && matches!(self.byte(end - 1), b'+' | b'-') {
            end -= 1;
        }
        end
    }

    /// The string or quoted identifier with a letter before its quote that begins at `start`, if one does.
    fn prefixed(&self, start: usize) -> Option<(TokenKind, usize, bool)> {
        let next = self.byte(start + 1);
        let first = self.byte(start) | 0x20;
        if next == b'\'' && matches!(first, b'e' | b'b' | b'x' | b'n') {
            let open = start + 2;
            let (end, closed) = if first == b'e' { self.escaped_end(open) } else { self.quoted_end(open, b'\'') };
            return Some((TokenKind::String, end, closed));
        }
        if first == b'u' && next == b'&' && matches!(self.byte(start + 2), b'\'' | b'"') {
            let quote = self.byte(start + 2);
            let (end, closed) = self.quoted_end(start + 3, quote);
            let kind = if quote == b'"' { TokenKind::QuotedIdent } else { TokenKind::String };
            return Some((kind, end, closed));
        }
        None
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    // Inlined into each loop over tokens, which then knows a token's kind without looking at it again: a third less time
    // for a fingerprint.
    #[inline(always)]
    fn next(&mut self) -> Option<Token> {
        let mut at = self.at;
        let (kind, end, closed) = loop {
            let Some(first) = self.bytes.get(at).copied() else {
                self.at = at;
                return None;
            };
            let one = at + 1;
            break match CLASS[usize::from(first)] {
                Class::Space => {
                    at = one;
                    continue;
                }
                Class::Word => {
                    let prefixed = if matches!(self.byte(one), b'\'' | b'&') { self.prefixed(at) } else { None };
                    match prefixed {
                        Some(token) => token,
                        None => (TokenKind::Word, at + swar::word(&self.bytes[at..]), true),
                    }
                }
                Class::Digit => (TokenKind::Number, self.number_end(at), true),
                Class::Punctuation => (TokenKind::Punctuation, one, true),
                Class::Operator => {
                    let next = self.byte(one);
                    match first {
                        b'-' if next == b'-' => {
                            at = self.line_end(at);
                            continue;
                        }
                        b'/' if next == b'*' => {
                            at = self.comment_end(at);
                            continue;
                        }
                        _ if !is_operator(next) => (TokenKind::Operator, one, true),
                        _ => (TokenKind::Operator, self.operator_end(at), true),
                    }
                }
                Class::Other => match first {
                    b'\'' => {
                        let (end, closed) = self.quoted_end(one, b'\'');
                        (TokenKind::String, end, closed)
                    }
                    b'"' => {
                        let (end, closed) = self.quoted_end(one, b'"');
                        (TokenKind::QuotedIdent, end, closed)
                    }
                    b'$' if self.byte(one).is_ascii_digit() => {
                        (TokenKind::Param, one + swar::digits(&self.bytes[one..]), true)
                    }
                    b'$' => match self.dollar_end(at) {
                        Some((end, closed)) => (TokenKind::String, end, closed),
                        None => (TokenKind::Punctuation, one, true),
                    },
                    b'.' if self.byte(one).is_ascii_digit() => (TokenKind::Number, self.long_number_end(at), true),
                    b':' if matches!(self.byte(one), b':' | b'=') => (TokenKind::Operator, one + 1, true),
                    _ => (TokenKind::Punctuation, one, true),
                },
            };
        };
        self.at = end;
        Some(Token { kind, start: at, end, closed })
    }
}

/// What a byte begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Digit,
    Operator,
    Space,
    /// A token by itself, whatever follows.
    Punctuation,
    /// What the next byte decides.
    Other,
}

const CLASS: [Class; 256] = {
    let mut class = [Class::Punctuation; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = byte as u8;
        if code.is_ascii_alphabetic() || code == b'_' || code >= 0x80 {
            class[byte] = Class::Word;
        } else if code.is_ascii_digit() {
            class[byte] = Class::Digit;
        } else if matches!(code, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) {
            class[byte] = Class::Space;
        } else if matches!(code, b'\'' | b'"' | b'$' | b'.' | b':') {
            class[byte] = Class::Other;
        } else if matches!(
            code,
            b'+' | b'-'
                | b'*'
                | b'/'
                | b'<'
                | b'>'
                | b'='
                | b'~'
                | b'!'
                | b'@'
                | b'#'
                | b'%'
                | b'^'
                | b'&'
                | b'|'
                | b'`'
                | b'?'
        ) {
            class[byte] = Class::Operator;
        }
        byte += 1;
    }
    class
};

#[inline]
fn is_word_start(byte: u8) -> bool {
    CLASS[usize::from(byte)] == Class::Word
}

#[inline]
fn is_word(byte: u8) -> bool {
    matches!(CLASS[usize::from(byte)], Class::Word | Class::Digit) || byte == b'$'
}

#[inline]
fn is_operator(byte: u8) -> bool {
    CLASS[usize::from(byte)] == Class::Operator
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let tokens: Vec<&str> = lex(sql.as_bytes()).map(|token| &sql[token.start..token.end]).collect();
        assert_eq!(tokens, expected, "{sql}");
    }

    #[test]
    fn strings_of_every_kind() {
        check("'it''s'", &["'it''s'"]);
        check(r"E'a\'b' x", &[r"E'a\'b'", "x"]);
        check(r"'a\' 'b'", &[r"'a\'", "'b'"]);
        check("U&'d\\0061' b'01' X'1F' n'x'", &["U&'d\\0061'", "b'01'", "X'1F'", "n'x'"]);
        check("$$a'b$$ $x$ $y$ $x$", &["$$a'b$$", "$x$ $y$ $x$"]);
    }

    #[test]
    fn identifiers() {
        check(r#"a_1$ "Q""q" U&"x" é"#, &["a_1$", r#""Q""q""#, r#"U&"x""#, "é"]);
        check("e.b", &["e", ".", "b"]);
    }

    #[test]
    fn numbers_and_parameters() {
        check("1 .5 1. 1e10 1.5e-3 0x1F 1_000 $12", &["1", ".5", "1.", "1e10", "1.5e-3", "0x1F", "1_000", "$12"]);
        check("1..2", &["1", ".", ".2"]);
        check("a[1:2]", &["a", "[", "1", ":", "2", "]"]);
    }

    #[test]
    fn operators_stop_where_the_server_stops() {
        check("a<-1", &["a", "<", "-", "1"]);
        check("a@-1", &["a", "@-", "1"]);
        check("a+--c\n1", &["a", "+", "1"]);
        check("a*/*c*/b", &["a", "*", "b"]);
        check("a::int := b", &["a", "::", "int", ":=", "b"]);
        check("a->>'b' #> c", &["a", "->>", "'b'", "#>", "c"]);
    }

    #[test]
    fn comments_nest() {
        check("a /* b /* c */ d */ e -- f\ng", &["a", "e", "g"]);
        check("a /* open", &["a"]);
    }

    #[test]
    fn what_is_open_runs_to_the_end() {
        for sql in ["'a b", "\"a b", "$x$ a", "E'a\\"] {
            let tokens: Vec<Token> = lex(sql.as_bytes()).collect();
            assert_eq!(tokens.len(), 1, "{sql}");
            assert!(!tokens[0].closed, "{sql}");
            assert_eq!(tokens[0].end, sql.len());
        }
    }

    proptest! {
        #[test]
        fn tokens_advance_and_stay_inside(bytes: Vec<u8>) {
            let mut before = 0;
            for token in lex(&bytes) {
                prop_assert!(token.start >= before && token.end > token.start && token.end <= bytes.len());
                before = token.end;
            }
        }

        #[test]
        fn sql_like_text_never_panics(sql in "[a-zE'\"$/*0-9.:;()\\\\-]{0,60}") {
            let _ = lex(sql.as_bytes()).count();
        }
    }
}
