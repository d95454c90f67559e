//! `dbopt keys destroy`: the one change that cannot be taken back, so it asks twice, and is recorded before it is done.

use std::io::{BufRead as _, Write as _};

use dbopt_crypto::{EncryptionPolicy, KeyKind, KeyNumber, KeyState, KeyStore, KeyringEntry};
use jiff::Timestamp;
use serde_json::{Map, json};

use super::{change, file, person, policy, print, record::Recorder, refused, status, unread};
use crate::{
    cli::keys::KeysDestroy,
    commands::{Context, secret},
    exit::Exit,
    failure::Failure,
    view::keys::KeysView,
};

/// Destroys a key of the ring, or of a person.
pub(super) fn run(context: &Context, args: &KeysDestroy) -> Result<Exit, Failure> {
    match (&args.subject, args.number) {
        (Some(subject), _) => person::run(context, args, subject),
        (None, Some(number)) => of_ring(context, args, number),
        (None, None) => Err(Failure::usage("it is not said which key")),
    }
}

fn of_ring(context: &Context, args: &KeysDestroy, number: KeyNumber) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of, false)?;
    let recorder = Recorder::open(context, &args.record)?.ok_or_else(|| {
        Failure::usage("a key is not destroyed without a record of it")
            .hint("name the database whose audit record is kept, with `-d`, or a file, with `--audit`")
    })?;
    let locked = policy.keyring_file().lock().map_err(file)?;
    let before = locked.read().map_err(|error| unread(error, &policy))?;
    let ring = before.with_destroyed(number, Timestamp::now()).map_err(refused)?;
    let entry = before.entry(number).ok_or_else(Failure::internal)?;
    refuse_fresh(args, entry, Timestamp::now())?;
    let lost = lost(context, args, &policy, entry)?;
    confirm(args, entry, lost)?;
    let details = json!({ "number": entry.number.get(), "purpose": entry.purpose.as_str(), "values": lost });
    let details = details.as_object().cloned().unwrap_or_else(Map::new);
    let details = change::about(&policy.keyring_file(), &ring, details);
    recorder.around("keys.destroy", details, || locked.replace(&ring).map_err(file))?;
    print(context, &args.of, &KeysView::new(&policy.keyring, &ring, &[entry.number]))?;
    Ok(Exit::Done)
}

/// Refuses a key that services may still seal by, because they have not read the ring since it was retired.
fn refuse_fresh(args: &KeysDestroy, entry: &KeyringEntry, now: Timestamp) -> Result<(), Failure> {
    let since = entry.retired.map(|retired| now.duration_since(retired).as_secs()).unwrap_or_default();
    let lifetime = KeyStore::LIFETIME.as_secs().cast_signed();
    if args.lose_values || since >= lifetime {
        return Ok(());
    }
    let message = format!("key {} was retired {since} s ago, and services may still seal by it", entry.number);
    Err(Failure::usage(message).hint(format!("wait until it is {lifetime} s, and run `dbopt re-encrypt` then")))
}

/// How many values or terms go with the key, when there is a database to look in.
fn lost(
    context: &Context,
    args: &KeysDestroy,
    policy: &EncryptionPolicy,
    entry: &KeyringEntry,
) -> Result<Option<u64>, Failure> {
    if !args.record.connection.is_given() {
        if args.lose_values {
            return Ok(None);
        }
        return Err(Failure::usage("it was not looked whether values are under the key, and nothing was destroyed")
            .hint("name a database with `-d`, or write `--lose-values`"));
    }
    let (_, counted) = status::look(context, &args.record.connection, policy)?;
    let values = counted.iter().filter_map(|column| column.keys.get(&entry.number)).sum::<u64>();
    let indexes = counted.iter().flat_map(|column| &column.indexes);
    let indexes = indexes.filter(|index| entry.kind == KeyKind::Index && index.purpose == entry.purpose.as_str());
    let terms =
        indexes.flat_map(|index| &index.versions).filter(|(version, _)| u32::from(**version) == entry.generation);
    // Columns of a purpose all count the same keys of persons.
    let persons = counted.iter().filter(|column| column.purpose == entry.purpose.as_str());
    let persons = persons.filter_map(|column| column.persons.as_ref()?.keys.get(&entry.number)).max();
    let lost = values + terms.map(|(_, count)| count).sum::<u64>() + persons.copied().unwrap_or_default();
    if lost > 0 && !args.lose_values {
        let message = format!(
            "{lost} values, terms or keys of persons are under key {}, and nothing was destroyed",
            entry.number
        );
        return Err(Failure::usage(message)
            .hint("`dbopt re-encrypt` seals them anew; to have them lost, write `--lose-values`"));
    }
    Ok(Some(lost))
}

/// Asks twice, unless that is answered already.
fn confirm(args: &KeysDestroy, entry: &KeyringEntry, lost: Option<u64>) -> Result<(), Failure> {
    let KeyringEntry { number, purpose, .. } = entry;
    debug_assert_eq!(entry.state(), KeyState::Retired, "the ring refuses others");
    let values = match lost {
        Some(0) => "no value is under it".to_owned(),
        Some(count) => format!("{count} values or terms are lost with it"),
        None => "all values that are under it are lost with it".to_owned(),
    };
    let question = format!("Key {number} of purpose `{purpose}` goes for good; {values}. Type its number: ");
    answered(args, &question, &number.to_string())
}

/// Asks to name what is destroyed, and then to say so, unless that is answered already.
pub(super) fn answered(args: &KeysDestroy, question: &str, answer: &str) -> Result<(), Failure> {
    for (question, answer) in
        [(question, answer), ("Type `destroy` to destroy it: ", "destroy")].into_iter().skip(args.yes.into())
    {
        if !secret::is_typed() {
            return Err(Failure::usage("nobody is there to be asked, and nothing was destroyed")
                .hint("there are two questions; `--yes --yes` answers both"));
        }
        if ask(question)?.trim() != answer {
            return Err(Failure::usage("the answer was another one, and nothing was destroyed"));
        }
    }
    Ok(())
}

/// Asks on standard error; the answer is a line of standard input.
pub(in crate::commands) fn ask(question: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", "<stdin>", &error);
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line)
}
