//! Outside text made safe to show.

use std::borrow::Cow;

/// The text with every control character but line feed and tab written out, so that a log line cannot move the cursor
/// or change the title of the terminal that shows it. Bidirectional overrides, which can make SQL read as something
/// else, are written out too.
pub(crate) fn controls(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hostile(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// The text with every control character written out, line feeds and tabs too, for output of which each line counts.
pub(crate) fn line(text: &str) -> String {
    controls(text).replace('\n', "\\n").replace('\t', "\\t")
}

fn hostile(character: char) -> bool {
    let bidirectional = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    bidirectional || (character.is_control() && !matches!(character, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(controls("a\x1b[31mb"), "a\\u{1b}[31mb");
        assert_eq!(controls("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(controls("a\n\tb é"), "a\n\tb é");
    }
}
