//! PostgreSQL's array literals (<https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>).

/// The elements of a one-dimensional array literal such as `{1,NULL,"a b"}`; `None` for anything else.
pub(super) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    if inner.trim().is_empty() {
        return Some(elements);
    }
    let mut chars = inner.chars().peekable();
    loop {
        let mut element = String::new();
        let mut quoted = false;
        while chars.next_if(|char| char.is_whitespace()).is_some() {}
        if chars.next_if_eq(&'"').is_some() {
            quoted = true;
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => element.push(chars.next()?),
                    other => element.push(other),
                }
            }
            while chars.next_if(|char| char.is_whitespace()).is_some() {}
        } else {
            while let Some(char) = chars.next_if(|char| *char != ',') {
                match char {
                    '{' | '}' | '"' => return None,
                    '\\' => element.push(chars.next()?),
                    other => element.push(other),
                }
            }
            element.truncate(element.trim_end().len());
            if element.is_empty() {
                return None;
            }
        }
        let null = !quoted && element.eq_ignore_ascii_case("null");
        elements.push((!null).then_some(element));
        match chars.next() {
            None => return Some(elements),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found = elements(text).expect("an array");
        let found: Vec<&str> = found.iter().map(|element| element.as_deref().unwrap_or("<null>")).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn elements_are_unquoted() {
        check("{1, 2,3}", &["1", "2", "3"]);
        check(r#"{"a, b","c\"d", NULL ,"NULL",e\,f}"#, &["a, b", "c\"d", "<null>", "NULL", "e,f"]);
        check("{}", &[]);
    }

    #[test]
    fn what_is_no_array_of_one_dimension_is_none() {
        for text in ["", "{", "1,2", "{{1},{2}}", "{1,}", "{\"a}", "{a\"b}", "{\"a\"b}"] {
            assert_eq!(elements(text), None, "{text}");
        }
    }
}
