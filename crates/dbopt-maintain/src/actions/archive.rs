//! Where rows are put before they go.
//!
//! Into a table they move in the transaction that deletes them. A file of this machine is made durable before that
//! transaction is committed: a kill in between leaves rows in the file that are in the table as well, and the next run
//! writes them again, so that a row may be there twice and is never lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dbopt_run::{Error, Hands};

use crate::facts::Moment;
use crate::object::TableRef;
use crate::plan::Archived;

/// Why the table of an archive cannot take the rows of a table, if it cannot: each column must be there, in this order,
/// with this type.
const MISFIT: &str = "
    SELECT EXISTS (
        (SELECT pg_catalog.row_number() OVER (ORDER BY a.attnum), a.attname, a.atttypid, a.atttypmod
         FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped)
        EXCEPT
        (SELECT pg_catalog.row_number() OVER (ORDER BY a.attnum), a.attname, a.atttypid, a.atttypmod
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $2 AND c.relname = $3 AND a.attnum > 0 AND NOT a.attisdropped))";

/// Looks whether a table can take the rows; why not, if so.
pub(super) async fn misfit(
    hands: &Hands<'_>,
    table: &TableRef,
    archive: (&str, &str),
) -> Result<Option<String>, Error> {
    misfit_in(hands.control, table, archive).await
}

/// The same, by a session that may have made it in its transaction.
pub(super) async fn misfit_in(
    session: &dbopt_pg::Session,
    table: &TableRef,
    (schema, name): (&str, &str),
) -> Result<Option<String>, Error> {
    let rows = session.query(MISFIT, &[&table.oid, &schema, &name]).await?;
    let is_misfit = rows.first().is_none_or(|row| row.get(0));
    Ok(is_misfit.then(|| format!("the archive `{schema}.{name}` has not the same columns in the same order")))
}

/// Why rows could not be put into a file.
#[derive(Debug)]
pub(super) enum Refused {
    /// The server could not.
    Server(dbopt_pg::Error),
    /// The file could not.
    File(String),
}

/// A file of rows as `COPY … TO` writes them, for `COPY … FROM`.
#[derive(Debug)]
pub(super) struct ArchiveFile {
    path: PathBuf,
    file: File,
}

impl ArchiveFile {
    /// Makes the file of a run; only this user can read it.
    pub(super) fn create(folder: &Path, table: &TableRef, cutoff: Moment, run: i64) -> io::Result<Self> {
        let plain = |name: &str| name.replace(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'), "_");
        let (Moment::Instant(micros) | Moment::Civil(micros)) = cutoff;
        let day = jiff::Timestamp::from_microsecond(micros)
            .map_or_else(|_| "0".to_owned(), |at| at.strftime("%Y%m%d").to_string());
        let name = format!("{}.{}.{}.before-{day}.run{run}.copy", plain(&table.schema), plain(&table.name), table.oid);
        let path = folder.join(name);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        // The folder's entry has to be durable as well.
        File::open(folder)?.sync_all()?;
        Ok(Self { path, file })
    }

    /// Runs a `COPY … TO STDOUT` on the working session, in its transaction, and makes its rows durable; how many there were.
    pub(super) async fn take(&mut self, hands: &Hands<'_>, statement: &str) -> Result<Result<u64, Refused>, Error> {
        let before = self.file.metadata().map(|metadata| metadata.len());
        let taken = self.copy(hands, statement).await?;
        if let (Err(_), Ok(before)) = (&taken, before) {
            // The rows stay where they are; were the file not cut, they would only be there twice.
            let _ = self.file.set_len(before);
        }
        Ok(taken)
    }

    async fn copy(&mut self, hands: &Hands<'_>, statement: &str) -> Result<Result<u64, Refused>, Error> {
        use futures_util::StreamExt as _;
        let broken = |error: tokio_postgres::Error| match hands.work.error(error) {
            dbopt_pg::Error::ConnectionLost { .. } => Err(Error::LockLost),
            other => Ok(Err(Refused::Server(other))),
        };
        let mut rows = 0;
        let mut fault: Option<io::Error> = None;
        let stream = match hands.work.client().copy_out(statement).await {
            Ok(stream) => stream,
            Err(error) => return broken(error),
        };
        tokio::pin!(stream);
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(bytes) if fault.is_none() => {
                    // The server sends one row at a time.
                    rows += 1;
                    fault = self.file.write_all(&bytes).err();
                }
                Ok(_) => {}
                Err(error) => return broken(error),
            }
        }
        let fault = fault.or_else(|| self.file.sync_all().err());
        Ok(match fault {
            Some(fault) => Err(Refused::File(format!("`{}` cannot be written: {fault}", self.path.display()))),
            None => Ok(rows),
        })
    }
}

/// The file of an archive, when it is one.
pub(super) fn file(
    hands: &Hands<'_>,
    archive: Option<&Archived>,
    table: &TableRef,
    cutoff: Moment,
) -> Result<Option<ArchiveFile>, String> {
    let Some(Archived::Folder(folder)) = archive else { return Ok(None) };
    let opened = ArchiveFile::create(folder, table, cutoff, hands.journal.run());
    opened.map(Some).map_err(|error| format!("no archive can be written in `{}`: {error}", folder.display()))
}
