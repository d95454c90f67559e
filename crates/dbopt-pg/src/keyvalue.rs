//! Connection strings of the form `host=localhost port=5432 password='with \' quote'`.
//!
//! Source: PostgreSQL docs, "libpq-connect", 34.1.1.1. Pieces of the text never appear in errors, because after a
//! missing quote any piece may belong to the password.

use crate::keyword::{Keyword, find_or_suggest};
use crate::settings_error::SettingsError;

/// Takes a connection string apart into parameters with their values, in order; a later value of a parameter wins.
pub(crate) fn parse(text: &str) -> Result<Vec<(&'static Keyword, String)>, SettingsError> {
    let mut found = Vec::new();
    let mut letters = text.char_indices().peekable();
    loop {
        while letters.next_if(|(_, letter)| is_space(*letter)).is_some() {}
        let Some(&(start, _)) = letters.peek() else { return Ok(found) };
        let mut name = String::new();
        while let Some((_, letter)) = letters.next_if(|(_, letter)| *letter != '=' && !is_space(*letter)) {
            name.push(letter);
        }
        while letters.next_if(|(_, letter)| is_space(*letter)).is_some() {}
        if letters.next_if(|(_, letter)| *letter == '=').is_none() {
            let error = SettingsError::new("missing `=` after a connection parameter").at(text, start);
            return Err(error.hint("put a value that has spaces between single quotes"));
        }
        while letters.next_if(|(_, letter)| is_space(*letter)).is_some() {}
        let quote = letters.next_if(|(_, letter)| *letter == '\'');
        let mut value = String::new();
        loop {
            match letters.next() {
                Some((_, '\'')) if quote.is_some() => break,
                // A backslash at the very end stands for nothing, as in libpq.
                Some((_, '\\')) => value.extend(letters.next().map(|(_, letter)| letter)),
                Some((_, letter)) if quote.is_none() && is_space(letter) => break,
                Some((_, letter)) => value.push(letter),
                None => match quote {
                    Some((at, _)) => {
                        return Err(SettingsError::new("missing closing quote in a connection string").at(text, at));
                    }
                    None => break,
                },
            }
        }
        found.push((find_or_suggest(&name).map_err(|error| error.at(text, start))?, value));
    }
}

/// C's `isspace` in the C locale.
fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\x0b'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match parse(text) {
            Ok(found) => {
                found.iter().map(|(key, value)| format!("{}=<{value}>", key.name)).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn strings_mean_what_they_mean_to_libpq() {
        check("", "");
        check("host=a port=1", "host=<a> port=<1>");
        check("  host = a\tport= 1\n", "host=<a> port=<1>");
        check(r"password='it\'s a \\ secret' user=u", r"password=<it's a \ secret> user=<u>");
        check(r"password=a\ b user=u", "password=<a b> user=<u>");
        check("host='' user=u", "host=<> user=<u>");
        check("host= user=u", "host=<user=u>");
        check("password=a'b", "password=<a'b>");
        check(r"password=a\", "password=<a>");
        check("user=ü", "user=<ü>");
    }

    #[test]
    fn faults_have_a_place_and_no_text() {
        check("postgre://", "missing `=` after a connection parameter at character 1");
        check("user=u password=my secret", "missing `=` after a connection parameter at character 20");
        check("user=u password='my secret", "missing closing quote in a connection string at character 17");
        check("user=ü pasword=x", "unknown connection parameter `pasword` at character 8");
        check("user=u password=a hunter2=b", "unknown connection parameter at character 19");
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(password in ".{0,12}", user in ".{0,12}") {
            let quote = |text: &str| format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"));
            let text = format!("password = {} user={}", quote(&password), quote(&user));
            let found = parse(&text).expect("a well-formed string");
            let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
            prop_assert_eq!(values, [password.as_str(), user.as_str()]);
        }

        #[test]
        fn any_text_gives_parameters_or_an_error(text in ".{0,60}", dense in "[a-z=' \\\\]{0,40}") {
            let _ = parse(&text);
            let _ = parse(&dense);
        }
    }
}
