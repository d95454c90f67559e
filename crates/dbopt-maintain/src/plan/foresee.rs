//! What a run would refuse, before it is run.
//!
//! The questions are those that the run asks when a step's turn has come, so that both give the same answer; they only
//! read. What would cost a reading of the whole table, such as to count expired rows without an index or to prove that a
//! partition has no younger row, is left to the run.

use std::collections::BTreeMap;

use dbopt_pg::Session;

use super::{Class, Plan};

/// Why retention that a plan has will be refused, by the identity of the table.
///
/// # Errors
/// When the session fails.
pub async fn foresee(session: &Session, plan: &Plan) -> Result<BTreeMap<u32, String>, dbopt_run::Error> {
    let mut refused = BTreeMap::new();
    for item in plan.items.iter().filter(|item| item.class == Class::Retention) {
        let why = match item.work.obstacle(session).await {
            // What takes too long, or is locked, is seen when its turn has come.
            Err(dbopt_run::Error::Session(
                dbopt_pg::Error::LockTimeout { .. }
                | dbopt_pg::Error::Cancelled { .. }
                | dbopt_pg::Error::PermissionDenied { .. },
            )) => None,
            answer => answer?,
        };
        refused.extend(why.map(|why| (item.work.table().oid, why)));
    }
    Ok(refused)
}
