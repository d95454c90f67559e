//! VACUUM, REINDEX and retention: what a database needs, as a plan.
#![warn(missing_docs)]

pub mod actions;
mod bloat;
mod error;
mod exempt;
mod facts;
mod health;
mod object;
pub mod plan;
pub mod policy;
pub mod status;

pub use bloat::{Estimates, IndexBloat, Method, Sampling, TableBloat, estimate};
pub use error::Error;
pub use exempt::{Exempt, Exemption};
pub use facts::{
    Autovacuum, Bound, ColumnFacts, Facts, Holder, HolderKind, IndexFacts, IndexMethod, KeyFacts, Limit, Moment,
    PartitionFacts, ServerFacts, Storage, TableFacts, TableKind, horizon,
};
pub use health::{Behind, Cause, behind};
pub use object::{IndexRef, TableRef};
pub use plan::Plan;
pub use policy::MaintenancePolicy;
