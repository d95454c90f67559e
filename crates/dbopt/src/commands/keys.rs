//! `dbopt keys`

mod change;
pub(super) mod destroy;
mod person;
mod record;
mod status;

use dbopt_crypto::{ChangeError, EncryptionPolicy, FileError, KeyringError, MakeError, ProviderError, SourceError};
use dbopt_finding::Finding;

use super::{Context, load};
use crate::{
    cli::keys::{Keys, KeysList, KeysOf},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::keys::KeysView,
};

/// Makes, lists and changes keys, or says what is due.
pub(crate) fn run(context: &Context, command: &Keys) -> Result<Exit, Failure> {
    match command {
        Keys::New(args) => change::new(context, args),
        Keys::List(args) => list(context, args),
        Keys::Rotate(args) => change::rotate(context, args),
        Keys::Retire(args) => change::retire(context, args),
        Keys::Destroy(args) => destroy::run(context, args),
        Keys::Rewrap(args) => change::rewrap(context, args),
        Keys::Status(args) => status::run(context, args),
    }
}

fn list(context: &Context, args: &KeysList) -> Result<Exit, Failure> {
    let policy = policy(context, &args.of, false)?;
    let keyring = policy.keyring_file().read().map_err(|error| unread(error, &policy))?;
    print(context, &args.of, &KeysView::new(policy.keyring_file().path(), &keyring, &[]))?;
    Ok(Exit::Done)
}

/// The policy of a file. Whether its key-encryption keys are as they should be matters to what uses them.
pub(super) fn policy(context: &Context, of: &KeysOf, secrets: bool) -> Result<EncryptionPolicy, Failure> {
    // Each command says itself that keys are missing, but for the one that makes them.
    let is_told = |finding: &Finding| finding.code.0 != "missing-keys";
    let mut loaded = load::quiet::<EncryptionPolicy>(&of.policy, secrets).map_err(|mut failure| {
        failure.findings.retain(is_told);
        failure
    })?;
    loaded.findings.retain(is_told);
    context.stderr.findings(&loaded.findings);
    Ok(loaded.policy)
}

fn print(context: &Context, of: &KeysOf, view: &KeysView) -> Result<(), Failure> {
    output::report(&context.global, of.format, None, view, document::keys::keys)
}

/// The failure of reading or writing the key ring.
pub(super) fn file(error: FileError) -> Failure {
    let exit = if matches!(error, FileError::Locked(_)) { Exit::Locked } else { Exit::Usage };
    hinted(Failure::new(exit, error.to_string()), error.hint())
}

/// The failure of reading the key ring, which may not be there yet.
pub(super) fn unread(error: FileError, policy: &EncryptionPolicy) -> Failure {
    if error.is_missing() {
        let message = format!("there is no key ring `{}` yet", policy.keyring.display());
        return Failure::usage(message)
            .hint("if values are sealed already, restore a copy of it; else make it by `dbopt keys new`");
    }
    file(error)
}

/// The failure of a key-encryption key that cannot be had.
pub(super) fn source(error: SourceError) -> Failure {
    hinted(Failure::usage(error.to_string()), error.hint())
}

/// The failure of a change that the key ring does not take.
fn refused(error: ChangeError) -> Failure {
    hinted(Failure::usage(error.to_string()), error.hint().map(str::to_owned))
}

/// The failure of making a key.
fn unmade(error: MakeError) -> Failure {
    match error {
        MakeError::Provider(error) => provider(&error, error.to_string()),
        other => Failure::new(Exit::Internal, other.to_string()),
    }
}

/// The failure of keys that do not unwrap.
pub(super) fn locked_up(error: KeyringError) -> Failure {
    match &error {
        KeyringError::Unwrap { error: why, .. } => provider(why, error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}

fn provider(error: &ProviderError, message: String) -> Failure {
    let exit = if matches!(error, ProviderError::Service { .. }) { Exit::Connection } else { Exit::Usage };
    let failure = Failure::new(exit, message);
    match error {
        ProviderError::UnknownKek(_) => failure.hint("list it in the policy under `[[kek.previous]]`"),
        _ => failure,
    }
}

fn hinted(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
