//! `dbopt gdpr`

mod record;
mod request;
mod retain;

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use dbopt_crypto::KeyId;
use dbopt_gdpr::{Approval, infer::Confidence};
use jiff::Timestamp;

use super::{Connection, ReportFormat};
pub(crate) use record::GdprRecord;
pub(crate) use request::{GdprRequest, GdprStatus, RequestOpen, Requested};
pub(crate) use retain::{GdprRetain, RetainPlan, RetainRun};

/// `dbopt gdpr`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Gdpr {
    /// Write a first policy of a database: who the persons are, what refers to them, and which columns have their data; all to confirm
    #[command(
        after_help = "Exit codes: 0 written, 2 usage, a file that is there already, or no table of persons was found, 3 connection, \
                      130 interrupted."
    )]
    Init(GdprInit),
    /// Say what of a database the policy does not speak of: a table, a column or a reference
    #[command(after_help = "Exit codes: 0 all is covered, 1 something is not, 2 usage or policy, 3 connection.")]
    Lint(GdprLint),
    /// Say what erasing a person would do: rows, statements in order, effects on others, what stays; nothing is changed
    #[command(
        after_help = "Exit codes: 0 planned, 1 something speaks against erasing, or nobody has this key, 2 usage or policy, \
                      3 connection, 6 a query failed."
    )]
    Plan(GdprPlan),
    /// Erase a person by the plan that was seen and confirmed, all of it or nothing, and record that before and after
    #[command(
        after_help = "Exit codes: 0 erased, now or before by the same confirmation, 1 something speaks against it, it is no longer \
                      what was confirmed, or nobody has this key, 2 usage, policy or a schema that is not migrated, 3 connection, \
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
    /// Search a whole database for a person's identifiers, however they are written
    #[command(
        after_help = "Exit codes: 0 nothing was found, 1 something was, or nobody has this key, 2 usage or policy, 3 connection, 6 nothing was \
                      found, but not all could be searched, 130 interrupted."
    )]
    Verify(GdprVerify),
    /// Say where erased values may still be although no query returns them
    #[command(
        after_help = "Exit codes: 0 all is gone, 1 something may be left, 2 usage or policy, 3 connection, 130 interrupted."
    )]
    Residue(GdprResidue),
    /// Write everything of a person to a package that opens without dbopt, sealed for whoever is to have it
    #[command(
        after_help = "Exit codes: 0 written, 1 nobody has this key, or the policy does not cover the database, 2 usage, policy, a file \
                      that cannot be written, or a schema that is not migrated, 3 connection, 6 a query failed, 130 interrupted."
    )]
    Export(GdprExport),
    /// Write the record of processing activities (Article 30) from the policy, and what the policy does not say
    #[command(
        after_help = "Exit codes: 0 written, 1 something is missing and `--check` is given, 2 usage or policy, 3 connection."
    )]
    Record(GdprRecord),
    /// Record requests of persons, and what becomes of them
    #[command(subcommand)]
    Request(GdprRequest),
    /// Delete rows whose time is over by the policy, except what is held, to be kept, or referred to
    #[command(subcommand)]
    Retain(GdprRetain),
    /// List the requests that are open, until when they are to be answered, and what was recorded for them
    #[command(
        after_help = "Exit codes: 0 nothing is due, 1 something is overdue or due soon, 2 usage, policy, or a schema that is not migrated, \
                      3 connection, 6 nothing known is due, but a record cannot be understood, 130 interrupted."
    )]
    Status(GdprStatus),
}

/// A database and the policy that it is looked at by.
#[derive(Args, Clone, Debug)]
pub(crate) struct Governed {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Policy of kind `gdpr`
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
}

/// A person in a database.
#[derive(Args, Clone, Debug)]
pub(crate) struct Person {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// The person's key, once for each of its columns; `-` reads them from standard input, a line each, so that they are in no list of
    /// processes
    #[arg(long, value_name = "KEY", required = true)]
    pub(crate) subject: Vec<String>,
    /// Which of the policy's subjects it is, when it has several
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) rule: Option<String>,
}

/// `dbopt gdpr init`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprInit {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Look at a snapshot written by `dbopt snapshot` instead of a database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dbname", "ddl", "sample"])]
    pub(crate) snapshot: Option<String>,
    /// Look at a file of DDL, such as `pg_dump --schema-only` writes, instead of a database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dbname", "sample"])]
    pub(crate) ddl: Option<String>,
    /// A table with a row for each person, as `schema.table`; may be given several times, and is guessed when not given
    #[arg(long, value_name = "TABLE")]
    pub(crate) subject: Vec<String>,
    /// Guesses of references that are less sure are listed in a comment only
    #[arg(long, value_enum, value_name = "CONFIDENCE", default_value_t = Minimum::Medium)]
    pub(crate) minimum: Minimum,
    /// Also count what values look like, in so many rows of each table; the values stay on the server
    #[arg(long, value_name = "ROWS")]
    pub(crate) sample: Option<NonZeroU32>,
    /// File for the policy, which must not be there yet; stdout when not given
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<String>,
    /// Format of the report on what was guessed; without a file for the policy, it is printed in place of the policy, and as JSON has
    /// the policy in it
    #[arg(long, value_enum, help_heading = "Output")]
    pub(crate) format: Option<ReportFormat>,
}

