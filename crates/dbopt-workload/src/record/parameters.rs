//! The parameter list of a DETAIL line: `parameters: $1 = 'it''s', $2 = NULL` (`Parameters:` from PostgreSQL 16 on).
//!
//! Values are quoted with their quotes doubled, and may hold anything, `', $2 = ''x` included, so this is a state
//! machine over quotes. Values cut by `log_parameter_max_length` end with `...` inside the quotes; a list that ends
//! within a value was cut with the file.

/// A parameter list that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The values; `None` is NULL.
    pub(crate) values: Vec<Option<String>>,
    /// Whether a value was cut.
    pub(crate) cut: bool,
}

/// The length of the heading in front of `$1`, when the detail is a parameter list.
pub(crate) fn heading(detail: &[u8]) -> Option<usize> {
    [&b"parameters: "[..], b"Parameters: "].iter().find(|head| detail.starts_with(head)).map(|head| head.len())
}

/// Reads the list that begins at `$1`. `None` when it is none.
pub(crate) fn read(list: &str) -> Option<Parameters> {
    let mut values = Vec::new();
    let mut cut = false;
    let mut rest = list.trim_end_matches(['\n', '\r']);
    loop {
        let label = format!("${} = ", values.len() + 1);
        rest = rest.strip_prefix(label.as_str())?;
        if let Some(after) = rest.strip_prefix("NULL") {
            values.push(None);
            rest = after;
        } else {
            let (value, after) = quoted(rest.strip_prefix('\'')?);
            cut |= after.is_none() || value.ends_with("...");
            values.push(Some(value));
            let Some(after) = after else { return Some(Parameters { values, cut }) };
            rest = after;
        }
        if rest.is_empty() {
            return Some(Parameters { values, cut });
        }
        rest = rest.strip_prefix(", ")?;
    }
}

/// A value up to its closing quote, and what follows it; nothing follows when the quote is missing.
fn quoted(text: &str) -> (String, Option<&str>) {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some(quote) = rest.find('\'') else {
            value.push_str(rest);
            return (value, None);
        };
        value.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return (value, Some(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, expected: &[Option<&str>]) {
        let read = read(list).map(|p| p.values);
        let expected: Vec<Option<String>> = expected.iter().map(|v| v.map(str::to_owned)).collect();
        assert_eq!(read, Some(expected), "{list}");
    }

    #[test]
    fn values_hold_anything() {
        check("$1 = 'a', $2 = NULL", &[Some("a"), None]);
        check("$1 = 'it''s'", &[Some("it's")]);
        check("$1 = 'x'', $2 = ''y', $2 = ''", &[Some("x', $2 = 'y"), Some("")]);
        check("$1 = '''', $2 = ''''''", &[Some("'"), Some("''")]);
        check(
            "$1 = 'a\nLOG:  duration: 1.000 ms  statement: select 1'",
            &[Some("a\nLOG:  duration: 1.000 ms  statement: select 1")],
        );
        check("$1 = 'NULL'", &[Some("NULL")]);
    }

    #[test]
    fn cut_values_are_told() {
        assert_eq!(read("$1 = 'abc...'").map(|p| p.cut), Some(true));
        assert_eq!(read("$1 = 'abc").map(|p| p.cut), Some(true));
        assert_eq!(read("$1 = 'abc'").map(|p| p.cut), Some(false));
    }

    #[test]
    fn other_details_are_no_parameters() {
        assert_eq!(read("Key (id)=(1) already exists."), None);
        assert_eq!(read("$2 = 'x'"), None);
        assert_eq!(heading(b"Parameters: $1 = 'x'"), Some(12));
        assert_eq!(heading(b"prepare: PREPARE p AS SELECT 1"), None);
    }

    proptest::proptest! {
        #[test]
        fn what_the_server_quotes_is_read_back(values in proptest::collection::vec(proptest::option::of("[^\u{0}]{0,12}"), 1..5)) {
            let list: Vec<String> = values.iter().enumerate().map(|(n, value)| match value {
                Some(value) => format!("${} = '{}'", n + 1, value.replace('\'', "''")),
                None => format!("${} = NULL", n + 1),
            }).collect();
            let read = read(&list.join(", ")).map(|p| p.values);
            proptest::prop_assert_eq!(read, Some(values));
        }
    }
}
