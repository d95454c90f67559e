//! Body of the fuzz target for what the crate does with tokens.

use crate::{Token, TokenKind, bind_parameters, fingerprint, fingerprint_and_normalize, lex, normalize, split};

/// Body of the fuzz target: tokens and statements are in order and inside the text; a statement and its normal form have
/// one fingerprint; and a parameter's value is one token, whatever it holds.
///
/// # Panics
///
/// When a law is broken, which is a bug.
#[doc(hidden)]
pub fn fuzz_tokens(bytes: &[u8]) {
    let mut before = 0;
    for token in lex(bytes) {
        assert!(before <= token.start && token.start < token.end && token.end <= bytes.len(), "{token:?}");
        before = token.end;
    }
    let (print, text) = fingerprint_and_normalize(bytes);
    assert_eq!(print, fingerprint(bytes));
    // Bytes that are not UTF-8 are replaced in the text, and so change its fingerprint.
    let Ok(sql) = std::str::from_utf8(bytes) else { return };
    assert_eq!(print, fingerprint(text.as_bytes()), "{text}");
    assert_eq!(normalize(text.as_bytes()), text);

    let mut before = 0;
    for span in split(sql).statements {
        assert!(before <= span.start && span.start < span.end, "{span:?}");
        assert!(sql.get(span.start..span.end).is_some(), "{span:?} is not inside");
        before = span.end;
    }

    assert_eq!(bind_parameters(sql, &[]), sql);
    let bound = bind_parameters(sql, &[Some("it's $1; \\' \" -- $$ /*".to_owned()), None]);
    // The server reads `$01` as `$1`.
    let number = |token: &Token| sql[token.start + 1..token.end].parse::<usize>();
    let expected = lex(bytes).map(|token| match token.kind {
        TokenKind::Param if number(&token) == Ok(1) => TokenKind::String,
        TokenKind::Param if number(&token) == Ok(2) => TokenKind::Word,
        kind => kind,
    });
    assert!(lex(bound.as_bytes()).map(|token| token.kind).eq(expected), "{bound}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_laws_hold_for_pieces_in_any_order(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "$1", "$2", "$3", "$01", "'a'", "'", "e'", "\\", "\"", "$$", "$a$", "--", "\n", "/*", "*/", " ", ";", "(", ")", ",", "-",
                "1", "1e", "0x", ".", "::", "@", "b", "in", "values", "copy t from stdin;", "begin", "atomic", "end", "é", "u&",
            ]), 0..16)
        ) {
            super::fuzz_tokens(pieces.concat().as_bytes());
        }
    }
}
