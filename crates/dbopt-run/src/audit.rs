//! The audit record of a run: one record when a change begins, and one when it has ended.
//!
//! The first is committed together with the journal entry and before the statement is sent; the second together with the
//! history's row. So a change that began and has no end belongs to a run that died, and the next run's repair says what
//! became of it. A record holds names, numbers and the statement, and no server message, because a message may quote
//! rows; the reason of an outcome is in `dbopt.history`, by the number of the run.

use dbopt_audit::{Entry, actor, append_in};
use dbopt_pg::Session;
use serde_json::{Map, Value, json};

use crate::error::Error;

/// More of a statement is not recorded; escaped it is still below what a record may hold.
const MOST_STATEMENT: usize = 8 << 10;

/// Who acts, and whether it may be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    /// The role.
    actor: String,
    /// The first word of each action.
    command: String,
    /// Whether the role may append.
    is_kept: bool,
}

/// What a record is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) run: i64,
    pub(crate) kind: &'a str,
    pub(crate) schema: &'a str,
    pub(crate) object: &'a str,
}

impl Audit {
    /// Looks whether the role may append records.
    ///
    /// # Errors
    /// [`Error::Unaudited`] when it may not and must, or when the session fails.
    pub(crate) async fn open(control: &Session, command: &str, is_required: bool) -> Result<Self, Error> {
        let sql = "SELECT current_user::text, pg_catalog.quote_ident(current_user), coalesce( \
                       (SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                               AND pg_catalog.has_table_privilege(c.oid, 'INSERT') \
                        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                        WHERE n.nspname = 'dbopt' AND c.relname = 'audit_record'), false)";
        let rows = control.query(sql, &[]).await?;
        let Some(row) = rows.first() else { return Err(Error::Unaudited { grant: grant("dbopt_runner") }) };
        let is_kept: bool = row.get(2);
        if is_required && !is_kept {
            return Err(Error::Unaudited { grant: grant(row.get(1)) });
        }
        Ok(Self { actor: actor(row.get(0)), command: command.to_owned(), is_kept })
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Records that a change begins; the number of the record, when there is one. In the session's transaction.
    pub(crate) async fn begun(
        &self,
        control: &Session,
        change: Change<'_>,
        statement: &str,
    ) -> Result<Option<u64>, Error> {
        let mut details = details(change, "begun");
        let begin = beginning(statement);
        details.insert("statement".to_owned(), json!(begin));
        if begin.len() < statement.len() {
            details.insert("statement_bytes".to_owned(), json!(statement.len()));
        }
        self.append(control, change.kind, &details).await
    }

    /// Records how a change has ended. In the session's transaction.
    pub(crate) async fn ended(
        &self,
        control: &Session,
        change: Change<'_>,
        outcome: &str,
        more: &[(&str, Value)],
    ) -> Result<(), Error> {
        let mut details = details(change, "ended");
        details.insert("outcome".to_owned(), json!(outcome));
        details.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.append(control, change.kind, &details).await?;
        Ok(())
    }

    async fn append(&self, control: &Session, kind: &str, details: &Map<String, Value>) -> Result<Option<u64>, Error> {
        if !self.is_kept {
            return Ok(None);
        }
        let entry = Entry::new(&self.actor, &format!("{}.{kind}", self.command), details)?;
        match append_in(control.client(), &entry).await {
            Ok(record) => Ok(Some(record.sequence)),
            Err(dbopt_audit::Error::Statement(error)) => Err(control.error(error).into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The statement that lets a role append; `role` is quoted.
pub(crate) fn grant(role: &str) -> String {
    format!("GRANT SELECT, INSERT ON dbopt.audit_record TO {role};")
}

/// As much of a statement as is recorded.
fn beginning(statement: &str) -> &str {
    let most = MOST_STATEMENT.min(statement.len());
    let end = (0..=most).rev().find(|at| statement.is_char_boundary(*at)).unwrap_or(0);
    &statement[..end]
}

fn details(change: Change<'_>, stage: &str) -> Map<String, Value> {
    let Change { run, schema, object, .. } = change;
    [("run", json!(run)), ("stage", json!(stage)), ("schema", json!(schema)), ("object", json!(object))]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_statement_is_cut_between_characters_and_fits_a_record() {
        assert_eq!(beginning("CREATE"), "CREATE");
        let long = format!("x{}", "ü".repeat(MOST_STATEMENT));
        assert_eq!(beginning(&long).len(), MOST_STATEMENT - 1);
        // The longest that escaping can make of it.
        let change =
            Change { run: i64::MAX, kind: "create-index", schema: &"s".repeat(63), object: &"\u{1}".repeat(63) };
        let mut details = details(change, "begun");
        details.insert("statement".to_owned(), json!(beginning(&"\u{1}".repeat(MOST_STATEMENT))));
        assert!(Entry::new("role", "apply.create-index", &details).is_ok());
    }
}
