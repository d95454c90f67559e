//! Small things about the text of SQL expressions.

/// An expression without the parentheses that enclose all of it, however many pairs.
pub(crate) fn without_parentheses(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        && closing(text) == Some(text.len() - 1)
    {
        text = inner.trim();
    }
    text
}

/// Offset of the parenthesis that closes the first one, quoted texts and names passed over.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            // A doubled quote ends the text and starts it again.
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// Whether a boolean storage parameter says no, in any of the spellings that `parse_bool` takes.
pub(crate) fn is_off(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    !value.is_empty()
        && (value == "0" || value == "of" || value == "off" || "false".starts_with(&value) || "no".starts_with(&value))
}

/// Whether a text ends in a cast to a type that takes a modifier, `::numeric` or `::character varying`.
pub(crate) fn is_modified_type(text: &str) -> bool {
    const TYPES: [&str; 8] =
        ["numeric", "character varying", "character", "bit varying", "bit", "timestamp", "time", "interval"];
    TYPES.iter().any(|name| text.strip_suffix(name).is_some_and(|before| before.ends_with("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enclosing_parentheses_go() {
        assert_eq!(without_parentheses("((payload ->> 'k'::text))"), "payload ->> 'k'::text");
        assert_eq!(without_parentheses("(a) || (b)"), "(a) || (b)");
        assert_eq!(without_parentheses("(a || ')')"), "a || ')'");
        assert_eq!(without_parentheses("lower(x)"), "lower(x)");
        assert_eq!(without_parentheses("(')'"), "(')'");
    }
}
