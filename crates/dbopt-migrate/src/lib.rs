//! Migrations of dbopt's own schema in the target database.
//!
//! dbopt keeps its run history, journal and audit record in a schema named `dbopt` of the database it works on. The
//! statements that make it are the files of the folder `migrations/`, embedded here with their numbers; `dbopt.migration`
//! records which of them were applied, and the SHA-256 of each, so that an edited migration is noticed rather than
//! skipped. Nothing outside of that schema is ever touched, no extension, no PL/pgSQL function and no superuser is needed, and
//! roles are left alone because they belong to the whole cluster (docs/migrations.md has the grants to give).
//!
//! ```no_run
//! # async fn example(session: &mut dbopt_pg::Session) -> Result<(), dbopt_migrate::Error> {
//! let applied = dbopt_migrate::up(session).await?;
//! dbopt_migrate::require(session, 1).await?;
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod error;
mod migration;
mod state;
mod status;
mod trust;
mod up;

pub use error::Error;
pub use migration::{MIGRATIONS, Migration, SCHEMA};
pub use status::{State, Status, Step, require, status};
pub use up::{ADVISORY_LOCK, up};
