//! What maintenance does: each thing a step as data, with the exact statements, and the function that does it.
//!
//! A constructor takes names, identities and numbers, and asks nobody. Whether things are still as the plan saw them is
//! looked at when the step's turn has come; what has changed since is refused, object by object.

mod analyze;
mod archive;
mod delete_rows;
mod drop_partition;
mod object;
mod refusal;
mod reindex;
mod repair;
mod retention;
mod vacuum;

pub use analyze::Analyze;
pub use delete_rows::DeleteRows;
pub use drop_partition::{DropPartition, Expiry};
pub use reindex::{Leftovers, Reindex};
pub use repair::repair;
pub use retention::{Method, Retention};
pub use vacuum::{Vacuum, VacuumOptions};
