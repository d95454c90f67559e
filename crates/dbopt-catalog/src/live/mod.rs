//! A catalogue from a live session.
//!
//! Everything is read in one `REPEATABLE READ READ ONLY` transaction, so that the parts fit each other and nothing can
//! be changed. Any role will do: names, sizes and usage are open to everyone, and column statistics are shown by
//! `pg_stats` as far as the role may read the columns; what is hidden is reported. PostgreSQL 14 to 18.
//!
//! The functions take a `tokio_postgres::Client`, so that a service can use a session of its own pool.

mod columns;
mod constraints;
mod error;
mod extended;
mod indexes;
mod report;
mod schemas;
mod server;
mod session;
mod sizes;
mod statistics;
mod tables;

use dbopt_finding::Finding;
use tokio_postgres::Client;

pub use error::Error;

use crate::{Catalog, Quality};
use session::Session;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Patterns of the schemas to read, as `pg_dump -n` takes them; all schemas of users when empty.
    pub schemas: Vec<String>,
    /// Patterns of schemas to leave out, as `pg_dump -N` takes them.
    pub exclude_schemas: Vec<String>,
}

/// Reads the catalogue in a transaction of its own.
///
/// The session must not be in a transaction. When the future is dropped before it is done, the session is left in
/// this one, which can only read; roll it back or close the session.
///
/// # Errors
/// When the server refuses a query or the connection breaks.
pub async fn read(client: &Client, options: &ReadOptions) -> Result<(Catalog, Vec<Finding>), Error> {
    let session = Session::new(client);
    session.run("the start of the transaction", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let result = read_in_savepoint(&session, options).await;
    let end = session.run("the end of the transaction", "ROLLBACK").await;
    let result = result?;
    end.map(|()| result)
}

/// Reads the catalogue in the caller's transaction, which best is `REPEATABLE READ READ ONLY`, within a savepoint: the
/// settings of the session are as before when it returns, and the transaction is usable after an error too.
///
/// # Errors
/// When the server refuses a query or the connection breaks.
pub async fn read_in_transaction(client: &Client, options: &ReadOptions) -> Result<(Catalog, Vec<Finding>), Error> {
    read_in_savepoint(&Session::new(client), options).await
}

/// The server locks a table to print its expressions. When one is not to be had in time, the second attempt leaves
/// out what is locked, and says so.
async fn read_in_savepoint(session: &Session<'_>, options: &ReadOptions) -> Result<(Catalog, Vec<Finding>), Error> {
    let undo = "ROLLBACK TO SAVEPOINT dbopt_catalog; RELEASE SAVEPOINT dbopt_catalog";
    let mut without_locked = false;
    loop {
        session.run("a savepoint", "SAVEPOINT dbopt_catalog").await?;
        let result = read_all(session, options, without_locked).await;
        let end = session.run("the end of the savepoint", undo).await;
        match result {
            Err(error) if error.is_lock_timeout() && !without_locked => {
                end?;
                without_locked = true;
            }
            Err(error) => return Err(error),
            Ok(result) => return end.map(|()| result),
        }
    }
}

async fn read_all(
    session: &Session<'_>,
    options: &ReadOptions,
    without_locked: bool,
) -> Result<(Catalog, Vec<Finding>), Error> {
    let mut findings = Vec::new();
    let search_path = server::search_path(session).await?;
    session.query("the session's settings", include_str!("../queries/session.sql"), &[]).await?;
    let (server, database, role) = server::server(session).await?;
    let settings = server::settings(session, server.block_size).await?;
    let schemas = schemas::read(session, options, &mut findings).await?;
    let locked = if without_locked { tables::locked(session, &mut findings).await? } else { Vec::new() };

    let mut tables = tables::read(session, &schemas, &locked).await?;
    let hidden = columns::read(session, &mut tables).await?;
    let mut indexes = indexes::read(session, &tables).await?;
    constraints::read(session, &mut tables).await?;
    statistics::read(session, &mut tables, &mut indexes).await?;
    let without_values = extended::read(session, &mut tables).await?;
    sizes::read(session, &mut tables, &mut indexes, server.block_size, &mut findings).await?;
    tables::read_views(session, &mut tables, &mut findings).await?;

    let tables = indexes.put_into(tables);
    let quality = if tables.iter().any(|table| table.columns.iter().any(|column| column.statistics.is_some())) {
        Quality::Full
    } else {
        Quality::Defaults
    };
    let mut catalog = Catalog { server, settings, database, search_path, tables, quality };
    catalog.sort();
    sizes::sum_partitions(&mut catalog);
    findings.extend(hidden.findings(&role));
    findings.extend(report::findings(&catalog, &role, &without_values));
    Ok((catalog, findings))
}
