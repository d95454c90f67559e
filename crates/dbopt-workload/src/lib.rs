//! Server logs, `pg_stat_statements` and files of SQL statements to a weighted workload.
#![warn(missing_docs)]

mod builder;
mod detect;
mod error;
mod fuzz;
mod hash;
mod input;
mod model;
mod options;
mod pgss;
mod read;
mod record;
mod session;
mod sql;
mod sqlfile;
mod time;
mod unwrapped;
mod wrapper;

pub use dbopt_sql::Fingerprint;
pub use error::Error;
#[doc(hidden)]
pub use fuzz::fuzz_read;
pub use model::{
    Compression, Coverage, ErrorClass, Events, Format, InputCoverage, LoggedPlan, NameSet, OtherClasses, PlanFormat,
    QueryClass, Sample, Skipped, SourcePlace, Sources, StatementKind, Tally, Workload,
};
pub use options::{Input, InputKind, Progress, ReadOptions};
pub use pgss::StatementRow;
pub use read::read_inputs;
pub use time::{Timestamp, Timing};
