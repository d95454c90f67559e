//! `VACUUM`, and whether it could do what it was for.
//!
//! VACUUM ends well even when somebody's old snapshot has kept it from removing a single row, and it only warns when it
//! passes a table over. So who holds the horizon is looked at before and after, and what is left is counted
//! (<https://www.postgresql.org/docs/current/routine-vacuuming.html>).

use dbopt_run::{Action, Effect, Error, Hands, Outcome, Pending, STATEMENT, Step};

use super::object::{Counters, counted, counters, passed_over, step};
use crate::facts::{Holder, HolderKind, horizon};
use crate::object::TableRef;

/// How a table is vacuumed (<https://www.postgresql.org/docs/current/sql-vacuum.html>).
///
/// `TRUNCATE` is off unless asked for: giving the end of the file back takes an ACCESS EXCLUSIVE lock, which standbys
/// replay without regard for those who read there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VacuumOptions {
    /// Whether it is analysed as well.
    pub analyze: bool,
    /// Whether all rows are frozen, as against wraparound.
    pub freeze: bool,
    /// Whether dead entries of indexes are left, to be quick near wraparound.
    pub skip_indexes: bool,
    /// Whether empty pages at the end are given back.
    pub truncate: bool,
    /// Whether to pass it over, and report that, rather than wait for its lock for a moment.
    pub skip_locked: bool,
    /// How many workers its indexes are shared among; none leaves it to the server.
    pub parallel: Option<u32>,
}

impl VacuumOptions {
    /// The statement.
    fn statement(&self, table: &TableRef) -> String {
        let words = [
            (self.analyze, "ANALYZE".to_owned()),
            (self.freeze, "FREEZE".to_owned()),
            (self.skip_indexes, "INDEX_CLEANUP OFF".to_owned()),
            (!self.truncate, "TRUNCATE OFF".to_owned()),
            (self.skip_locked, "SKIP_LOCKED".to_owned()),
            (self.parallel.is_some(), format!("PARALLEL {}", self.parallel.unwrap_or_default())),
        ];
        let words: Vec<String> = words.into_iter().filter_map(|(is_wanted, word)| is_wanted.then_some(word)).collect();
        if words.is_empty() { format!("VACUUM {table};") } else { format!("VACUUM ({}) {table};", words.join(", ")) }
    }
}

/// `VACUUM` of one table, with what holds the horizon named when it could not do its work.
#[derive(Clone, Debug)]
pub struct Vacuum {
    step: Step,
    table: TableRef,
    freeze: bool,
}

impl Vacuum {
    /// The kind of the step.
    pub const KIND: &'static str = "vacuum";

    /// Of a table, a materialised view, or a TOAST table.
    #[must_use]
    pub fn new(table: &TableRef, options: &VacuumOptions) -> Self {
        let risk = match options.truncate {
            true => "giving pages back locks everybody out for a moment, on standbys too",
            false => "it reads and writes a lot",
        };
        let step = step(Self::KIND, table, vec![options.statement(table)], risk);
        Self { step, table: table.clone(), freeze: options.freeze }
    }

    /// Does it, as a step of its own or as the end of another, in whose name `hands` writes.
    pub(super) async fn act(&self, hands: &mut Hands<'_>) -> Result<Effect, Error> {
        let before = match counters(hands.control, &self.table).await? {
            Ok(counters) => counters,
            Err(outcome) => return Ok(outcome.into()),
        };
        let held = holders(hands).await?;
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let statement = self.step.statements[0].as_str();
        let entry = hands.journal.open(hands.control, STATEMENT, names, Some(self.table.oid), statement, None).await?;
        let outcome = hands.in_turns(statement, self.step.table.as_ref()).await?;
        hands.journal.close(entry);
        if let Some(outcome) = outcome {
            return Ok(outcome.into());
        }
        let after = match counted(hands.control, &self.table, &before, |counters| counters.vacuums).await? {
            Ok(Some(after)) => after,
            Ok(None) => return Ok(passed_over(hands, &self.step, &before).await?.into()),
            Err(outcome) => return Ok(outcome.into()),
        };
        let still = holders(hands).await?;
        let holder = held.into_iter().find(|holder| still.contains(holder));
        Ok(Effect {
            outcome: self.outcome(&before, &after, holder),
            bytes_before: Some(before.bytes),
            bytes_after: Some(after.bytes),
            definition: None,
        })
    }

    /// Blocked, when somebody held the horizon all the while and less than half of the work was done.
    fn outcome(&self, before: &Counters, after: &Counters, holder: Option<String>) -> Outcome {
        let Some(holder) = holder else { return Outcome::Done };
        if after.is_counted && after.dead > 0 && after.dead.saturating_mul(2) > before.dead {
            return Outcome::Blocked(format!("{} dead rows could not be removed, because of {holder}", after.dead));
        }
        if self.freeze && after.xid_age > 0 && after.xid_age.saturating_mul(2) > before.xid_age {
            let age = after.xid_age;
            return Outcome::Blocked(format!("its oldest rows stay {age} transactions old, because of {holder}"));
        }
        Outcome::Done
    }
}

/// Who holds the horizon of this database's rows, the oldest first.
async fn holders(hands: &Hands<'_>) -> Result<Vec<String>, Error> {
    let holders = horizon(hands.control).await?;
    let is_other = |holder: &Holder| !holder.only_catalogues && holder.pid != Some(hands.work_pid);
    let named = |holder: &Holder| match holder.kind {
        HolderKind::Session => holder.name.clone(),
        HolderKind::Prepared => format!("prepared transaction `{}`", holder.name),
        HolderKind::Slot => format!("replication slot `{}`", holder.name),
        HolderKind::Standby => format!("standby `{}`", holder.name),
    };
    Ok(holders.iter().filter(|holder| is_other(holder)).map(named).collect())
}

impl Action for Vacuum {
    fn step(&self) -> &Step {
        &self.step
    }

    fn step_mut(&mut self) -> &mut Step {
        &mut self.step
    }

    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a> {
        Box::pin(self.act(hands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &VacuumOptions, expected: &str) {
        let table = TableRef { oid: 1, schema: "public".to_owned(), name: "Orders".to_owned() };
        assert_eq!(Vacuum::new(&table, options).step().statements, [expected]);
    }

    #[test]
    fn options_become_words() {
        check(&VacuumOptions::default(), "VACUUM (TRUNCATE OFF) public.\"Orders\";");
        check(&VacuumOptions { truncate: true, ..VacuumOptions::default() }, "VACUUM public.\"Orders\";");
        check(
            &VacuumOptions {
                analyze: true,
                freeze: true,
                skip_indexes: true,
                truncate: false,
                skip_locked: true,
                parallel: Some(2),
            },
            "VACUUM (ANALYZE, FREEZE, INDEX_CLEANUP OFF, TRUNCATE OFF, SKIP_LOCKED, PARALLEL 2) public.\"Orders\";",
        );
    }
}
