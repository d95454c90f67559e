//! The audit record of a change of keys: one record before the key ring is written, and one afterwards.

use dbopt_audit::Entry;
use serde_json::{Map, Value, json};

use crate::{
    cli::keys::KeysRecord,
    commands::{Context, audit, connect},
    exit::Exit,
    failure::Failure,
};

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
        let entry = |actor: &str| Entry::new(actor, action, &details);
        let to = audit::record(self.context, self.record.audit.as_deref(), &self.record.connection, entry);
        connect::block_on(to)
    }
}
