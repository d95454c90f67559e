//! The steps that take an applied advice back: what was dropped is made again, and then what was created goes.
//!
//! Only what the history or the journal proves to be a run's own is touched: an index is dropped when a run created it, on
//! this table and with the definition that it still has; one is made again when a run dropped it, with the definition
//! that it had. Everything else is left, and said to be.

use dbopt_advisor::statements::{self, Part, PartKind};
use dbopt_catalog::{Catalog, Index};
use dbopt_finding::Finding;
use dbopt_pg::Session;
use dbopt_run::{
    Action, CreateIndex, Ddl, DropIndex, Error, Lock, created, dropped, find_index, same_definition, was_attached,
};

use super::file::{Drop, Entry, File};
use super::plan::{self, Plan, Planned};

/// Plans the way back. Faults of the advice are in the plan's findings, what is left alone in its notes.
pub(super) async fn plan(session: &Session, file: &File, catalog: &Catalog) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let first = file.advice.create.len();
    for (at, entry) in file.advice.drop.iter().enumerate() {
        if plan::confirmed_drop(file, entry, &mut plan.findings) {
            again(session, file, entry, first + at, catalog, &mut plan).await?;
        }
    }
    let again: Vec<usize> = (0..plan.steps.len()).collect();
    for (at, entry) in file.advice.create.iter().enumerate().rev() {
        let Some((table, index)) = plan::confirmed(file, entry, catalog, false, &mut plan.findings) else { continue };
        let parts = statements::create_parts(&plan::without_own(catalog, &entry.value), table, &index);
        let mut undo = Undo { session, catalog, parts: &parts, at, again: &again, plan: &mut plan };
        undo.whole().await?;
    }
    Ok(plan)
}

/// An index that was dropped for the advice is made again, as the server printed it before.
async fn again(
    session: &Session,
    file: &File,
    entry: &Entry<Drop>,
    at: usize,
    catalog: &Catalog,
    plan: &mut Plan,
) -> Result<(), Error> {
    let Drop { schema, table, name, rollback, .. } = &entry.value;
    let there = catalog.find(Some(schema), table).and_then(|table| plan::existing(catalog, table, name));
    let note = |message: String| Finding::warning("not-again", message);
    let Some(known) = dropped(session, schema, name).await? else {
        if there.is_none() {
            let message =
                format!("`{schema}.{name}` is not made again: the history does not know that dbopt dropped it");
            plan.notes.push(note(message).help(format!("make it by hand if it is wanted: {rollback}")));
        }
        return Ok(());
    };
    if !same_definition(&known.definition, rollback) {
        let message =
            format!("`{schema}.{name}` is not made again: what dbopt dropped was another: {}", known.definition);
        plan.notes.push(note(message).at(file.place(entry, rollback)));
        return Ok(());
    }
    let sql = statements::recreate(&Index { definition: known.definition, ..Index::default() });
    if !plan::is_one_statement(&sql) {
        plan.notes
            .push(note(format!("`{schema}.{name}` is not made again: the history holds no whole statement of it")));
        return Ok(());
    }
    let mut action = CreateIndex::new((schema, table), name, &sql);
    action.step_mut().bytes = known.bytes.map(|bytes| bytes as f64);
    let is_done = there.is_some_and(|there| there.valid && same_definition(&there.definition, &sql));
    plan.steps.push(Planned { action: Box::new(action), is_done, index: at });
    Ok(())
}

/// The way back from one advised index.
struct Undo<'a> {
    session: &'a Session,
    catalog: &'a Catalog,
    parts: &'a [Part],
    at: usize,
    /// Steps that make indexes again, which come first.
    again: &'a [usize],
    plan: &'a mut Plan,
}

impl Undo<'_> {
    /// The index of a plain table; or that of a partitioned one with what is attached to it, and then the parts that a run
    /// had built and not come to attach.
    async fn whole(&mut self) -> Result<(), Error> {
        for (nth, part) in self.parts.iter().enumerate() {
            let there = plan::existing(self.catalog, part.table, &part.index.1);
            let is_attached = there.is_some_and(|index| index.parent.is_some());
            // Parts go with the index that they are attached to, and what is not there is told of once.
            if matches!(part.kind, PartKind::Attach(..)) || nth > 0 && (there.is_none() || is_attached) {
                continue;
            }
            match there {
                Some(_) if !self.is_ours(part).await? => {
                    self.leave(part, "the history does not prove that dbopt created it")
                }
                Some(_) if part.kind == PartKind::Parent => match self.strange_part(part).await? {
                    Some(strange) => {
                        self.leave(part, &format!("`{strange}` would go with it, which dbopt did not create"))
                    }
                    None => self.drop(part, false),
                },
                Some(_) => self.drop(part, false),
                None => self.drop(part, true),
            }
        }
        Ok(())
    }

    fn leave(&mut self, part: &Part, why: &str) {
        let (schema, name) = &part.index;
        let finding = Finding::warning("not-ours", format!("`{schema}.{name}` is left: {why}"));
        self.plan.notes.push(finding.help("drop it by hand if it is to go"));
    }

    fn drop(&mut self, part: &Part, is_done: bool) {
        let (schema, name) = &part.index;
        let table = self.catalog.table(part.table);
        let names = (table.schema.as_str(), table.name.as_str());
        let own = Index { schema: schema.clone(), name: name.clone(), ..Index::default() };
        let statement = statements::rollback(self.catalog, part.table, &own).concat();
        let mut action: Box<dyn Action> = if part.kind == PartKind::Parent {
            let gone = format!("SELECT NOT EXISTS ({})", plan::find_sql(schema, name));
            let step = plan::step("drop-parent-index", schema, name, names, statement, Lock::AccessExclusive);
            Box::new(Ddl::new(step).unless(gone))
        } else {
            Box::new(DropIndex::new(names, name, &statement, &part.sql))
        };
        action.step_mut().needs = self.again.to_vec();
        self.plan.steps.push(Planned { action, is_done, index: self.at });
    }

    /// Whether a run created what is there, and it is still that and what the advice says.
    async fn is_ours(&self, part: &Part) -> Result<bool, Error> {
        let (schema, name) = &part.index;
        let Some(there) = find_index(self.session, schema, name).await? else { return Ok(false) };
        let known = created(self.session, schema, name).await?;
        Ok(known.is_some_and(|known| {
            known.table == there.table
                && same_definition(&known.definition, &there.definition)
                && same_definition(&there.definition, &part.sql)
        }))
    }

    /// A part of a partitioned table's index that was there before and that a run only attached. Those that the server
    /// makes itself for new partitions belong to the index.
    async fn strange_part(&self, parent: &Part) -> Result<Option<String>, Error> {
        let below = |part: &&Part| part.index != parent.index && !matches!(part.kind, PartKind::Attach(..));
        for part in self.parts.iter().filter(below) {
            let (schema, name) = &part.index;
            let there = plan::existing(self.catalog, part.table, name);
            if there.is_some_and(|index| index.parent.is_some())
                && was_attached(self.session, schema, name).await?
                && !self.is_ours(part).await?
            {
                return Ok(Some(format!("{schema}.{name}")));
            }
        }
        Ok(None)
    }
}
