//! What the server says of an advice's predicates and expressions, before anything is begun.
//!
//! Each is prepared as part of a SELECT and not run, so that a dry run finds what the run would trip over.

use dbopt_finding::Finding;
use dbopt_pg::{Error, Session};
use dbopt_sql::quote_ident;

use super::file::{Create, Entry, File};

/// The faults of an advice's predicates and expression keys.
///
/// # Errors
/// When the session ends.
pub(super) async fn faults(session: &Session, file: &File) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for entry in &file.advice.create {
        for (text, sql) in parts(entry) {
            match session.client().prepare(&sql).await.map_err(|error| session.error(error)) {
                Err(Error::Statement { message, .. }) => {
                    findings.push(Finding::error("not-an-expression", message).at(file.place(entry, text)));
                }
                Err(error @ Error::ConnectionLost { .. }) => return Err(error),
                // Who may not read the table may still be its owner's member in the run, and a lock passes.
                _ => {}
            }
        }
    }
    Ok(findings)
}

/// The texts of an entry that the server has to understand, each with a statement to prepare.
fn parts(entry: &Entry<Create>) -> Vec<(&str, String)> {
    let create = &entry.value;
    let table = format!("{}.{}", quote_ident(&create.schema), quote_ident(&create.table));
    let predicate = create.predicate.iter().map(|text| (text.as_str(), format!("SELECT FROM {table} WHERE ({text})")));
    // A column was looked up in the catalogue.
    let keys = create.keys.iter().filter(|key| key.contains('('));
    let keys = keys.filter(|key| !key.contains(" DESC") && !key.contains(" COLLATE ") && key.ends_with(')'));
    predicate.chain(keys.map(|text| (text.as_str(), format!("SELECT {text} FROM {table}")))).collect()
}
