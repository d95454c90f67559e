//! `dbopt keys`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use dbopt_crypto::{KeyId, KeyNumber};

use super::{Connection, ReportFormat};

/// `dbopt keys`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make the first key of a purpose, and the key ring when there is none
    #[command(after_help = CHANGES)]
    New(KeysNew),
    /// List the keys of the ring; needs no key-encryption key
    #[command(after_help = "Exit codes: 0 done, 2 usage, or a policy or key ring that cannot be used.")]
    List(KeysList),
    /// Make a new key that seals from now on; the one before opens what it has sealed
    #[command(after_help = CHANGES)]
    Rotate(KeysRotate),
    /// Retire an active key with none in its place, so that nothing more is sealed by it
    #[command(after_help = CHANGES)]
    Retire(KeysRetire),
    /// Destroy a retired key, or the key of a person, for good, and with it all values that are under it
    #[command(
        after_help = "Exit codes: 0 destroyed, 2 usage, a wrong answer, or values that are under the key, 3 connection, 6 the end \
                      could not be recorded, 70 internal error, 75 another program is changing the key ring."
    )]
    Destroy(KeysDestroy),
    /// Wrap all keys by the current key-encryption key, after that was changed
    #[command(after_help = CHANGES)]
    Rewrap(KeysRewrap),
    /// Say what is due: keys that are missing or old, and with -d what is under which key and what is left in plain
    #[command(
        after_help = "Exit codes: 0 nothing is due, 1 something is, 2 usage, or a policy or key ring that cannot be used, 3 connection."
    )]
    Status(KeysStatus),
}

const CHANGES: &str = "Exit codes: 0 done, 2 usage, or a policy or key ring that cannot be used, 3 no connection to the database or \
                       the key service, 75 another program is changing the key ring.";

/// Which policy, and how to answer.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysOf {
    /// Policy of kind `encryption`
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// Where a change of keys is recorded.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Audit record")]
pub(crate) struct KeysRecord {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Record the change in this file instead of a database's audit record
    #[arg(long, value_name = "FILE", help_heading = "Audit record", conflicts_with_all = ["dbname", "host", "port", "username"])]
    pub(crate) audit: Option<PathBuf>,
}

/// `dbopt keys new`
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysNew {
    /// Purposes of the policy; all that have no keys yet when none is given
    #[arg(value_name = "PURPOSE", value_parser = key_id)]
    pub(crate) purposes: Vec<KeyId>,
    /// Name of a new key ring, which each of its keys is bound to; that of its file when not given
    #[arg(long, value_name = "NAME", value_parser = key_id)]
    pub(crate) ring: Option<KeyId>,
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) record: KeysRecord,
}

/// `dbopt keys list`
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysList {
    #[command(flatten)]
    pub(crate) of: KeysOf,
}

/// `dbopt keys rotate`
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(crate) struct KeysRotate {
    /// Purposes of the policy
    #[arg(value_name = "PURPOSE", value_parser = key_id, group = "which")]
    pub(crate) purposes: Vec<KeyId>,
    /// Those whose keys are as old as the policy allows
    #[arg(long, group = "which")]
    pub(crate) due: bool,
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) record: KeysRecord,
}

/// `dbopt keys retire`
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysRetire {
    /// Number of the key
    #[arg(value_name = "NUMBER", value_parser = key_number)]
    pub(crate) number: KeyNumber,
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) record: KeysRecord,
}

/// `dbopt keys destroy`
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct KeysDestroy {
    /// Number of the key
    #[arg(value_name = "NUMBER", value_parser = key_number, group = "what")]
    pub(crate) number: Option<KeyNumber>,
    /// The key of this person, as the column `subject` of the policy names them; `-` reads the name from standard input
    #[arg(long, value_name = "NAME", group = "what", requires = "dbname", conflicts_with = "lose_values")]
    pub(crate) subject: Option<String>,
    /// Purpose whose keys wrap the person's, when the policy has persons under several
    #[arg(long, value_name = "PURPOSE", value_parser = key_id, requires = "subject")]
    pub(crate) purpose: Option<KeyId>,
    /// Answer a question in advance; there are two, so it is to be given twice
    #[arg(long, action = clap::ArgAction::Count)]
    pub(crate) yes: u8,
    /// Destroy it although values are under it, or although no database was given in which to look for some
    #[arg(long)]
    pub(crate) lose_values: bool,
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) record: KeysRecord,
}

/// `dbopt keys rewrap`
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysRewrap {
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) record: KeysRecord,
}

/// `dbopt keys status`
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysStatus {
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The least that makes the exit code 1
    #[arg(long, value_enum, default_value_t = KeysFailOn::Warning, value_name = "SEVERITY", help_heading = "Output")]
    pub(crate) fail_on: KeysFailOn,
}

/// What makes `dbopt keys status` exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeysFailOn {
    /// Errors and warnings
    Warning,
    /// Errors
    Error,
    /// Nothing
    Never,
}

fn key_id(text: &str) -> Result<KeyId, dbopt_crypto::KeyError> {
    KeyId::new(text)
}

fn key_number(text: &str) -> Result<KeyNumber, &'static str> {
    text.parse().ok().and_then(KeyNumber::new).ok_or("a key has a number from 1 on, as `dbopt keys list` shows it")
}

/// `dbopt re-encrypt`
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Exit codes: 0 done and each value opened, 2 usage, a policy that does not fit the database, or a schema that is \
                  not migrated, 3 connection, 4 deferred (a stop was asked for, a window), 5 blocked (rows that stayed locked, \
                  a lagging replica), 6 values that do not open, or rows that the server refused, 75 another run is working."
)]
pub(crate) struct ReEncrypt {
    #[command(flatten)]
    pub(crate) of: KeysOf,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Count what is to be done and print the statements, and run none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Policy of kind `run`: windows, limits and sizes of batches
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    pub(crate) run_policy: Option<PathBuf>,
    /// Begin no batch while this file exists
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    pub(crate) stop_file: Option<PathBuf>,
}
