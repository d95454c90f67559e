//! Measures of security that follow from the policy.

use crate::policy::{ColumnErase, GdprPolicy, TableRule};

/// Those that the policy tells in words, and those that follow from it.
pub(super) fn measures(policy: &GdprPolicy) -> Vec<String> {
    let mut measures = policy.controller.security.clone();
    if policy.pseudonym.is_some() {
        measures
            .push("Records of exports and erasures name persons by keyed pseudonyms (HMAC-SHA-256) only.".to_owned());
    }
    let columns = |wanted: fn(&ColumnErase) -> bool| -> Vec<String> {
        let of = |rule: &TableRule| {
            let names = rule
                .columns
                .iter()
                .filter(|(_, column)| wanted(&column.erase))
                .map(|(name, _)| format!("`{}.{name}`", rule.table));
            names.collect::<Vec<_>>()
        };
        policy.tables.iter().flat_map(of).collect()
    };
    let sealed = columns(|erase| *erase == ColumnErase::Encrypt);
    if !sealed.is_empty() {
        measures
            .push(format!("Encrypted by keys of single persons, which are destroyed to erase: {}.", sealed.join(", ")));
    }
    let masked = columns(|erase| matches!(erase, ColumnErase::Hmac | ColumnErase::Pseudonym));
    if !masked.is_empty() {
        measures.push(format!("Pseudonymised where rows stay after an erasure: {}.", masked.join(", ")));
    }
    measures
}
