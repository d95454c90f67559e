//! Whether a plan still fits the database.

use super::{Item, Plan, Work};
use crate::facts::Facts;

impl Plan {
    /// Whether a saved plan is one that this version made for this database: its statements are what its work says.
    ///
    /// # Errors
    /// With why not.
    pub fn confirm(&self, facts: &Facts) -> Result<(), String> {
        if self.schema_version != super::VERSION {
            return Err(format!("it has format {}, and this dbopt reads {}", self.schema_version, super::VERSION));
        }
        if self.database != facts.server.database {
            return Err(format!("it is for the database `{}`, and this is `{}`", self.database, facts.server.database));
        }
        // A file anybody may have edited is run with the rights of an owner.
        let is_other = |item: &&Item| {
            let action = item.work.action();
            let step = action.step();
            item.statements != step.statements || item.lock != step.lock.to_string()
        };
        match self.items.iter().find(is_other) {
            Some(item) => Err(format!("its statements for `{}` are not those of its work", item.work.object())),
            None => Ok(()),
        }
    }
}

impl Item {
    /// Why the item does not fit any more, if so: its object is gone, is another of the same name, or has been rewritten.
    #[must_use]
    pub fn stale(&self, facts: &Facts) -> Option<String> {
        let name = self.work.object();
        let rewritten = || Some(format!("`{name}` has been rewritten since it was planned"));
        if let Work::Reindex { index, .. } = &self.work {
            return match facts.index(index.oid) {
                // A concurrent rebuild gives another index the name.
                None if facts
                    .indexes
                    .iter()
                    .any(|now| now.index.name == index.name && now.index.table == index.table) =>
                {
                    rewritten()
                }
                None => Some(format!("`{name}` is not there any more")),
                Some(now) if now.index.name != index.name || now.index.table != index.table => {
                    Some(format!("`{name}` has another name or table now: `{}`", now.index))
                }
                Some(now) if now.index.relfilenode != index.relfilenode => rewritten(),
                Some(_) => None,
            };
        }
        let (table, file) = match &self.work {
            Work::Vacuum { table, relfilenode, .. }
            | Work::Analyze { table, relfilenode }
            | Work::DeleteRows { table, relfilenode, .. } => (table, relfilenode),
            Work::DropPartition { partition, relfilenode, .. } => (partition, relfilenode),
            Work::Reindex { .. } => return None,
        };
        match facts.table(table.oid) {
            None => Some(format!("`{name}` is not there any more")),
            Some(now) if now.table != *table => Some(format!("`{name}` has another name now: `{}`", now.table)),
            Some(now) if now.relfilenode != *file => rewritten(),
            Some(_) => self.moved(facts),
        }
    }

    /// Why a partition may not be dropped any more, if so.
    fn moved(&self, facts: &Facts) -> Option<String> {
        let Work::DropPartition { partition, parent, cutoff, .. } = &self.work else { return None };
        let now = facts.partitions.iter().find(|now| now.table.oid == partition.oid);
        match now {
            Some(now) if now.parent == *parent => (!super::retention::is_expired(now, *cutoff))
                .then(|| format!("`{partition}` has other bounds now, and is not expired by them")),
            _ => Some(format!("`{partition}` is no partition of `{parent}` any more")),
        }
    }
}
