//! What this crate asks of SQL, in one place.

use crate::Fingerprint;
use crate::model::StatementKind;

/// What statements of one class have in common.
pub(crate) fn fingerprint(text: &[u8]) -> Fingerprint {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    let mut digit = false;
    for b in text {
        if b.is_ascii_digit() {
            if !digit {
                h = h.wrapping_mul(31) ^ 7;
            }
            digit = true;
        } else if !b.is_ascii_whitespace() {
            digit = false;
            h = (h ^ u64::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Fingerprint(h)
}

/// The statement with its constants as parameters.
pub(crate) fn normalize(text: &str) -> String {
    text.trim().to_owned()
}

/// What a statement does, by its first words.
pub(crate) fn kind(text: &str) -> StatementKind {
    let word = first_word(text.as_bytes());
    if word.eq_ignore_ascii_case(b"select")
        || word.eq_ignore_ascii_case(b"with")
        || word.eq_ignore_ascii_case(b"values")
        || word.eq_ignore_ascii_case(b"table")
    {
        StatementKind::Select
    } else if word.eq_ignore_ascii_case(b"insert") {
        StatementKind::Insert
    } else if word.eq_ignore_ascii_case(b"update") {
        StatementKind::Update
    } else if word.eq_ignore_ascii_case(b"delete") {
        StatementKind::Delete
    } else if word.eq_ignore_ascii_case(b"merge") {
        StatementKind::Merge
    } else {
        StatementKind::Utility
    }
}

/// Whether a text begins like a statement; used only to tell a name with a colon from the statement behind it.
pub(crate) fn begins_statement(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 44] = [
        b"SELECT",
        b"INSERT",
        b"UPDATE",
        b"DELETE",
        b"MERGE",
        b"WITH",
        b"VALUES",
        b"TABLE",
        b"BEGIN",
        b"START",
        b"COMMIT",
        b"END",
        b"ROLLBACK",
        b"ABORT",
        b"SAVEPOINT",
        b"RELEASE",
        b"SET",
        b"SHOW",
        b"RESET",
        b"COPY",
        b"CALL",
        b"DO",
        b"EXPLAIN",
        b"FETCH",
        b"MOVE",
        b"CLOSE",
        b"DECLARE",
        b"PREPARE",
        b"EXECUTE",
        b"DEALLOCATE",
        b"DISCARD",
        b"LISTEN",
        b"NOTIFY",
        b"UNLISTEN",
        b"LOCK",
        b"VACUUM",
        b"ANALYZE",
        b"CREATE",
        b"ALTER",
        b"DROP",
        b"TRUNCATE",
        b"REFRESH",
        b"REINDEX",
        b"GRANT",
    ];
    let text = text.trim_ascii_start();
    if matches!(text.first(), Some(b'(' | b';')) || text.starts_with(b"/*") || text.starts_with(b"--") {
        return true;
    }
    let word = first_word(text);
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn first_word(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    &text[..text.iter().take_while(|b| b.is_ascii_alphabetic()).count()]
}

/// Where the statements of a file stand.
pub(crate) fn split(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b';', text).chain([text.len()]) {
        let part = &text[start..end];
        let lead = part.len() - part.trim_ascii_start().len();
        if !part.trim_ascii().is_empty() {
            found.push((start + lead, end));
        }
        start = end + 1;
    }
    found
}
