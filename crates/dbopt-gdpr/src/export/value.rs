//! The forms of a value in the files of a package.
//!
//! Each value comes as the text of its type's output function, under settings that this crate fixes, so that neither a session nor a role
//! changes it. In CSV it stays that text (RFC 4180, <https://www.rfc-editor.org/rfc/rfc4180>); in JSON (RFC 8259) what has a JSON
//! form takes it: truth values, numbers, JSON itself, and arrays of these.

use std::io::{self, Write};

use dbopt_catalog::TypeName;

/// What JSON makes of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Number,
    Json,
    Array(Box<Kind>),
    Text,
}

impl Kind {
    /// A domain is as the type it is made of.
    pub(super) fn of(kind: &TypeName) -> Self {
        Self::named(kind.base.as_deref().unwrap_or(&kind.name))
    }

    fn named(name: &str) -> Self {
        match name {
            "boolean" => Self::Bool,
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "oid" => Self::Number,
            "json" | "jsonb" => Self::Json,
            // The items of its arrays are parted by semicolons.
            "box[]" => Self::Text,
            _ => match name.strip_suffix("[]") {
                // What a type of somebody's own means between the commas is not known.
                Some(item) if TypeName::is_built_in(item) => Self::Array(Box::new(Self::named(item))),
                _ => Self::Text,
            },
        }
    }

    /// Writes a value as JSON.
    pub(super) fn json(&self, text: &str, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Bool if matches!(text, "t" | "f") => write!(to, "{}", text == "t"),
            Self::Number if is_finite(text) => to.write_all(text.as_bytes()),
            Self::Json => to.write_all(minified(text).as_bytes()),
            Self::Array(item) => match array(text) {
                Some(array) => array.json(item, to),
                None => string(text, to),
            },
            _ => string(text, to),
        }
    }

    /// Writes a value as a field of CSV.
    pub(super) fn csv(&self, text: &str, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Bool => to.write_all(if text == "t" { b"true" } else { b"false" }),
            Self::Number => to.write_all(text.as_bytes()),
            _ => field(text, to),
        }
    }
}

/// Whether a number is none of NaN and the infinities, for which JSON has no numbers.
fn is_finite(text: &str) -> bool {
    text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}

/// Writes a string of JSON.
pub(super) fn string(text: &str, to: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(to, text).map_err(io::Error::from)
}

/// Writes a quoted field of CSV. A text that a spreadsheet would run as a formula has an apostrophe before it
/// (<https://owasp.org/www-community/attacks/CSV_Injection>); the JSON of the same row has it as it is.
pub(super) fn field(text: &str, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(b"\"")?;
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        to.write_all(b"'")?;
    }
    let mut parts = text.split('"');
    to.write_all(parts.next().unwrap_or_default().as_bytes())?;
    for part in parts {
        to.write_all(b"\"\"")?;
        to.write_all(part.as_bytes())?;
    }
    to.write_all(b"\"")
}

/// JSON on one line: the white space between its tokens is left out, all else stays as it is.
fn minified(text: &str) -> String {
    let (mut out, mut is_string, mut is_escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        if is_string {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => is_string = false,
                _ => {}
            }
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            is_string = c == '"';
        }
        out.push(c);
    }
    out
}

/// An item of an array.
#[derive(Debug, PartialEq)]
enum Item {
    Null,
    Text(String),
    Array(Vec<Item>),
}

impl Item {
    fn json(&self, kind: &Kind, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Null => to.write_all(b"null"),
            Self::Text(text) => kind.json(text, to),
            Self::Array(items) => {
                to.write_all(b"[")?;
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        to.write_all(b",")?;
                    }
                    item.json(kind, to)?;
                }
                to.write_all(b"]")
            }
        }
    }
}

