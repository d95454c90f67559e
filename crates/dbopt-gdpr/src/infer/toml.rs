//! Names and texts as TOML has them (<https://toml.io/en/v1.0.0>). A policy is written by hand, because it is mostly comments.

use std::fmt::Write as _;

/// A string.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A key, with quotes where it needs them.
pub(super) fn key(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !name.is_empty() && name.chars().all(plain) { name.to_owned() } else { text(name) }
}

/// A list of strings; a line for it, or several when it is long.
pub(super) fn list(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| text(item)).collect();
    let line = items.join(", ");
    if line.len() <= 100 {
        return format!("[{line}]");
    }
    let mut lines: Vec<String> = vec![String::new()];
    for item in items {
        let last = lines.last_mut().expect("there is one");
        if last.len() + item.len() > 100 {
            lines.push(format!("{item},"));
        } else {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(&item);
            last.push(',');
        }
    }
    format!("[\n    {}\n]", lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join("\n    "))
}

/// A text as a comment has it: on one line, whatever is in a name.
pub(super) fn comment(text: &str) -> String {
    let shown = |letter: char| {
        let hidden = letter.is_control()
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden { letter.escape_unicode().to_string() } else { letter.to_string() }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_where_they_are_put() {
        assert_eq!(text("a\"b\\c\nd\u{7f}"), r#""a\"b\\c\u000Ad\u007F""#);
        assert_eq!((key("a_b-1"), key("a.b"), key("")), ("a_b-1".to_owned(), "\"a.b\"".to_owned(), "\"\"".to_owned()));
        assert_eq!(comment("a\nb = 1\u{2028}c"), "a\\u{a}b = 1\\u{2028}c");
        assert_eq!(list(&["a", "b"]), "[\"a\", \"b\"]");
        let long = ["a_rather_long_name_of_a_column"; 5];
        assert_eq!(list(&long).lines().count(), 4);
    }
}
