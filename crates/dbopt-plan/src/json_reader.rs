//! A pull reader for JSON: tokens with their offsets, no recursion, no tree.
//!
//! serde_json gives no part of a truncated document and no place within a value; a plan cut off by a log's line limit
//! is common, and the part that is there is worth reading. The reader is lenient where leniency is unambiguous: raw
//! line breaks in strings, and `NaN` or `Infinity` for numbers, which PostgreSQL prints.

/// A token of a JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// `{`
    OpenMap,
    /// `}`
    CloseMap,
    /// `[`
    OpenList,
    /// `]`
    CloseList,
    /// `:`
    Colon,
    /// `,`
    Comma,
    /// A string, unescaped.
    Text(String),
    /// A number, `true`, `false`, `null`, as written.
    Word(String),
}

/// Why there is no next token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text ends; inside a string when `inside`.
    End { inside: bool },
    /// A byte that starts no token.
    Bad,
}

/// Reads tokens from a text.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// Offset of the next token, or of the end.
    pub(crate) fn offset(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
        self.at
    }

    /// The next token's first byte.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let at = self.offset();
        self.text.as_bytes().get(at).copied()
    }

    pub(crate) fn next(&mut self) -> Result<Token, Stop> {
        let Some(first) = self.peek() else { return Err(Stop::End { inside: false }) };
        let single = match first {
            b'{' => Token::OpenMap,
            b'}' => Token::CloseMap,
            b'[' => Token::OpenList,
            b']' => Token::CloseList,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(),
            b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => return Ok(self.word()),
            _ => return Err(Stop::Bad),
        };
        self.at += 1;
        Ok(single)
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = rest.bytes().take_while(|byte| is_word(byte)).count();
        self.at += length;
        Token::Word(rest[..length].to_owned())
    }

    fn string(&mut self) -> Result<Token, Stop> {
        let text = self.text;
        let mut out = String::new();
        let mut at = self.at + 1;
        while let Some(length) = text[at..].find(['"', '\\']) {
            out.push_str(&text[at..at + length]);
            at += length + 1;
            if text.as_bytes()[at - 1] == b'"' {
                self.at = at;
                return Ok(Token::Text(out));
            }
            let Some(escape) = text[at..].chars().next() else { break };
            at += escape.len_utf8();
            match escape {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'b' => out.push('\u{8}'),
                'f' => out.push('\u{c}'),
                'u' => {
                    let (decoded, length) = unicode_escape(&text[at..]);
                    out.push(decoded);
                    at += length;
                }
                other => out.push(other),
            }
        }
        self.at = text.len();
        Err(Stop::End { inside: true })
    }
}

/// Decodes what follows `\u`, with the second half of a surrogate pair; what is no character becomes U+FFFD.
fn unicode_escape(text: &str) -> (char, usize) {
    let hex = |from: usize| text.get(from..from + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = hex(0) else { return (char::REPLACEMENT_CHARACTER, 0) };
    if (0xD800..0xDC00).contains(&first)
        && text.get(4..6) == Some("\\u")
        && let Some(second) = hex(6).filter(|second| (0xDC00..0xE000).contains(second))
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token]) {
        let mut reader = Reader::new(text, 0);
        let tokens: Vec<_> = std::iter::from_fn(|| reader.next().ok()).collect();
        assert_eq!(tokens, expected);
    }

    #[test]
    fn strings_are_unescaped() {
        check(r#""a\"b\\\n\u00e9\ud83d\ude00 ü""#, &[Token::Text("a\"b\\\né😀 ü".into())]);
        check(r#""\ud83d""#, &[Token::Text("\u{fffd}".into())]);
        check(r#""\uZZ""#, &[Token::Text("\u{fffd}ZZ".into())]);
    }

    #[test]
    fn words_are_kept_as_written() {
        check(
            "[-1.50e3, true]",
            &[
                Token::OpenList,
                Token::Word("-1.50e3".into()),
                Token::Comma,
                Token::Word("true".into()),
                Token::CloseList,
            ],
        );
    }

    #[test]
    fn an_open_string_ends_inside() {
        let mut reader = Reader::new("\"abc\\", 0);
        assert_eq!(reader.next(), Err(Stop::End { inside: true }));
        assert_eq!(reader.next(), Err(Stop::End { inside: false }));
    }
}
