//! `VACUUM`, and whether it could do what it was for.
//!
//! VACUUM ends well even when somebody's old snapshot has kept it from removing a single row, and it only warns when it
//! passes a table over. So who holds the horizon is looked at before and after, and what is left is counted
//! (<https://www.postgresql.org/docs/current/routine-vacuuming.html>).

use std::time::Duration;

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
        let first = match counters(hands.control, &self.table).await? {
            Ok(counters) => counters,
            Err(outcome) => return Ok(outcome.into()),
        };
        let names = (self.step.schema.as_str(), self.step.object.as_str());
        let statement = self.step.statements[0].as_str();
        let entry = hands.journal.open(hands.control, STATEMENT, names, Some(self.table.oid), statement, None).await?;
        let mut before = first.clone();
        let mut tries = TRIES;
        let (outcome, after) = loop {
            let (outcome, after, is_passing) = self.once(hands, &before).await?;
            tries -= 1;
            if !is_passing || tries == 0 || hands.options.stop.reason(None).is_some() {
                break (outcome, after);
            }
            // Whoever was in the way has only just begun, and will soon have ended.
            tokio::time::sleep(PAUSE).await;
            // What was dead at first is what it is measured by.
            before = after.map_or(before, |after| Counters { dead: first.dead, xid_age: first.xid_age, ..after });
        };
        hands.journal.close(entry);
        let bytes_after = after.map(|after| after.bytes);
        Ok(Effect { outcome, bytes_before: Some(first.bytes), bytes_after, rows: None, definition: None })
    }

    /// One VACUUM: what it comes to, what is counted afterwards, and whether another try is worth while.
    async fn once(&self, hands: &mut Hands<'_>, before: &Counters) -> Result<(Outcome, Option<Counters>, bool), Error> {
        let held = holders(hands).await?;
        if let Some(outcome) = hands.in_turns(&self.step.statements[0], self.step.table.as_ref()).await? {
            return Ok((outcome, None, false));
        }
        let after = match counted(hands.control, &self.table, before, |counters| counters.vacuums).await? {
            Ok(Some(after)) => after,
            Ok(None) => return Ok((passed_over(hands, &self.step, before).await?, None, false)),
            Err(outcome) => return Ok((outcome, None, false)),
        };
        let still = holders(hands).await?;
        let holder = held.into_iter().find(|holder| still.iter().any(|still| is_same(holder, still)));
        let outcome = self.outcome(before, &after, holder.as_ref().map(named));
        let is_young = |holder: &Holder| holder.seconds.is_some_and(|seconds| seconds < YOUNG);
        let is_passing = matches!(outcome, Outcome::Blocked(_)) && holder.as_ref().is_some_and(is_young);
        Ok((outcome, Some(after), is_passing))
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

/// How often it is tried while somebody is in the way who has only just begun.
const TRIES: u32 = 3;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A transaction younger than this, in seconds, is about to end.
const YOUNG: f64 = 5.0;

/// Who holds the horizon of this database's rows, the oldest first.
async fn holders(hands: &Hands<'_>) -> Result<Vec<Holder>, Error> {
    let mut holders = horizon(hands.control).await?;
    holders.retain(|holder| !holder.only_catalogues && holder.pid != Some(hands.work_pid));
    Ok(holders)
}

/// Whether two looks have met the same: of a session, the same transaction.
fn is_same(first: &Holder, later: &Holder) -> bool {
    let is_one = first.pid == later.pid && (first.pid.is_some() || first.name == later.name);
    let is_older = first.seconds.zip(later.seconds).is_none_or(|(first, later)| later >= first);
    first.kind == later.kind && is_one && is_older
}

fn named(holder: &Holder) -> String {
    match holder.kind {
        HolderKind::Session => holder.name.clone(),
        HolderKind::Prepared => format!("prepared transaction `{}`", holder.name),
        HolderKind::Slot => format!("replication slot `{}`", holder.name),
        HolderKind::Standby => format!("standby `{}`", holder.name),
    }
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
