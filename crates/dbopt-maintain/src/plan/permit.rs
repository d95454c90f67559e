//! Whether a saved plan takes away no more than the policy lets go.
//!
//! A plan is a file that anybody may have edited, and what retention takes away does not come back. So of a saved plan
//! nothing goes that the policy of this run has no rule for, and nothing that the rule keeps by the server's clock of now.

use super::{Archived, Cutoff, Plan, Work, lineage, retention};
use crate::facts::Facts;
use crate::object::TableRef;
use crate::policy::{By, MaintenancePolicy, RetentionRule};

impl Plan {
    /// Whether the policy allows all that a saved plan takes away: a rule for the table, its time, limits and archive.
    ///
    /// Tables that are not there any more are passed over here, because [`super::Item::stale`] refuses them one by one.
    ///
    /// # Errors
    /// With what the policy does not allow.
    pub fn permit(&self, facts: &Facts, policy: &MaintenancePolicy) -> Result<(), String> {
        for item in &self.items {
            if !matches!(item.work, Work::DeleteRows { .. } | Work::DropPartition { .. }) {
                continue;
            }
            let table = item.work.table();
            if facts.table(table.oid).is_some_and(|now| now.table == *table) {
                permit(&item.work, facts, policy)
                    .map_err(|why| format!("what is to go of `{table}` is not what the policy lets go: {why}"))?;
            }
        }
        for rule in &policy.retention {
            if let Some(why) = self.beyond(facts, rule) {
                let (schema, name) = &rule.table;
                return Err(format!("what is to go of `{schema}.{name}` is not what the policy lets go: {why}"));
            }
        }
        Ok(())
    }

    /// Why the partitions that go by a rule may not go together.
    fn beyond(&self, facts: &Facts, rule: &RetentionRule) -> Option<String> {
        let (schema, name) = &rule.table;
        let of = |parent: &TableRef| (&parent.schema, &parent.name) == (schema, name);
        let going = self.done().filter_map(|item| match &item.work {
            Work::DropPartition { partition, parent, .. } if of(parent) => Some(partition.oid),
            _ => None,
        });
        let all = facts.partitions.iter().filter(|partition| of(&partition.parent));
        let all: Vec<u32> = all.map(|partition| partition.table.oid).collect();
        // What is not there any more goes with nobody.
        let going: Vec<u32> = going.filter(|oid| all.contains(oid)).collect();
        retention::beyond(facts, &rule.whole, &going, &all)
    }
}

fn permit(work: &Work, facts: &Facts, policy: &MaintenancePolicy) -> Result<(), String> {
    let lineage = lineage(facts, work.table());
    let is_for = |rule: &&RetentionRule| {
        let (schema, name) = &rule.table;
        policy.scope.contains(schema, name) && lineage.iter().any(|of| of.schema == *schema && of.name == *name)
    };
    let mut why = "it has no rule for that table".to_owned();
    for rule in policy.retention.iter().filter(is_for) {
        match allows(rule, work, facts.server.now) {
            Ok(()) => return Ok(()),
            Err(other) => why = other,
        }
    }
    Err(why)
}

/// Whether a rule allows it at a moment.
fn allows(rule: &RetentionRule, work: &Work, now: i64) -> Result<(), String> {
    let newest = retention::cutoff(rule, now);
    let in_time = |cutoff: i64, newest: i64| match cutoff <= newest {
        true => Ok(()),
        false => Err("its cutoff is later than `keep` of the rule allows".to_owned()),
    };
    match work {
        Work::DeleteRows { table, column, cutoff, most_rows, most_share, cascades, triggers, archive, .. } => {
            let is_its_column = match &rule.by {
                By::Rows { column: own } => own == column,
                By::Partitions { column: own, rest, .. } => {
                    let is_part = (&table.schema, &table.name) != (&rule.table.0, &rule.table.1);
                    *rest && is_part && own.as_ref() == Some(column)
                }
            };
            if !is_its_column {
                return Err(format!("the rule deletes no rows by `{column}`"));
            }
            match *cutoff {
                Cutoff::Instant(at) => in_time(at, newest)?,
                Cutoff::Civil(at) => in_time(at, newest.saturating_sub(retention::LAST_ZONE))?,
            }
            // A share that is no number compares with nothing, and is not within the limit.
            let is_within = *most_rows <= rule.most_rows && *most_share <= rule.most_share;
            if !is_within {
                return Err("`most_rows` or `most_share` is more than the rule's".to_owned());
            }
            let own: Vec<String> = rule.cascades.iter().map(ToString::to_string).collect();
            if let Some(other) = cascades.iter().find(|other| !own.contains(other)) {
                return Err(format!("`{other}` is not among `cascades` of the rule"));
            }
            if let Some(other) = triggers.iter().find(|other| !rule.triggers.contains(other)) {
                return Err(format!("`{other}` is not among `triggers` of the rule"));
            }
            same_archive(rule, archive.as_ref())
        }
        Work::DropPartition { parent, cutoff, prove, archive, .. } => {
            let By::Partitions { column, prove: is_proved, .. } = &rule.by else {
                return Err("the rule is by rows, and drops no partitions".to_owned());
            };
            if (&parent.schema, &parent.name) != (&rule.table.0, &rule.table.1) {
                return Err(format!("the rule is for partitions of `{}.{}`", rule.table.0, rule.table.1));
            }
            in_time(*cutoff, newest)?;
            if *is_proved && prove != column {
                return Err("`prove` of the rule is left out".to_owned());
            }
            same_archive(rule, archive.as_ref())
        }
        Work::Vacuum { .. } | Work::Analyze { .. } | Work::Reindex { .. } => Ok(()),
    }
}

fn same_archive(rule: &RetentionRule, archive: Option<&Archived>) -> Result<(), String> {
    match rule.archive.as_ref().map(retention::archived).as_ref() == archive {
        true => Ok(()),
        false => Err("its archive is not the rule's".to_owned()),
    }
}
