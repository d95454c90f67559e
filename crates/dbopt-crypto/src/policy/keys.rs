//! The purposes of keys.

use std::time::Duration;

use dbopt_finding::Finding;
use dbopt_policy::{Fault, Table};
use jiff::{SignedDuration, Timestamp};

use super::EncryptionPolicy;
use crate::{KeyId, KeyKind, KeyState, Keyring};

/// What holds for the keys of a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// The purpose.
    pub purpose: KeyId,
    /// What new keys do.
    pub kind: KeyKind,
    /// After how much time a new key follows.
    pub rotate: Option<Duration>,
}

const DAY: Duration = Duration::from_secs(86_400);
/// NIST SP 800-57 part 1, section 5.3.6: keys that encrypt data are used for two years at most.
const SLOW: Duration = Duration::from_secs(2 * 366 * 86_400);

/// Reads the purposes.
pub(super) fn read(table: &Table<'_>) -> Vec<KeyRule> {
    let keys = table.named("key", "Keys of one purpose, which follow each other.", |name, key| {
        let kinds = KeyKind::ALL.map(|kind| (kind.name(), kind));
        let kind = key.choice(
            "algorithm",
            "What the keys do: encrypt by one of two ciphers, or make the terms of blind indexes.",
            &kinds,
        );
        let rotate: Option<Duration> = key.optional("rotate", "After how much time a new key follows.");
        let help = "Write a time such as `rotate = \"365d\"`.";
        match rotate {
            None if key.contains("rotate") => {}
            None => {
                let fault = Fault::new("no-rotation", "it is not said when a new key follows");
                key.warn("rotate", fault.help(help));
            }
            Some(rotate) if rotate < DAY => {
                let fault = Fault::new("out-of-range", "a new key would follow within a day");
                key.reject("rotate", fault.help("All values are sealed anew after each; write `365d`."));
            }
            Some(rotate) if rotate > SLOW => {
                let fault = Fault::new("slow-rotation", "a key is in use for more than two years");
                key.warn("rotate", fault.help(help));
            }
            Some(_) => {}
        }
        let Ok(purpose) = KeyId::new(name) else {
            // Only a document has names.
            key.reject("", Fault::new("bad-name", "a purpose is named by 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`"));
            return None;
        };
        let kind = if key.contains("algorithm") { kind? } else { KeyKind::Encrypt(crate::Algorithm::default()) };
        Some(KeyRule { purpose, kind, rotate })
    });
    keys.into_iter().map(|(_, key)| key).collect()
}

impl EncryptionPolicy {
    /// What is to be said of a key ring: keys that are missing or overdue, that other keys should follow, or that nothing
    /// needs any more. Needs no key-encryption key.
    #[must_use]
    pub fn review_keys(&self, keyring: &Keyring, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in &self.keys {
            let purpose = &rule.purpose;
            let Some(active) = keyring.active(purpose) else {
                let (message, verb) = match keyring.of(purpose).next() {
                    None => (format!("purpose `{purpose}` has no keys"), "new"),
                    Some(_) => (format!("purpose `{purpose}` has no active key"), "rotate"),
                };
                let finding = Finding::error("no-active-key", message);
                findings.push(finding.help(format!("Run `dbopt keys {verb} {purpose}`.")));
                continue;
            };
            let rotate_now = format!("Run `dbopt keys rotate {purpose}`.");
            if !active.kind.is_like(rule.kind) {
                let message = format!("keys of purpose `{purpose}` are of another kind than the policy says");
                findings.push(Finding::error("wrong-kind", message).help("Give the policy's keys another name."));
            } else if active.kind != rule.kind {
                let (is, should) = (active.kind.name(), rule.kind.name());
                let message = format!("the active key of purpose `{purpose}` is for `{is}`, not for `{should}`");
                findings.push(Finding::warning("other-algorithm", message).help(rotate_now.clone()));
            }
            let age = now.duration_since(active.created);
            let rotate = rule.rotate.and_then(|rotate| SignedDuration::try_from(rotate).ok());
            if let Some(rotate) = rotate.filter(|rotate| age >= *rotate) {
                let (days, most) = (age.as_hours() / 24, rotate.as_hours() / 24);
                let message =
                    format!("key {} of purpose `{purpose}` is {days} days old, and {most} are allowed", active.number);
                findings.push(Finding::warning("overdue-rotation", message).help(rotate_now));
            }
        }
        for (column, index) in self.columns.iter().flat_map(|column| column.indexes.iter().map(move |i| (column, i))) {
            let of = |version: u8| {
                let generation = u32::from(version);
                keyring
                    .of(&index.purpose)
                    .find(|key| key.generation == generation && key.state() != KeyState::Destroyed)
            };
            for version in index.versions().filter(|version| of(version.version).is_none()) {
                let message = format!(
                    "index `{}` of `{}` is of version {}, and purpose `{}` has no such key",
                    index.column,
                    column.name(),
                    version.version,
                    index.purpose
                );
                findings.push(Finding::error("no-index-key", message));
            }
            if let Some(key) = of(index.written.version).filter(|key| key.state() == KeyState::Retired) {
                let message = format!(
                    "index `{}` of `{}` is written with version {}, whose key is retired",
                    index.column,
                    column.name(),
                    key.generation
                );
                let help =
                    "Raise `version`, and list the one that was under `previous` until all rows are sealed anew.";
                findings.push(Finding::warning("old-index", message).help(help));
            }
        }
        for key in keyring.entries().iter().filter(|key| key.state() != KeyState::Destroyed) {
            if self.key(&key.purpose).is_none() {
                let message =
                    format!("key {} is of purpose `{}`, of which the policy says nothing", key.number, key.purpose);
                findings.push(Finding::note("unknown-purpose", message));
            }
        }
        findings
    }
}
