//! Values that are erased by destroying the key of the person that sealed them.

use std::collections::BTreeSet;

use dbopt_crypto::{KeyNumber, SubjectTable, SubjectTableError};
use dbopt_finding::Finding;
use dbopt_sql::quote_ident;
use tokio_postgres::Transaction;

use super::Erasure;
use crate::{
    plan::{Plan, SEALED, SealedBy},
    policy::ColumnErase,
    walk::{Error, failed},
};

/// The numbers of the keys that are to be destroyed, as far as they are there.
pub(super) async fn numbers(
    erasure: &Erasure<'_>,
    transaction: &Transaction<'_>,
) -> Result<BTreeSet<KeyNumber>, Error> {
    let mut numbers = BTreeSet::new();
    for key in erasure.keys {
        let number = SubjectTable::number(transaction, &key.purpose, &key.subject).await;
        numbers.extend(number.map_err(|error| match error {
            SubjectTableError::Database(error) => failed("the keys of persons", &error),
            other => Error::Query { what: "the keys of persons".to_owned(), said: other.to_string(), code: None },
        })?);
    }
    Ok(numbers)
}

/// What speaks against a plan with these keys: values that stay readable, and values that are to be kept and would not.
pub(super) fn findings(erasure: &Erasure<'_>, plan: &Plan, numbers: &BTreeSet<KeyNumber>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for sealed in &plan.sealed {
        let SealedBy::Key(number, purpose) = &sealed.by else { continue };
        let column = format!("{}.{}", erasure.graph.node(sealed.table).table, quote_ident(&sealed.column));
        findings.push(if numbers.contains(number) {
            let message =
                format!("{} values of `{column}` go with the person's key of purpose `{purpose}`", sealed.rows);
            Finding::note(SEALED, message)
        } else {
            let message = format!(
                "{} values of `{column}` would stay readable: the key of purpose `{purpose}` that they are under is not \
                 among those that are destroyed",
                sealed.rows
            );
            let help = "Name its purpose by `--destroy-key`. When it was named, the values are under another person's key.";
            Finding::error(SEALED, message).help(help)
        });
    }
    if erasure.keys.is_empty() {
        return findings;
    }
    for kept in &plan.kept {
        let table = &erasure.graph.node(kept.table).table;
        let columns = erasure.policy.table(table).map(|rule| &*rule.columns).unwrap_or_default();
        let is_lost = |(name, column): &(String, crate::ColumnRule)| {
            column.erase == ColumnErase::Encrypt && kept.column.as_ref().is_none_or(|kept| kept == name)
        };
        if columns.iter().any(is_lost) {
            let message = format!(
                "{} rows of `{table}` are to be kept ({}), and would be lost with the key",
                kept.rows, kept.why
            );
            let help = "Destroy the key when nothing keeps them any more.";
            findings.push(Finding::error("kept-sealed", message).help(help));
        }
    }
    findings
}

/// Destroys the keys; how many.
pub(super) async fn destroy(
    erasure: &Erasure<'_>,
    transaction: &Transaction<'_>,
    numbers: &BTreeSet<KeyNumber>,
) -> Result<u64, SubjectTableError> {
    let mut destroyed = 0;
    for key in erasure.keys {
        let number = SubjectTable::erase(transaction, &key.purpose, &key.subject).await?;
        // One that was made in between has sealed nothing that was looked at.
        destroyed += u64::from(number.is_some_and(|number| numbers.contains(&number)));
    }
    Ok(destroyed)
}
