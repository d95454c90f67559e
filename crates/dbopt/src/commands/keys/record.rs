//! The audit record of a change of keys: one record before the key ring is written, and one afterwards.

use dbopt_audit::{Entry, Error, FileStore, PostgresStore, Store as _};
use dbopt_pg::SessionProfile;
use serde_json::{Map, Value, json};

use crate::{
    cli::keys::KeysRecord,
    commands::{Context, audit, connect, migrate},
    exit::Exit,
    failure::Failure,
};

/// The migration that makes the table of records.
const MIGRATION: u32 = 2;

/// Where records go, and in whose name.
pub(super) struct Recorder<'a> {
    context: &'a Context,
    record: &'a KeysRecord,
}

impl<'a> Recorder<'a> {
    /// None when neither a file nor a database was named.
    pub(super) fn open(context: &'a Context, record: &'a KeysRecord) -> Result<Option<Self>, Failure> {
        Ok((record.audit.is_some() || record.connection.is_given()).then_some(Self { context, record }))
    }

    /// Records that something begins, does it, and records how it has ended. Nothing is done that is not recorded first.
    pub(super) fn around(
        &self,
        action: &str,
        details: Map<String, Value>,
        change: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let with = |stage: &str, more: Map<String, Value>| {
            let mut details = details.clone();
            details.insert("stage".to_owned(), stage.into());
            details.extend(more);
            details
        };
        let begun = self.append(action, with("begun", Map::new()))?;
        let changed = change();
        let outcome = if changed.is_ok() { "done" } else { "failed" };
        let more = Map::from_iter([("outcome".to_owned(), outcome.into()), ("begun".to_owned(), json!(begun))]);
        let ended = self.append(action, with("ended", more));
        changed?;
        ended.map(|_| ()).map_err(|failure| {
            let message = format!("it was done, but that could not be recorded: {}", failure.message);
            Failure::new(Exit::Partial, message)
        })
    }

    /// Appends a record, and makes it durable; its number.
    fn append(&self, action: &str, details: Map<String, Value>) -> Result<u64, Failure> {
        connect::block_on(async {
            if let Some(file) = &self.record.audit {
                let actor = format!("uid:{}", rustix::process::getuid().as_raw());
                let entry = Entry::new(&actor, action, &details).map_err(audit::failure)?;
                return Ok(FileStore::new(file).append(&entry).await.map_err(audit::failure)?.sequence);
            }
            let connection = &self.record.connection;
            let profile =
                SessionProfile { read_only: false, search_path: Some(Vec::new()), ..SessionProfile::reading() };
            let session = connect::open_as(self.context, connection, &profile).await?;
            if session.in_recovery() {
                return Err(Failure::usage(
                    "the server is a standby, where nothing can be recorded, and nothing was done",
                )
                .hint("connect to the primary"));
            }
            migrate::require(&session, MIGRATION, connection).await?;
            let rows = session.query("SELECT current_user::text", &[]).await.map_err(connect::failure)?;
            // A role may have any name, and a record may not hold control characters there.
            let actor: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
            let entry = Entry::new(&actor.replace(char::is_control, "\u{fffd}"), action, &details);
            let mut store = PostgresStore::new(session);
            let appended: Result<_, Error> = store.append(&entry.map_err(audit::failure)?).await;
            Ok(appended.map_err(audit::failure)?.sequence)
        })
    }
}
