//! `dbopt gdpr`

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
