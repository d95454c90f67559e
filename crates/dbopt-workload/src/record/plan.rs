//! The message of auto_explain after `plan:`: which form it has, and the statement in it.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use crate::model::PlanFormat;

/// The form of a plan, by its first characters.
pub(crate) fn format(body: &[u8]) -> PlanFormat {
    match body.trim_ascii_start() {
        [b'{', ..] | [b'[', ..] => PlanFormat::Json,
        [b'<', ..] => PlanFormat::Xml,
        rest if rest.starts_with(b"Query Text: \"") && memmem::find(rest, b"Node Type: \"").is_some() => {
            PlanFormat::Yaml
        }
        _ => PlanFormat::Text,
    }
}

/// Where the statement stands in the plan's text, and whether it is escaped.
pub(crate) fn query(body: &[u8], format: PlanFormat) -> Option<Range<usize>> {
    match format {
        PlanFormat::Text => {
            let start = memmem::find(body, b"Query Text: ")? + 12;
            let rest = &body[start..];
            let tail = [&b"\nQuery Parameters: "[..], b"\n\tQuery Parameters: "]
                .iter()
                .filter_map(|mark| memmem::find(rest, mark))
                .min();
            let root = memmem::find(rest, b"  (cost=").map(|cost| memchr::memrchr(b'\n', &rest[..cost]).unwrap_or(0));
            let end = match (tail, root) {
                (Some(tail), Some(root)) => tail.min(root),
                (tail, root) => tail.or(root)?,
            };
            Some(start..start + end)
        }
        PlanFormat::Json => quoted(body, b"\"Query Text\": \""),
        PlanFormat::Yaml => quoted(body, b"Query Text: \""),
        PlanFormat::Xml => {
            let start = memmem::find(body, b"<Query-Text>")? + 12;
            let end = memmem::find(&body[start..], b"</Query-Text>")?;
            Some(start..start + end)
        }
    }
}

/// The statement as the client sent it.
pub(crate) fn unescape(text: &[u8], format: PlanFormat) -> Cow<'_, [u8]> {
    match format {
        PlanFormat::Text => Cow::Borrowed(text),
        PlanFormat::Json | PlanFormat::Yaml => super::json::unescape(text),
        PlanFormat::Xml => {
            if memchr::memchr(b'&', text).is_none() {
                return Cow::Borrowed(text);
            }
            let mut plain = Vec::with_capacity(text.len());
            let mut rest = text;
            while let Some(at) = memchr::memchr(b'&', rest) {
                plain.extend_from_slice(&rest[..at]);
                rest = &rest[at..];
                let (byte, length) =
                    [(b'<', &b"&lt;"[..]), (b'>', b"&gt;"), (b'&', b"&amp;"), (b'"', b"&quot;"), (b'\r', b"&#x0d;")]
                        .iter()
                        .find(|(_, entity)| rest.starts_with(entity))
                        .map_or((b'&', 1), |(byte, entity)| (*byte, entity.len()));
                plain.push(byte);
                rest = &rest[length..];
            }
            plain.extend_from_slice(rest);
            Cow::Owned(plain)
        }
    }
}

/// The inside of a JSON string that follows a mark.
fn quoted(body: &[u8], mark: &[u8]) -> Option<Range<usize>> {
    let start = memmem::find(body, mark)? + mark.len();
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
        if body[at] == b'"' {
            return Some(start..at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected_format: PlanFormat, expected: &str) {
        let format = format(body.as_bytes());
        assert_eq!(format, expected_format);
        let range = query(body.as_bytes(), format).expect("the plan has a statement");
        let text = unescape(&body.as_bytes()[range], format);
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }

    #[test]
    fn statements_of_all_forms() {
        check(
            "Query Text: select 1\n\tfrom t\n\tSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)",
            PlanFormat::Text,
            "select 1\n\tfrom t",
        );
        check(
            "Query Text: select $1\n\tQuery Parameters: $1 = '  (cost=1'\n\tResult  (cost=0.00..0.01 rows=1 width=4)",
            PlanFormat::Text,
            "select $1",
        );
        check(
            "{\n  \"Query Text\": \"select \\\"a\\\"\\nfrom t\",\n  \"Plan\": {}}",
            PlanFormat::Json,
            "select \"a\"\nfrom t",
        );
        check("Query Text: \"select 'x'\"\nPlan: \n  Node Type: \"Result\"", PlanFormat::Yaml, "select 'x'");
        check("<explain>\n<Query-Text>select 1 &lt; 2 &amp;&amp; x</Query-Text>", PlanFormat::Xml, "select 1 < 2 && x");
    }

    #[test]
    fn a_cut_plan_has_no_statement() {
        assert_eq!(query(b"Query Text: select 1", PlanFormat::Text), None);
        assert_eq!(query(b"{ \"Query Text\": \"select \\", PlanFormat::Json), None);
    }
}
