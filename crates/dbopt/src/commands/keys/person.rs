//! `dbopt keys destroy --subject`: the key of one person goes, and with it what is theirs in all columns of its purpose.

use dbopt_crypto::{EncryptionPolicy, KeyId, KeyNumber, SubjectId, SubjectTable, SubjectTableError};
use dbopt_pg::{Session, SessionProfile};
use dbopt_reencrypt::{Catalogue, CountedPerson, count_person};
use serde_json::{Map, json};

use super::{change, destroy, policy, record::Recorder, unread};
use crate::{
    cli::keys::KeysDestroy,
    commands::{Context, connect, migrate, re_encrypt, secret},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::keys::ErasedView,
};

/// The migration that makes the table of keys of persons.
const MIGRATION: u32 = 7;

/// Destroys the key of a person.
pub(super) fn run(context: &Context, args: &KeysDestroy, subject: &str) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of, false)?;
    let purpose = purpose(args, &policy)?;
    let name = match subject {
        "-" => String::from_utf8(secret::read("Name of the person: ")?.to_vec())
            .map_err(|_| Failure::usage("the name of the person is not UTF-8"))?,
        name => name.to_owned(),
    };
    let subject = SubjectId::of(&name);
    let recorder = Recorder::open(context, &args.record)?.ok_or_else(Failure::internal)?;
    let ring = policy.keyring_file().read().map_err(|error| unread(error, &policy))?;
    let (number, found) = look(context, args, &policy, purpose, &subject)?;
    let Some(number) = number else {
        return Err(Failure::usage(format!("the person has no key of purpose `{purpose}`, and nothing was destroyed"))
            .hint("the name is compared as the text that the column has, letter by letter"));
    };
    if found.readable > 0 {
        let message = format!(
            "{} values of the person are in plain or under keys of the ring, would stay readable, and nothing was destroyed",
            found.readable
        );
        return Err(Failure::usage(message).hint("`dbopt re-encrypt` seals them by the person's key"));
    }
    let question = format!(
        "The key of this person, number {number} of purpose `{purpose}`, goes for good; {} values are lost with it. \
         Type the person's name as you have given it: ",
        found.values
    );
    destroy::answered(args, &question, &name)?;
    let details = json!({ "number": number.get(), "purpose": purpose.as_str(), "values": found.values });
    let details = change::about(&policy.keyring_file(), &ring, details.as_object().cloned().unwrap_or_else(Map::new));
    recorder.around("keys.destroy-subject", details, || erase(context, args, purpose, &subject))?;
    let view = ErasedView::new(purpose, number, &found);
    output::report(&context.global, args.of.format, None, &view, document::keys::erased)?;
    Ok(Exit::Done)
}

/// The purpose that is meant.
fn purpose<'a>(args: &'a KeysDestroy, policy: &'a EncryptionPolicy) -> Result<&'a KeyId, Failure> {
    let mut with_persons: Vec<&KeyId> =
        policy.columns.iter().filter(|rule| rule.subject.is_some()).map(|rule| &rule.purpose).collect();
    with_persons.sort_unstable();
    with_persons.dedup();
    match (&args.purpose, with_persons.as_slice()) {
        (_, []) => Err(Failure::usage("no column of the policy has keys of persons")
            .hint("name the column that says whose values they are, as `subject`")),
        (Some(purpose), all) if all.contains(&purpose) => Ok(purpose),
        (None, [purpose]) => Ok(purpose),
        (given, all) => {
            let names: Vec<_> = all.iter().map(|name| format!("`{name}`")).collect();
            let message = match given {
                Some(given) => format!("no column with `subject` has keys of purpose `{given}`"),
                None => "the policy has persons under several purposes".to_owned(),
            };
            Err(Failure::usage(message).hint(format!("name one of {} with `--purpose`", names.join(", "))))
        }
    }
}

/// The number of the person's key, and what is there of them.
fn look(
    context: &Context,
    args: &KeysDestroy,
    policy: &EncryptionPolicy,
    purpose: &KeyId,
    subject: &SubjectId,
) -> Result<(Option<KeyNumber>, CountedPerson), Failure> {
    connect::block_on(async {
        let session = connect::open_as(context, &args.record.connection, &re_encrypt::counting()).await?;
        migrate::require(&session, MIGRATION, &args.record.connection).await?;
        let look = async {
            let catalogue = Catalogue::load(&session, policy).await?;
            let number = SubjectTable::number(session.client(), purpose, subject).await?;
            Ok((number, count_person(&session, policy, &catalogue, purpose, subject).await?))
        };
        let looked = connect::or_interrupted(context, look).await?.map_err(re_encrypt::failure);
        session.close().await;
        looked
    })
}

/// Deletes the key, and then the dead row.
fn erase(context: &Context, args: &KeysDestroy, purpose: &KeyId, subject: &SubjectId) -> Result<(), Failure> {
    connect::block_on(async {
        let profile = SessionProfile { read_only: false, ..re_encrypt::counting() };
        let session = connect::open_as(context, &args.record.connection, &profile).await?;
        SubjectTable::erase(session.client(), purpose, subject).await.map_err(|error| unerased(&session, error))?;
        // A server that does not let the role do it says so in a warning only. Without it the row goes with the next VACUUM.
        session.batch("VACUUM (SKIP_LOCKED) dbopt.subject_key").await.map_err(connect::failure)?;
        session.close().await;
        Ok(())
    })
}

fn unerased(session: &Session, error: SubjectTableError) -> Failure {
    match error {
        SubjectTableError::Database(error) => connect::failure(session.error(error)),
        other => Failure::new(Exit::Internal, other.to_string()),
    }
}
