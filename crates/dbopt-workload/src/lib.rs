//! Server logs, `pg_stat_statements` and files of SQL statements to a weighted workload.
#![warn(missing_docs)]

mod error;
mod hash;
mod model;
mod time;

pub use error::Error;
pub use model::{
    Compression, Coverage, ErrorClass, Events, Format, InputCoverage, LoggedPlan, NameSet, OtherClasses, PlanFormat,
    QueryClass, Sample, Skipped, SourcePlace, Sources, StatementKind, Tally, Workload,
};
pub use time::{Timestamp, Timing};

/// What statements of one class have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);
