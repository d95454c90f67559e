//! What earlier runs have left, before anything new is begun.

use dbopt_run::{Error, Repair, Runner};

/// Deals with what dead runs left, of maintenance and of other commands.
///
/// # Errors
/// When a session fails.
pub async fn repair(runner: &mut Runner) -> Result<Vec<Repair>, Error> {
    runner.repair().await
}
