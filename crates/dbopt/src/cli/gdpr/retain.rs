//! `dbopt gdpr retain`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Governed;
use crate::cli::{ReportFormat, RunLog};

/// `dbopt gdpr retain`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum GdprRetain {
    /// Say which rows would be deleted and by which statements; nothing is changed
    #[command(
        after_help = "Exit codes: 0 planned, 1 a hold cannot be respected, or a table is not there, 2 usage or policy, 3 connection, 6 a query failed."
    )]
    Plan(RetainPlan),
    /// Delete them, in batches that nobody notices; safe to kill at any point
    #[command(
        after_help = "Exit codes: 0 done, 1 a hold cannot be respected, or a table is not there, and nothing was done, 2 usage, policy or a \
                      schema that is not migrated, 3 connection, 4 deferred (no window, a stop was asked for), 5 blocked (a lock, a lagging \
                      replica), 6 some tables failed or were refused, 75 another run is working."
    )]
    Run(RetainRun),
}

/// `dbopt gdpr retain plan`
#[derive(Args, Clone, Debug)]
pub(crate) struct RetainPlan {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr retain run`
#[derive(Args, Clone, Debug)]
pub(crate) struct RetainRun {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// Begin nothing while this file exists
    #[arg(long, value_name = "FILE", help_heading = "Care")]
    pub(crate) stop_file: Option<PathBuf>,
    /// What is told on standard error while it works: progress on a terminal, and else a JSON object a line, when not given
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Output")]
    pub(crate) log: Option<RunLog>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}
