//! A VACUUM that is left out when deleting rows has just ended with one.
//!
//! Whether rows will go is not known before somebody looks, and what retention does not vacuum is due all the same.

use dbopt_run::{Action, Error, Hands, Outcome, Pending, Step};

use super::{Item, Plan, Work};
use crate::actions::Leftovers;

/// When a table was last vacuumed by anybody but autovacuum, in microseconds since 1970-01-01 UTC.
const VACUUMED: &str =
    "SELECT (pg_catalog.date_part('epoch', pg_catalog.pg_stat_get_last_vacuum_time($1)) * 1e6)::bigint";

/// An action that is left out when its table was vacuumed since the run has looked at it.
struct Spared {
    action: Box<dyn Action>,
    table: u32,
    since: i64,
}

impl Plan {
    /// The action of one of its items, with what to do about what broken-off rebuilds of others have left. `now` is the
    /// server's clock when the run looked at the database, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn action(&self, item: &Item, leftovers: Leftovers, now: i64) -> Box<dyn Action> {
        let action = item.work.action_with(leftovers);
        let Work::Vacuum { table, freeze: false, .. } = &item.work else { return action };
        if !self.has(table, |work| matches!(work, Work::DeleteRows { .. })) {
            return action;
        }
        Box::new(Spared { action, table: table.oid, since: now })
    }
}

impl Action for Spared {
    fn step(&self) -> &Step {
        self.action.step()
    }

    fn step_mut(&mut self) -> &mut Step {
        self.action.step_mut()
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(async move {
            let rows = hands.control.query(VACUUMED, &[&self.table]).await.map_err(Error::Session)?;
            let vacuumed: Option<i64> = rows.first().and_then(|row| row.get(0));
            if vacuumed.is_some_and(|at| at >= self.since) {
                return Ok(Outcome::Skipped("deleting its expired rows has ended with one".to_owned()).into());
            }
            self.action.run(hands).await
        })
    }
}
