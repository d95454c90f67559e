//! `dbopt keys new`, `rotate`, `retire` and `rewrap`: a change is read, decided, recorded and written under one lock.

use dbopt_crypto::{
    EncryptionPolicy, KeyId, KeyNumber, KeyRule, Keyring, KeyringFile, LockedKeyring, NewKey, Providers,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{file, locked_up, policy, print, record::Recorder, refused, source, unmade, unread};
use crate::{
    cli::keys::{KeysNew, KeysOf, KeysRecord, KeysRetire, KeysRewrap, KeysRotate},
    commands::Context,
    exit::Exit,
    failure::Failure,
    view::keys::KeysView,
};

/// A key ring that nobody else changes, and what the change is about.
struct Change<'a> {
    context: &'a Context,
    of: &'a KeysOf,
    record: &'a KeysRecord,
    policy: EncryptionPolicy,
    locked: LockedKeyring,
    now: Timestamp,
}

impl<'a> Change<'a> {
    fn begin(context: &'a Context, of: &'a KeysOf, record: &'a KeysRecord, secrets: bool) -> Result<Self, Failure> {
        let policy = policy(context, of, secrets)?;
        let locked = policy.keyring_file().lock().map_err(file)?;
        Ok(Self { context, of, record, policy, locked, now: Timestamp::now() })
    }

    fn read(&self) -> Result<Keyring, Failure> {
        self.locked.read().map_err(|error| unread(error, &self.policy))
    }

    fn provider(&self) -> Result<Providers, Failure> {
        self.policy.provider().map_err(source)
    }

    fn rule(&self, purpose: &KeyId) -> Result<&KeyRule, Failure> {
        self.policy.key(purpose).ok_or_else(|| {
            let names = self.policy.keys.iter().map(|key| key.purpose.as_str());
            let failure = Failure::usage(format!("the policy has no key `{purpose}`"));
            match dbopt_policy::suggest(purpose.as_str(), names) {
                Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
                None => failure.hint(format!("begin one in the policy with `[key.{purpose}]`")),
            }
        })
    }

    /// Records the change, writes the ring, and prints what it holds now.
    fn end(
        self,
        action: &str,
        details: Map<String, Value>,
        ring: &Keyring,
        changed: &[KeyNumber],
    ) -> Result<Exit, Failure> {
        let file_of = self.policy.keyring_file();
        let write = || self.locked.replace(ring).map_err(file);
        match Recorder::open(self.context, self.record)? {
            Some(recorder) => recorder.around(action, about(&file_of, ring, details), write)?,
            None => write()?,
        }
        print(self.context, self.of, &KeysView::new(file_of.path(), ring, changed))?;
        Ok(Exit::Done)
    }
}

/// What every record of a change of keys says: which ring, and what of it.
pub(super) fn about(file: &KeyringFile, ring: &Keyring, mut details: Map<String, Value>) -> Map<String, Value> {
    details.insert("ring".to_owned(), ring.name().as_str().into());
    details.insert("file".to_owned(), file.path().display().to_string().into());
    details
}

/// Makes the first keys of purposes.
pub(super) fn new(context: &Context, args: &KeysNew) -> Result<Exit, Failure> {
    let change = Change::begin(context, &args.of, &args.record, true)?;
    let mut ring = match change.locked.read() {
        Ok(ring) => {
            if let Some(name) = args.ring.as_ref().filter(|name| *name != ring.name()) {
                return Err(Failure::usage(format!(
                    "the key ring is there already, and its name is `{}`, not `{name}`",
                    ring.name()
                )));
            }
            ring
        }
        Err(error) if error.is_missing() => Keyring::new(name(args.ring.as_ref(), &change.policy)?),
        Err(error) => return Err(file(error)),
    };
    let mut rules: Vec<&KeyRule> =
        args.purposes.iter().map(|purpose| change.rule(purpose)).collect::<Result<_, Failure>>()?;
    if args.purposes.is_empty() {
        rules = change.policy.keys.iter().filter(|rule| ring.of(&rule.purpose).next().is_none()).collect();
    }
    if rules.is_empty() {
        return Err(Failure::usage("each purpose of the policy has keys already").hint("rotate one to get a new key"));
    }
    let (provider, mut made) = (change.provider()?, Vec::new());
    for rule in rules {
        let place = ring.place(rule.purpose.clone(), rule.kind);
        made.push((place.number, rule.purpose.clone()));
        let key = NewKey::make(place, &provider).map_err(unmade)?;
        ring = ring.with_new(key, change.now).map_err(refused)?;
    }
    let (details, numbers) = told(&made);
    change.end("keys.new", details, &ring, &numbers)
}

