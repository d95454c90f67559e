//! `dbopt gdpr request` and `dbopt gdpr status`

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use dbopt_gdpr::request::{Outcome, Right};
use jiff::civil::Date;

use super::{Governed, Person};
use crate::cli::ReportFormat;

/// `dbopt gdpr request`
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum GdprRequest {
    /// Record that a person's request came; it gets a number and the day until which it is to be answered
    #[command(
        after_help = "Exit codes: 0 recorded, 2 usage, policy, a day that is yet to come, or a schema that is not migrated, 3 connection."
    )]
    Open(RequestOpen),
    /// Record that the person was told, within the first month, that the answer takes up to two months more, and why
    #[command(
        after_help = "Exit codes: 0 recorded, 1 the first month is over, or the request is closed or was extended before, 2 usage, policy, \
                      no such request, or a schema that is not migrated, 3 connection."
    )]
    Extend(RequestExtend),
    /// Record how a request ended
    #[command(
        after_help = "Exit codes: 0 recorded, 1 it was closed before, 2 usage, policy, no such request, or a schema that is not migrated, \
                      3 connection."
    )]
    Close(RequestClose),
}

/// What all need.
#[derive(Args, Clone, Debug)]
pub(crate) struct Requested {
    #[command(flatten)]
    pub(crate) under: Governed,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr request open`
#[derive(Args, Clone, Debug)]
pub(crate) struct RequestOpen {
    #[command(flatten)]
    pub(crate) person: Person,
    /// What is asked for
    #[arg(long, value_name = "RIGHT")]
    pub(crate) kind: Kind,
    /// The day on which the request came, such as 2026-11-23; today when not given
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(crate) received: Option<Date>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ReportFormat::Table, help_heading = "Output")]
    pub(crate) format: ReportFormat,
}

/// `dbopt gdpr request extend`
#[derive(Args, Clone, Debug)]
pub(crate) struct RequestExtend {
    #[command(flatten)]
    pub(crate) of: Requested,
    /// The number of the request
    #[arg(value_name = "ID")]
    pub(crate) id: u64,
    /// Why it takes longer, as the person was told; it is recorded for good, and must not name anybody
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// `dbopt gdpr request close`
#[derive(Args, Clone, Debug)]
pub(crate) struct RequestClose {
    #[command(flatten)]
    pub(crate) of: Requested,
    /// The number of the request
    #[arg(value_name = "ID")]
    pub(crate) id: u64,
    /// How it ended
    #[arg(long, value_name = "HOW")]
    pub(crate) outcome: Ended,
    /// Why, which has to be said of a refusal; it is recorded for good, and must not name anybody
    #[arg(long, value_name = "TEXT", required_if_eq("outcome", "refused"))]
    pub(crate) reason: Option<String>,
}

/// `dbopt gdpr status`
#[derive(Args, Clone, Debug)]
pub(crate) struct GdprStatus {
    #[command(flatten)]
    pub(crate) of: Requested,
    /// How long before its day a request counts as due soon
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = super::super::duration)]
    pub(crate) within: Duration,
    /// Closed requests as well
    #[arg(long)]
    pub(crate) all: bool,
}

/// The rights of Articles 15 to 22.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Article 15
    Access,
    /// Article 16
    Rectification,
    /// Article 17
    Erasure,
    /// Article 18
    Restriction,
    /// Article 20
    Portability,
    /// Article 21
    Objection,
    /// Article 22
    AutomatedDecision,
}

impl From<Kind> for Right {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Access => Self::Access,
            Kind::Rectification => Self::Rectification,
            Kind::Erasure => Self::Erasure,
            Kind::Restriction => Self::Restriction,
            Kind::Portability => Self::Portability,
            Kind::Objection => Self::Objection,
            Kind::AutomatedDecision => Self::AutomatedDecision,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ended {
    /// It was complied with
    Done,
    /// It was not, and the person was told why
    Refused,
    /// The person took it back
    Withdrawn,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done => Self::Done,
            Ended::Refused => Self::Refused,
            Ended::Withdrawn => Self::Withdrawn,
        }
    }
}

fn day(text: &str) -> Result<Date, &'static str> {
    let is_day = text.len() == 10;
    text.parse().ok().filter(|_| is_day).ok_or("this is no day; write it as `2026-11-23`")
}
