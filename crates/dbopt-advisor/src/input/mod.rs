//! What other tools read, as queries to advise on.

mod plan;
mod workload;

pub use plan::query_from_plan;
pub use workload::queries_from_workload;
