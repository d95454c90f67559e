//! Whose the data of a table is, by the references of the policy.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::{GdprPolicy, TableName};

/// The subjects from which references lead to a table
pub(super) fn by_table(policy: &GdprPolicy) -> BTreeMap<TableName, BTreeSet<String>> {
    let mut people: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
    for subject in &policy.subjects {
        let mut reached = BTreeSet::from([subject.table.clone()]);
        // Each turn finds the tables one reference further, until none is new.
        loop {
            let next: Vec<TableName> = policy
                .references
                .iter()
                .filter(|rule| rule.class.is_followed())
                .flat_map(|rule| {
                    let down = reached.contains(&rule.to).then(|| rule.from.clone());
                    let up = (rule.parents && reached.contains(&rule.from)).then(|| rule.to.clone());
                    down.into_iter().chain(up)
                })
                .filter(|table| !reached.contains(table))
                .collect();
            if next.is_empty() {
                break;
            }
            reached.extend(next);
        }
        for table in reached {
            people.entry(table).or_default().insert(subject.name.clone());
        }
    }
    people
}
