//! Texts that may hold literals, without them.

use dbopt_sql::{TokenKind, lex};

/// The text with each constant replaced by `?`.
pub(crate) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    for token in lex(text.as_bytes()).filter(|token| is_literal(token.kind)) {
        masked.push_str(text.get(copied..token.start).unwrap_or_default());
        masked.push('?');
        copied = token.end;
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    masked
}

/// Whether a text holds a constant.
pub(crate) fn has_literal(text: &str) -> bool {
    lex(text.as_bytes()).any(|token| is_literal(token.kind))
}

fn is_literal(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::String | TokenKind::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_masked_and_names_stay() {
        assert_eq!(masked("Seq Scan on t1 where a = 'x' and b > 5"), "Seq Scan on t1 where a = ? and b > ?");
        assert_eq!(masked("it is 'open"), "it is ?");
        assert!(has_literal("create index i on t (a) where b = 'x'") && !has_literal("create index i1 on t (a)"));
    }
}
