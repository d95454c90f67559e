//! Does a text begin like a statement?

use crate::lex;

/// The first words of PostgreSQL's commands, sorted (<https://www.postgresql.org/docs/current/sql-commands.html>).
const COMMANDS: &[&str] = &[
    "abort",
    "alter",
    "analyse",
    "analyze",
    "begin",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "do",
    "drop",
    "end",
    "execute",
    "explain",
    "fetch",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "repack",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "select",
    "set",
    "show",
    "start",
    "table",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
    "values",
    "wait",
    "with",
];

/// Whether the first word of a text is one that a command of PostgreSQL begins with. What begins otherwise is no SQL;
/// what begins so may still be none.
#[must_use]
pub fn begins_command(text: &str) -> bool {
    let mut words = lex(text.as_bytes()).map(|token| &text.as_bytes()[token.start..token.end]);
    let first = words.find(|word| *word != b"(");
    first.is_some_and(|first| {
        COMMANDS.binary_search_by(|command| command.as_bytes().cmp(&first.to_ascii_lowercase())).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_and_known_in_any_case() {
        assert!(COMMANDS.is_sorted());
        for text in ["select 1", "-- x\n Select 1", "/* a */ ((values (1)))", "VACUUM t"] {
            assert!(begins_command(text), "{text}");
        }
        for text in ["", "selec 1", "this is no SQL", "\"select\" 1", "é", "((", "'select'"] {
            assert!(!begins_command(text), "{text}");
        }
    }
}