/// Reads an array as its output function writes it
/// (<https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>). Bounds other than from 1 on are left out.
fn array(text: &str) -> Option<Item> {
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut rest = text.strip_prefix('{')?.chars().peekable();
    let mut open: Vec<Vec<Item>> = vec![Vec::new()];
    loop {
        match *rest.peek()? {
            // An array has six dimensions at most.
            '{' if open.len() < 6 => {
                rest.next();
                open.push(Vec::new());
            }
            '{' => return None,
            '}' => {
                rest.next();
                let items = Item::Array(open.pop()?);
                match open.last_mut() {
                    Some(outer) => outer.push(items),
                    None => return rest.next().is_none().then_some(items),
                }
            }
            ',' => {
                rest.next();
            }
            '"' => {
                rest.next();
                let mut item = String::new();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => item.push(rest.next()?),
                        c => item.push(c),
                    }
                }
                open.last_mut()?.push(Item::Text(item));
            }
            _ => {
                let mut item = String::new();
                while let Some(c) = rest.next_if(|c| !matches!(c, ',' | '}')) {
                    item.push(if c == '\\' { rest.next()? } else { c });
                }
                open.last_mut()?.push(if item == "NULL" { Item::Null } else { Item::Text(item) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        Kind::named(name).json(text, &mut out).expect("it is written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn csv(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        Kind::named(name).csv(text, &mut out).expect("it is written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn values_take_the_form_that_json_has_for_them() {
        for (name, text, expected) in [
            ("boolean", "t", "true"),
            ("bigint", "-9223372036854775808", "-9223372036854775808"),
            ("numeric", "NaN", "\"NaN\""),
            ("double precision", "-Infinity", "\"-Infinity\""),
            ("double precision", "1e+300", "1e+300"),
            ("text", "a\"\u{1}\u{202e}\r\n", "\"a\\\"\\u0001\u{202e}\\r\\n\""),
            ("json", "{\n \"a b\": [1,  \"\\\" x\"]\n}", "{\"a b\":[1,\"\\\" x\"]}"),
            ("integer[]", "{1,NULL,-3}", "[1,null,-3]"),
            ("integer[]", "[0:1][2:2]={{1},{2}}", "[[1],[2]]"),
            ("text[]", r#"{"a,b","c\"d\\",NULL,"NULL",é,""}"#, r#"["a,b","c\"d\\",null,"NULL","é",""]"#),
            ("text[]", "{}", "[]"),
            ("jsonb[]", r#"{"{\"a\": 1}","[]"}"#, r#"[{"a":1},[]]"#),
            ("boolean[]", "{t,f}", "[true,false]"),
            ("public.mood[]", "{sad}", "\"{sad}\""),
            ("box[]", "{(1,1),(0,0);(2,2),(0,0)}", "\"{(1,1),(0,0);(2,2),(0,0)}\""),
            ("bytea", "\\x00ff", "\"\\\\x00ff\""),
        ] {
            assert_eq!(json(name, text), expected, "{name} {text}");
        }
    }

    #[test]
    fn fields_are_quoted_and_formulas_are_not_run() {
        for (name, text, expected) in [
            ("integer", "-1", "-1"),
            ("boolean", "f", "false"),
            ("text", "", "\"\""),
            ("text", "a \"b\", c\r\nd", "\"a \"\"b\"\", c\r\nd\""),
            ("text", "=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("text", "-1", "\"'-1\""),
            ("text", "\t=1", "\"'\t=1\""),
        ] {
            assert_eq!(csv(name, text), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_json(text in "\\PC*", braces in r#"[\{\},"\\a\[=]{0,12}"#) {
            for kind in ["text", "numeric[]", "text[]"] {
                for text in [&text, &braces] {
                    let written = json(kind, text);
                    // Numbers within arrays are the server's; what is none of its texts may only fail to be one.
                    if kind != "numeric[]" {
                        prop_assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{written}");
                    }
                }
            }
        }

        #[test]
        fn a_quoted_field_is_the_text_again(text in ".*") {
            let written = csv("text", &text);
            let inner = written[1..written.len() - 1].replace("\"\"", "\"");
            prop_assert_eq!(inner.strip_prefix('\'').filter(|_| !text.starts_with('\'')).unwrap_or(&inner), text);
        }
    }
}
