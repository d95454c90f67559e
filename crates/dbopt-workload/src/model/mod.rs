//! What reading yields: a weighted workload, and how much of the input it stands for.

mod class;
mod coverage;
mod events;
mod names;
mod sample;
mod workload;

pub(crate) use class::earlier;
pub use class::{QueryClass, Sources, StatementKind};
pub use coverage::{Compression, Coverage, Format, InputCoverage, Skipped};
pub use events::{ErrorClass, Events, Tally};
pub use names::NameSet;
pub(crate) use sample::{KEPT, add as add_sample, choose_plans};
pub use sample::{LoggedPlan, PlanFormat, Sample, SourcePlace};
pub use workload::{OtherClasses, Workload};
