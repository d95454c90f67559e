//! The catalogue that advice is made against: from a session, a snapshot or DDL.

use dbopt_catalog::{Catalog, ddl, live, snapshot};
use dbopt_finding::Finding;
use dbopt_pg::Session;

use super::{Context, connect, read};
use crate::{exit::Exit, failure::Failure};

/// Reads the catalogue of a session's database.
pub(crate) async fn live(
    context: &Context,
    session: &Session,
    schemas: &[String],
) -> Result<(Catalog, Vec<Finding>), Failure> {
    let options = live::ReadOptions { schemas: schemas.to_vec(), ..live::ReadOptions::default() };
    connect::or_interrupted(context, live::read(session.client(), &options)).await?.map_err(|error| {
        let closed = session.is_closed();
        let failure = Failure::new(if closed { Exit::Connection } else { Exit::Partial }, error.to_string());
        if closed { failure.hint("the session ended while the catalogue was being read; try again") } else { failure }
    })
}

/// Reads a snapshot file.
pub(crate) fn snapshot(file: &str) -> Result<(Catalog, Vec<Finding>), Failure> {
    let (name, text) = read::text(file)?;
    match snapshot::read(&name, &text) {
        Ok(catalog) => Ok((catalog, Vec::new())),
        Err(findings) => Err(Failure::usage(format!("`{name}` cannot be used as a snapshot")).findings(findings)),
    }
}

/// Reads a file of DDL.
pub(crate) fn ddl(file: &str) -> Result<(Catalog, Vec<Finding>), Failure> {
    let (name, text) = read::text(file)?;
    let (catalog, findings) = ddl::read(&name, &text);
    if catalog.tables.is_empty() {
        return Err(Failure::usage(format!("`{name}` defines no table"))
            .findings(findings)
            .hint("give the output of `pg_dump --schema-only`, or any file with CREATE TABLE statements"));
    }
    Ok((catalog, findings))
}
