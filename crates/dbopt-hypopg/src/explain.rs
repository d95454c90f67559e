//! How one statement is put to EXPLAIN.

use dbopt_sql::{TokenKind, lex, split};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// The statements that give a query's plan, in order, and what clears up after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    before: Option<String>,
    explain: String,
    after: Option<&'static str>,
}

const PREPARED: &str = "dbopt_what_if";

/// PostgreSQL 16, which has `EXPLAIN (GENERIC_PLAN)`.
const HAS_GENERIC_PLAN: u32 = 160_000;

impl Explanation {
    /// How to explain a text; an error says why it cannot be explained.
    ///
    /// Parameters without values get the generic plan: from PostgreSQL 16 on EXPLAIN makes it, before that a prepared
    /// statement does, which is prepared anew each time since its plan would outlive a change of hypothetical indexes.
    pub(crate) fn of(sql: &str, server_version_num: u32) -> Result<Self, &'static str> {
        let split = split(sql);
        let [span] = split.statements.as_slice() else {
            return Err("the text is not exactly one statement");
        };
        if !split.skipped.is_empty() {
            return Err("the text holds psql commands");
        }
        let statement = &sql[span.start..span.end];
        let parameters = lex(statement.as_bytes())
            .filter(|token| token.kind == TokenKind::Param)
            .map(|token| statement[token.start + 1..token.end].parse::<u16>().unwrap_or(u16::MAX))
            .max()
            .unwrap_or(0);
        let leading = lex(statement.as_bytes())
            .find(|token| matches!(token.kind, TokenKind::Word))
            .map(|token| statement[token.start..token.end].to_lowercase());
        // EXPLAIN takes CREATE TABLE AS, EXECUTE and others too, which a workload's queries are not.
        if !matches!(
            leading.as_deref(),
            Some("select" | "with" | "insert" | "update" | "delete" | "merge" | "values" | "table")
        ) {
            return Err("EXPLAIN does not take such a statement");
        }
        Ok(if parameters == 0 {
            Self { before: None, explain: format!("EXPLAIN (FORMAT JSON, VERBOSE) {statement}"), after: None }
        } else if server_version_num >= HAS_GENERIC_PLAN {
            Self {
                before: None,
                explain: format!("EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) {statement}"),
                after: None,
            }
        } else {
            let nulls = vec!["NULL"; usize::from(parameters)].join(", ");
            Self {
                before: Some(format!("PREPARE {PREPARED} AS {statement}")),
                explain: format!("EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {PREPARED} ({nulls})"),
                after: Some("DEALLOCATE dbopt_what_if"),
            }
        })
    }

    /// The plan as JSON.
    pub(crate) async fn run(&self, client: &Client) -> Result<String, Error> {
        if let Some(before) = &self.before {
            one(client, before).await?;
        }
        let plan = one(client, &self.explain).await;
        if let (Some(after), Ok(_)) = (self.after, &plan) {
            one(client, after).await?;
        }
        plan
    }

    /// Clears up after a run that failed; there may be nothing to clear.
    pub(crate) fn cleanup(&self) -> Option<&'static str> {
        self.after
    }
}

/// Runs one statement by the simple protocol, in which GENERIC_PLAN may have parameters without values, and joins the rows
/// of its first column.
async fn one(client: &Client, sql: &str) -> Result<String, Error> {
    let messages = client.simple_query(sql).await?;
    let lines = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_decide_the_form() {
        let plain = Explanation::of("SELECT 1;", 150_000).expect("one statement");
        assert_eq!(plain.explain, "EXPLAIN (FORMAT JSON, VERBOSE) SELECT 1");
        let new = Explanation::of("SELECT $2", 160_000).expect("one statement");
        assert_eq!(new.explain, "EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) SELECT $2");
        let old = Explanation::of("SELECT $2, '$9'", 150_000).expect("one statement");
        assert_eq!(old.before.as_deref(), Some("PREPARE dbopt_what_if AS SELECT $2, '$9'"));
        assert_eq!(old.explain, "EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE dbopt_what_if (NULL, NULL)");
    }

    #[test]
    fn only_one_plannable_statement_is_taken() {
        for refused in ["", "SELECT 1; DROP TABLE t", "DROP TABLE t", "CREATE TABLE t AS SELECT 1", "\\! ls"] {
            assert!(Explanation::of(refused, 150_000).is_err(), "{refused}");
        }
        assert!(Explanation::of("/* a; b */ WITH x AS (SELECT ';') SELECT * FROM x ;", 150_000).is_ok());
        assert!(Explanation::of("(SELECT 1) UNION (SELECT 2)", 150_000).is_ok());
    }
}
