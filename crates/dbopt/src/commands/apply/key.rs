//! A key of an advised index, read back from the text that `dbopt advise` printed.

use dbopt_catalog::{IndexKey, KeyPart};
use dbopt_sql::{Token, TokenKind, lex};

/// The key of a text as [`IndexKey::sql`] prints it; none for any other text.
pub(super) fn parse(text: &str) -> Option<IndexKey> {
    let tokens: Vec<Token> = lex(text.as_bytes()).collect();
    let word = |at: usize| tokens.get(at).and_then(|token| text.get(token.start..token.end));
    let (part, mut at) = match word(0)? {
        "(" => {
            let close = closing(text, &tokens, 0)?;
            let inner = text.get(tokens[0].end..tokens[close].start)?;
            (KeyPart::Expression(inner.to_owned()), close + 1)
        }
        _ if word(1) == Some("(") || word(1) == Some(".") => {
            let open = (1..tokens.len()).find(|at| word(*at) == Some("("))?;
            let close = closing(text, &tokens, open)?;
            (KeyPart::Expression(text.get(..tokens[close].end)?.to_owned()), close + 1)
        }
        name => (KeyPart::Column(name_of(name, tokens[0].kind)?), 1),
    };
    let mut key = IndexKey { part, ..IndexKey::column("") };
    if word(at) == Some("COLLATE") {
        key.collation = Some(name_of(word(at + 1)?, tokens[at + 1].kind)?);
        at += 2;
    }
    if word(at).is_some_and(|word| !matches!(word, "DESC" | "NULLS")) {
        key.opclass = Some(name_of(word(at)?, tokens[at].kind)?);
        at += 1;
    }
    if word(at) == Some("DESC") {
        (key.descending, key.nulls_first) = (true, true);
        at += 1;
    }
    if word(at) == Some("NULLS") {
        key.nulls_first = word(at + 1)? == "FIRST";
        at += 2;
    }
    // What was overlooked shows when the key is printed again.
    (at == tokens.len() && key.sql() == text).then_some(key)
}

/// The position of the parenthesis that closes the one at a position.
fn closing(text: &str, tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match text.get(token.start..token.end)? {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The name behind an identifier.
fn name_of(word: &str, kind: TokenKind) -> Option<String> {
    match kind {
        TokenKind::Word => Some(word.to_owned()),
        TokenKind::QuotedIdent => Some(word.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn keys_are_read_back() {
        for text in [
            "a",
            "\"User \"\"x\"\"\" DESC",
            "b DESC NULLS LAST",
            "b NULLS FIRST",
            "lower(name) COLLATE \"en_US.utf8\" text_pattern_ops",
            "app.f(a, (b)) DESC",
            "(a || ')'::text)",
            "name text_pattern_ops",
        ] {
            assert_eq!(parse(text).map(|key| key.sql()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "a, b", "a) ; DROP TABLE t; --", "(a", "a DESC, b", "(a) , (b)", "a ASC", "a;b", "1", "f(a))"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
