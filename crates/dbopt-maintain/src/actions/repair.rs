//! What earlier runs have left, before anything new is begun.

use dbopt_run::{Error, Fate, Repair, Runner};

use super::drop_partition::{self, DropPartition};

/// Deals with what dead runs left, of maintenance and of other commands: a broken-off rebuild, a detached partition.
///
/// # Errors
/// When a session fails.
pub async fn repair(runner: &mut Runner) -> Result<Vec<Repair>, Error> {
    let mut repairs = runner.repair().await?;
    for Repair { entry, fate } in &mut repairs {
        if *fate == Fate::Unknown && entry.kind == DropPartition::KIND {
            let mut ignore = |_: dbopt_run::Event<'_>| {};
            let mut hands = runner.hands(&mut ignore);
            hands.recheck().await?;
            *fate = drop_partition::repair(&mut hands, entry).await?;
            runner.settle(entry, fate).await?;
        }
    }
    Ok(repairs)
}