/// How sure a guess has to be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Minimum {
    High,
    Medium,
    Low,
}

impl From<Minimum> for Confidence {
    fn from(minimum: Minimum) -> Self {
        match minimum {
            Minimum::High => Self::High,
            Minimum::Medium => Self::Medium,
            Minimum::Low => Self::Low,
        }
    }
}

/// `dbopt gdpr lint`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprLint {
    #[command(flatten)]
    pub(crate) under: Governed,
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
    pub(crate) person: Person,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr erase`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprErase {
    #[command(flatten)]
    pub(crate) person: Person,
    /// Destroy the person's own key of this purpose (`dbopt keys`), whose name is the person's key, and with it what is sealed by it
    #[arg(long, value_name = "PURPOSE", value_parser = KeyId::new)]
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
    pub(crate) under: Governed,
    /// Copy of the audit record from before the restore, as `dbopt audit export` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: PathBuf,
    /// The time of the backup, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Timestamp,
    /// Erase them; without it, they are only counted
    #[arg(long)]
    pub(crate) yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr verify`
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct GdprVerify {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// Identifiers to search for, a line `name=value` each; `-` is standard input
    #[arg(long, value_name = "FILE", group = "what")]
    pub(crate) identifiers: Option<String>,
    /// Take the identifiers from the rows of the person with this key, once for each of its columns; `-` reads it from standard input
    #[arg(long, value_name = "KEY", group = "what")]
    pub(crate) subject: Vec<String>,
    /// Which of the policy's subjects it is, when it has several
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Show the keys of the first rows of each hit, which may be data of a person themselves
    #[arg(long)]
    pub(crate) keys: bool,
    /// How many tables are read at once, each in a session of its own
    #[arg(short, long, value_name = "N", default_value = "2")]
    pub(crate) jobs: std::num::NonZeroU8,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr residue`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprResidue {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// When the erasure was committed, such as 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Timestamp,
    /// For how long backups and archived log are kept, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    pub(crate) backups_kept: Option<std::time::Duration>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr export`
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("for").required(true))]
pub(crate) struct GdprExport {
    #[command(flatten)]
    pub(crate) person: Person,
    /// What to give: 15 all data about the person, 20 what the person provided by consent or for a contract
    #[arg(long, value_name = "ARTICLE", default_value_t = 15, value_parser = article)]
    pub(crate) article: u8,
    /// Moment that the package is dated with, now when not given; the rows are those of now in any case
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) as_of: Option<Timestamp>,
    /// Policy of kind `encryption`, by which encrypted columns are opened; without it they are left out
    #[arg(long, value_name = "FILE")]
    pub(crate) encryption_policy: Option<PathBuf>,
    /// Export although the policy does not cover the database; what it does not speak of is listed as missing
    #[arg(long)]
    pub(crate) uncovered: bool,
    /// Package to write; nothing may be there yet
    #[arg(short, long, value_name = "FILE", help_heading = "Package")]
    pub(crate) output: PathBuf,
    /// Seal it for a recipient (`age1…`); may be given several times
    #[arg(long, value_name = "RECIPIENT", group = "for", help_heading = "Package")]
    pub(crate) recipient: Vec<String>,
    /// Seal it for the recipients in a file, one a line
    #[arg(long, value_name = "FILE", group = "for", help_heading = "Package")]
    pub(crate) recipients_file: Option<String>,
    /// Seal it with a passphrase, which is asked for or read as a line of standard input
    #[arg(long, group = "for", help_heading = "Package")]
    pub(crate) passphrase: bool,
    /// Seal it with the passphrase that is the first line of a file
    #[arg(long, value_name = "FILE", group = "for", help_heading = "Package")]
    pub(crate) passphrase_file: Option<String>,
    /// Do not seal it: whoever has the file can read it
    #[arg(long, group = "for", help_heading = "Package")]
    pub(crate) plain: bool,
    /// Write a folder instead of an archive
    #[arg(long, requires = "plain", help_heading = "Package")]
    pub(crate) folder: bool,
    /// Record the export in this file instead of the database's audit record
    #[arg(long, value_name = "FILE", help_heading = "Audit record")]
    pub(crate) audit: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

fn article(text: &str) -> Result<u8, &'static str> {
    match text {
        "15" => Ok(15),
        "20" => Ok(20),
        _ => Err("there are packages for the articles 15 and 20"),
    }
}

/// Reads a time with its zone, or a day, which begins in UTC.
fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let time = text.parse().ok().or_else(|| day().map(|day| day.timestamp()));
    time.ok_or("this is no time; write it as `2026-03-01T12:00:00Z`, or a day as `2026-03-01`")
}
