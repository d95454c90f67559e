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

/// What the catalogue says of the table of an archive. Each column of the other must be there, in this order, with this
/// type.
const TARGET: &str = "
    SELECT c.oid, pg_catalog.has_table_privilege(c.oid, 'INSERT') AS may_insert, c.relkind = 'r' AS is_plain, c.relpersistence = 'p' AS is_durable,
           (SELECT pg_catalog.min(t.tgname::text) FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 <> 0) AS trigger,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '3') AS has_rules,
           EXISTS (
               (SELECT pg_catalog.row_number() OVER (ORDER BY a.attnum), a.attname, a.atttypid, a.atttypmod
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped)
               EXCEPT
               (SELECT pg_catalog.row_number() OVER (ORDER BY a.attnum), a.attname, a.atttypid, a.atttypmod
                FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS is_misfit
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $2 AND c.relname = $3";

/// Why a table cannot be trusted to take the rows of another and keep them, if so; by a session that may have made it in
/// its transaction.
///
/// Only a plain, logged table without triggers and rules on INSERT keeps for certain what is put into it.
pub(super) async fn misfit(
    session: &dbopt_pg::Session,
    table: &TableRef,
    (schema, name): (&str, &str),
) -> Result<Option<String>, Error> {
    let rows = session.query(TARGET, &[&table.oid, &schema, &name]).await?;
    let Some(row) = rows.first() else {
        return Ok(Some(format!("the archive `{schema}.{name}` is not there")));
    };
    let trigger: Option<String> = row.get("trigger");
    let why = if row.get::<_, u32>("oid") == table.oid {
        "is the table itself".to_owned()
    } else if !row.get::<_, bool>("is_plain") {
        "is not a plain table".to_owned()
    } else if !row.get::<_, bool>("is_durable") {
        "is not logged, so that a crash of the server would empty it".to_owned()
    } else if let Some(trigger) = trigger {
        format!("has the trigger `{trigger}`, so it is not certain that it keeps what is put into it")
    } else if row.get("has_rules") {
        "has a rule, so it is not certain that it keeps what is put into it".to_owned()
    } else if !row.get::<_, bool>("may_insert") {
        "takes no rows from this role, which has no INSERT on it".to_owned()
    } else if row.get("is_misfit") {
        "has not the same columns in the same order".to_owned()
    } else {
        return Ok(None);
    };
    Ok(Some(format!("the archive `{schema}.{name}` {why}")))
}

/// The same before it is made: where there is no table yet, whether this role can make it.
pub(super) async fn unfit(
    session: &dbopt_pg::Session,
    table: &TableRef,
    (schema, name): (&str, &str),
) -> Result<Option<String>, Error> {
    let rows = session.query(PLACE, &[&schema, &name]).await?;
    let why = match rows.first().map(|row| (row.get::<_, bool>("is_there"), row.get::<_, bool>("may_create"))) {
        None => "has no schema to be made in",
        Some((true, _)) => return misfit(session, table, (schema, name)).await,
        Some((false, false)) => "is not there, and this role may not create it in that schema",
        Some((false, true)) => return Ok(None),
    };
    Ok(Some(format!("the archive `{schema}.{name}` {why}")))
}

/// The schema of an archive.
const PLACE: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = $2) AS is_there,
           pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS may_create
    FROM pg_catalog.pg_namespace n WHERE n.nspname = $1";

/// Why nothing may go, when not all that left has arrived.
pub(super) fn lost(gone: u64, kept: u64) -> Option<String> {
    (gone != kept).then(|| format!("of {gone} rows {kept} arrived in the archive, so none of them went"))
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
