//! The arguments of an SQL-level `EXECUTE name (1, 'x', NULL)`, when all of them are plain literals.

use dbopt_sql::{TokenKind, lex};

/// The arguments as texts, NULL being `None`. Nothing when there are none, or when one of them is an expression.
pub(crate) fn read(statement: &str) -> Option<Vec<Option<String>>> {
    let mut tokens =
        lex(statement.as_bytes()).filter_map(|token| Some((token, statement.get(token.start..token.end)?))).peekable();
    tokens.next().filter(|(_, text)| text.eq_ignore_ascii_case("EXECUTE"))?;
    tokens.next()?;
    tokens.next().filter(|(_, text)| *text == "(")?;
    let mut values = Vec::new();
    loop {
        let sign = tokens.next_if(|(_, text)| matches!(*text, "-" | "+"));
        let (token, text) = tokens.next()?;
        let word = text.to_ascii_lowercase();
        values.push(match (token.kind, sign) {
            (TokenKind::Number, Some((_, "-"))) => Some(format!("-{text}")),
            (TokenKind::Number, _) => Some(text.to_owned()),
            (TokenKind::Word, None) if word == "null" => None,
            (TokenKind::Word, None) if word == "true" || word == "false" => Some(word),
            (TokenKind::String, None) if token.closed && text.starts_with('\'') => {
                Some(text.get(1..text.len() - 1)?.replace("''", "'"))
            }
            _ => return None,
        });
        match tokens.next()?.1 {
            "," => {}
            ")" => break,
            _ => return None,
        }
    }
    tokens.all(|(_, text)| text == ";").then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &str, expected: Option<&[Option<&str>]>) {
        let read = read(statement);
        let read: Option<Vec<Option<&str>>> = read.as_ref().map(|list| list.iter().map(Option::as_deref).collect());
        assert_eq!(read.as_deref(), expected, "{statement}");
    }

    #[test]
    fn literals() {
        check(
            "execute \"p q\" (1, -2.5, 'it''s, (x)', NULL, True);",
            Some(&[Some("1"), Some("-2.5"), Some("it's, (x)"), None, Some("true")]),
        );
    }

    #[test]
    fn everything_else_is_left_alone() {
        for statement in ["EXECUTE p", "EXECUTE p()", "EXECUTE p(a.b)", "EXECUTE p(1 + 1)", "EXECUTE p('a'::text)"] {
            check(statement, None);
        }
        for statement in ["EXECUTE p(E'a\\n')", "EXECUTE p('cut", "EXECUTE p(1); select 2", "select p(1)", ""] {
            check(statement, None);
        }
    }
}
