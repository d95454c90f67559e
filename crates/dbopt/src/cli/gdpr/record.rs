//! `dbopt gdpr record`

use clap::Args;

use super::Governed;
use crate::cli::ReportFormat;

/// `dbopt gdpr record`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprRecord {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// See whether the policy speaks of all that a snapshot written by `dbopt snapshot` has
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dbname", "ddl"])]
    pub(crate) snapshot: Option<String>,
    /// See whether the policy speaks of all that a file of DDL has, such as `pg_dump --schema-only` writes
    #[arg(long, value_name = "FILE", conflicts_with = "dbname")]
    pub(crate) ddl: Option<String>,
    /// End with 1 when something is missing
    #[arg(long)]
    pub(crate) check: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}
