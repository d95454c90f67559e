//! Column names in a condition as PostgreSQL prints it.
//!
//! Printed expressions are regular: keywords are upper-case, identifiers lower-case or quoted, casts follow `::`,
//! functions are followed by `(`. That is enough to name the columns without parsing SQL.

/// The columns that a condition names, each once, without qualifiers.
///
/// `alias` is the relation's; names qualified by another one are left out.
pub(crate) fn columns(condition: &str, alias: Option<&str>) -> Vec<String> {
    let tokens = tokens(condition);
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == Token::Cast {
            at = after_type(&tokens, at + 1);
            continue;
        }
        let Token::Name(first) = &tokens[at] else {
            at += 1;
            continue;
        };
        let (qualifier, name, next) = match (tokens.get(at + 1), tokens.get(at + 2)) {
            (Some(Token::Other('.')), Some(Token::Name(second))) => (Some(first.as_str()), second, at + 3),
            _ => (None, first, at + 1),
        };
        let is_call = tokens.get(next) == Some(&Token::Other('('));
        let is_ours = qualifier.is_none() || qualifier == alias;
        if !is_call && is_ours && !NOT_COLUMNS.contains(&name.as_str()) && !found.contains(name) {
            found.push(name.clone());
        }
        at = next;
    }
    found
}

/// Lower-case words that PostgreSQL prints and that are no columns.
const NOT_COLUMNS: [&str; 5] = ["true", "false", "hashed", "alternatives", "returns"];

#[derive(Debug, PartialEq)]
enum Token {
    Name(String),
    /// `::`
    Cast,
    Other(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\'' => skip_quoted(&mut chars, '\''),
            '"' => {
                let mut name = String::new();
                while let Some(char) = chars.next() {
                    if char == '"' && chars.next_if_eq(&'"').is_none() {
                        break;
                    }
                    name.push(char);
                }
                tokens.push(Token::Name(name));
            }
            ':' if chars.next_if_eq(&':').is_some() => tokens.push(Token::Cast),
            '$' => while chars.next_if(char::is_ascii_digit).is_some() {},
            first if first.is_alphabetic() || first == '_' => {
                let mut name = String::from(first);
                while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || matches!(next, '_' | '$')) {
                    name.push(next);
                }
                // A keyword, or the name of a sub-plan.
                if !name.chars().any(char::is_uppercase) {
                    tokens.push(Token::Name(name));
                }
            }
            first if first.is_ascii_digit() => {
                while chars.next_if(|next| next.is_alphanumeric() || *next == '.').is_some() {}
            }
            space if space.is_whitespace() => {}
            other => tokens.push(Token::Other(other)),
        }
    }
    tokens
}

fn skip_quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) {
    while let Some(char) = chars.next() {
        if char == quote && chars.next_if_eq(&quote).is_none() {
            return;
        }
    }
}

/// The position after a type's name, such as `character varying(20)[]` or `timestamp(3) with time zone`.
fn after_type(tokens: &[Token], mut at: usize) -> usize {
    if matches!(tokens.get(at), Some(Token::Name(_))) {
        at += 1;
    }
    while tokens.get(at) == Some(&Token::Other('.')) {
        at += 2;
    }
    loop {
        match tokens.get(at) {
            Some(Token::Name(word))
                if matches!(word.as_str(), "varying" | "precision" | "with" | "without" | "time" | "zone") =>
            {
                at += 1;
            }
            Some(Token::Other('(' | '[' | ']')) => {
                at += 1;
                // Digits are no tokens, so a modifier is an empty pair of brackets with a comma at most.
                while matches!(tokens.get(at), Some(Token::Other(',' | ')' | ']')))
                    && tokens.get(at - 1) != Some(&Token::Other(')'))
                {
                    at += 1;
                }
            }
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(condition: &str, expected: &[&str]) {
        assert_eq!(columns(condition, Some("o")), expected, "{condition}");
    }

    #[test]
    fn columns_are_told_from_everything_else() {
        check("((state = 'open'::text) AND (total > '10'::numeric))", &["state", "total"]);
        check("((o.\"Über\" IS NOT NULL) AND (c.id = o.customer_id))", &["Über", "customer_id"]);
        check("(lower((name)::text) ~~ 'a''b%'::text)", &["name"]);
        check("(placed < '2024-01-01 00:00:00'::timestamp without time zone)", &["placed"]);
        check("((a)::character varying(20) = ANY ('{x,y}'::character varying(20)[]))", &["a"]);
        check("(id = $0)", &["id"]);
        check("(NOT (hashed SubPlan 1))", &[]);
        check("(active AND (active <> false) AND (n >= 1.5e3))", &["active", "n"]);
        check("((x)::double precision < y)", &["x", "y"]);
        check("(now() > (at + '1 day'::interval))", &["at"]);
        check("(a = 'unterminated", &["a"]);
    }
}