/// The name of a new key ring.
fn name(given: Option<&KeyId>, policy: &EncryptionPolicy) -> Result<KeyId, Failure> {
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let stem = policy.keyring.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    KeyId::new(stem).map_err(|error| {
        Failure::usage(format!("the file `{}` gives its key ring no name: {error}", policy.keyring.display()))
            .hint("name it with `--ring NAME`")
    })
}

/// Makes keys that follow others.
pub(super) fn rotate(context: &Context, args: &KeysRotate) -> Result<Exit, Failure> {
    let change = Change::begin(context, &args.of, &args.record, true)?;
    let mut ring = change.read()?;
    let mut rules: Vec<&KeyRule> =
        args.purposes.iter().map(|purpose| change.rule(purpose)).collect::<Result<_, Failure>>()?;
    if args.due {
        rules = change.policy.keys.iter().filter(|rule| is_due(rule, &ring, change.now)).collect();
        if rules.is_empty() {
            print(context, &args.of, &KeysView::new(&change.policy.keyring, &ring, &[]))?;
            return Ok(Exit::Done);
        }
    }
    let (provider, mut made) = (change.provider()?, Vec::new());
    for rule in rules {
        let place = ring.place(rule.purpose.clone(), rule.kind);
        made.push((place.number, rule.purpose.clone()));
        let key = NewKey::make(place, &provider).map_err(unmade)?;
        ring = ring.rotated(key, change.now).map_err(refused)?;
    }
    let (details, numbers) = told(&made);
    change.end("keys.rotate", details, &ring, &numbers)
}

/// Whether a purpose's key is as old as the policy allows.
fn is_due(rule: &KeyRule, ring: &Keyring, now: Timestamp) -> bool {
    let rotate = rule.rotate.and_then(|rotate| SignedDuration::try_from(rotate).ok());
    rotate.zip(ring.active(&rule.purpose)).is_some_and(|(rotate, key)| now.duration_since(key.created) >= rotate)
}

/// Retires a key.
pub(super) fn retire(context: &Context, args: &KeysRetire) -> Result<Exit, Failure> {
    let change = Change::begin(context, &args.of, &args.record, false)?;
    let before = change.read()?;
    let ring = before.with_retired(args.number, change.now).map_err(refused)?;
    let purpose = ring.entry(args.number).map(|entry| (entry.number, entry.purpose.clone()));
    let (details, numbers) = told(purpose.as_slice());
    change.end("keys.retire", details, &ring, &numbers)
}

/// Wraps all keys by the current key-encryption key.
pub(super) fn rewrap(context: &Context, args: &KeysRewrap) -> Result<Exit, Failure> {
    let change = Change::begin(context, &args.of, &args.record, true)?;
    let before = change.read()?;
    let (ring, _) = before.rewrapped(&change.provider()?).map_err(locked_up)?;
    let pairs = before.entries().iter().zip(ring.entries());
    let changed: Vec<_> =
        pairs.filter(|(old, new)| old != new).map(|(_, new)| (new.number, new.purpose.clone())).collect();
    if changed.is_empty() {
        print(context, &args.of, &KeysView::new(&change.policy.keyring, &ring, &[]))?;
        return Ok(Exit::Done);
    }
    let (mut details, numbers) = told(&changed);
    details.insert("kek".to_owned(), json!(change.policy.keks.first().map(|kek| kek.name.as_str())));
    change.end("keys.rewrap", details, &ring, &numbers)
}

/// Keys as a record tells of them, and their numbers.
fn told(keys: &[(KeyNumber, KeyId)]) -> (Map<String, Value>, Vec<KeyNumber>) {
    let list: Vec<Value> =
        keys.iter().map(|(number, purpose)| json!({ "number": number.get(), "purpose": purpose.as_str() })).collect();
    let details = Map::from_iter([("keys".to_owned(), Value::Array(list))]);
    (details, keys.iter().map(|(number, _)| *number).collect())
}
