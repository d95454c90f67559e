//! What this crate asks of SQL, in one place.

use crate::model::StatementKind;

pub(crate) use dbopt_sql::fingerprint;

/// The statement with its constants as parameters.
pub(crate) fn normalize(text: &str) -> String {
    dbopt_sql::normalize(text.as_bytes())
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
