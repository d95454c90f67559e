//! JSON objects in a stream, one a line, indented, or in an array, and their members; nothing is built in memory.

use std::borrow::Cow;

use crate::record::json::unescape;

/// The next object of a stream, or what is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An object ends here; it begins at the offset.
    Object(usize, usize),
    /// Broken up to here, the newline included; the offset is where it begins.
    Broken(usize, usize),
    /// More bytes are needed; those before the offset are of no use.
    More(usize),
}

/// Finds the next object.
pub(super) fn next(bytes: &[u8]) -> Found {
    let Some(start) = bytes.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b'[' | b']' | b',' | b'}'))
    else {
        return Found::More(bytes.len());
    };
    let rest = &bytes[start..];
    if rest[0] != b'{' {
        return match memchr::memchr(b'\n', rest) {
            Some(newline) => Found::Broken(start, start + newline + 1),
            None => Found::More(start),
        };
    }
    // Azure's event hubs send `{"records":[…]}`.
    if let Some(inner) = records(rest) {
        return match next(&rest[inner..]) {
            Found::Object(from, to) => Found::Object(start + inner + from, start + inner + to),
            Found::Broken(from, to) => Found::Broken(start + inner + from, start + inner + to),
            Found::More(_) => Found::More(start),
        };
    }
    match end(rest) {
        End::At(length) => Found::Object(start, start + length),
        End::Broken(length) => Found::Broken(start, start + length),
        End::Missing => Found::More(start),
    }
}

/// The objects of a sample, one after another.
pub(super) fn objects(sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match next(&sample[at..]) {
                Found::Object(from, to) => {
                    let object = &sample[at + from..at + to];
                    at += to;
                    return Some(object);
                }
                Found::Broken(_, to) => at += to,
                Found::More(_) => return None,
            }
        }
    })
}

/// Where the first object begins in `{"records":[`.
fn records(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for part in [&b"{"[..], b"\"records\"", b":", b"["] {
        rest = rest.trim_ascii_start().strip_prefix(part)?;
    }
    Some(bytes.len() - rest.len())
}

enum End {
    At(usize),
    /// A newline within a string, or a line that begins with a brace: the object before was cut.
    Broken(usize),
    Missing,
}

/// Where the value ends that an opening brace, bracket or quote begins.
fn end(bytes: &[u8]) -> End {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => loop {
                at += 1;
                match bytes.get(at..).and_then(|rest| memchr::memchr3(b'"', b'\\', b'\n', rest)) {
                    None => return End::Missing,
                    Some(skip) => at += skip,
                }
                match bytes[at] {
                    b'"' => break,
                    b'\\' => at += 1,
                    _ => return End::Broken(at + 1),
                }
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'\n' if bytes.get(at + 1) == Some(&b'{') => return End::Broken(at + 1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return End::At(at);
        }
    }
    End::Missing
}

/// The members of an object: keys without their quotes, and values as they are written.
pub(super) fn members(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = object.strip_prefix(b"{").unwrap_or_default();
    std::iter::from_fn(move || {
        let start = rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b','))?;
        let (key, after) = value(&rest[start..])?;
        let key = key.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let (value, after) = value(after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())?;
        rest = after;
        Some((key, value))
    })
}

/// The value of one member.
pub(super) fn member<'a>(object: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    members(object).find(|(key, _)| *key == wanted).map(|(_, value)| value)
}

/// The text of a string.
pub(super) fn text(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    Some(unescape(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?))
}

/// A value and what follows it.
fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match bytes.first()? {
        b'"' | b'{' | b'[' => match end(bytes) {
            End::At(length) => length,
            End::Broken(_) | End::Missing => return None,
        },
        _ => bytes.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\r' | b'\n'))?,
    };
    Some(bytes.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        let found: Vec<_> = objects(stream.as_bytes()).map(String::from_utf8_lossy).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn objects_in_any_form() {
        check("{\"a\":1}\n{\"b\":{\"c\":\"}\\\"\"}}\n", &["{\"a\":1}", "{\"b\":{\"c\":\"}\\\"\"}}"]);
        check("[\n  {\n    \"a\": [1]\n  },\n  {}\n]\n", &["{\n    \"a\": [1]\n  }", "{}"]);
        check("{\"records\": [{\"a\":1},{\"b\":2}]}", &["{\"a\":1}", "{\"b\":2}"]);
        check("noise\n{\"a\":\"cut\n{\"b\":2}\n{\"c\":[\n{\"d\":3}\n{\"e\":", &["{\"b\":2}", "{\"d\":3}"]);
    }

    #[test]
    fn members_of_an_object() {
        let object = br#"{ "a" : "x\ny" , "b":{"a":1},"c":-1.5,"d":null}"#;
        let keys: Vec<_> = members(object).map(|(key, _)| key[0]).collect();
        assert_eq!(keys, b"abcd");
        assert_eq!(member(object, b"a").and_then(text).as_deref(), Some(&b"x\ny"[..]));
        assert_eq!(member(object, b"b"), Some(&b"{\"a\":1}"[..]));
        assert_eq!(member(object, b"c").and_then(text), None);
    }
}
