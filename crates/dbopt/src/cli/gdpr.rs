//! `dbopt gdpr`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use dbopt_crypto::KeyId;
use dbopt_gdpr::Approval;

use super::{Connection, ReportFormat};

/// `dbopt gdpr`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Gdpr {
    /// Say what of a database the policy does not speak of: a table, a column or a reference
    #[command(after_help = "Exit codes: 0 all is covered, 1 something is not, 2 usage or policy, 3 connection.")]
    Lint(GdprLint),
    /// Say what erasing a person would do: rows, statements in order, effects on others, what stays; nothing is changed
    #[command(
        after_help = "Exit codes: 0 planned, 1 something speaks against erasing, 2 usage, policy or nobody with this key, \
                      3 connection, 6 a query failed."
    )]
    Plan(GdprPlan),
    /// Erase a person by the plan that was seen and confirmed, all of it or nothing, and record that before and after
    #[command(
        after_help = "Exit codes: 0 erased, now or before by the same confirmation, 1 something speaks against it, or it is no longer \
                      what was confirmed, 2 usage, policy, a schema that is not migrated, or nobody with this key, 3 connection, \
                      4 deferred (a window, a stop file), 5 blocked by a lock, 6 rolled back because something was not as planned, \
                      75 another session is erasing the person."
    )]
    Erase(GdprErase),
    /// Erase again, after a restore, everybody whom a copy of the audit record says to have been erased since the backup
    #[command(
        after_help = "Exit codes: 0 all of them are erased again, or were listed, 1 the copy of the audit record is not whole, 2 usage, policy \
                      or a schema that is not migrated, 3 connection, 4 deferred (a window, a stop file), 6 some were not erased, or \
                      are recorded under another key."
    )]
    Replay(GdprReplay),
}

/// `dbopt gdpr lint`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprLint {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `gdpr`
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Look at a snapshot written by `dbopt snapshot` instead of a database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dbname", "ddl"])]
    pub(crate) snapshot: Option<String>,
    /// Look at a file of DDL, such as `pg_dump --schema-only` writes, instead of a database
    #[arg(long, value_name = "FILE", conflicts_with = "dbname")]
    pub(crate) ddl: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr plan`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprPlan {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `gdpr`
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The person's key, once for each of its columns; `-` reads them from standard input, a line each, so that they are in no list of
    /// processes
    #[arg(long, value_name = "KEY", required = true)]
    pub(crate) subject: Vec<String>,
    /// Which of the policy's subjects it is, when it has several
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr erase`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprErase {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `gdpr`
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// The person's key, once for each of its columns; `-` reads them from standard input, a line each, so that they are in no list of
    /// processes
    #[arg(long, value_name = "KEY", required = true)]
    pub(crate) subject: Vec<String>,
    /// Which of the policy's subjects it is, when it has several
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Destroy the person's own key of this purpose (`dbopt keys`), whose name is the person's key, and with it what is sealed by it
    #[arg(long, value_name = "PURPOSE", value_parser = purpose)]
    pub(crate) destroy_key: Vec<KeyId>,
    /// Say what would be done and how to confirm it, and do nothing
    #[arg(long, conflicts_with = "confirm")]
    pub(crate) dry_run: bool,
    /// Do what a dry run has shown, without asking: the text that it gave
    #[arg(long, value_name = "TIME/DIGEST")]
    pub(crate) confirm: Option<Approval>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr replay`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprReplay {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `gdpr`
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Copy of the audit record from before the restore, as `dbopt audit export` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: PathBuf,
    /// The time of the backup, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: jiff::Timestamp,
    /// Erase them; without it, they are only counted
    #[arg(long)]
    pub(crate) yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

fn purpose(text: &str) -> Result<KeyId, dbopt_crypto::KeyError> {
    KeyId::new(text)
}
