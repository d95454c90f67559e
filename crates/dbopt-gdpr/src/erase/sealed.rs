//! Values that are erased by destroying the key of the person that sealed them.

use std::collections::BTreeSet;

use dbopt_crypto::{Envelope, KeyNumber, KeyOwner, SubjectTable};
use dbopt_sql::quote_ident;
use tokio_postgres::Transaction;

use super::{EraseError, Erasure};
use crate::{
    plan::Plan,
    policy::{Class, ColumnErase, RowErase},
    walk::{Key, KeyArrays, MOST_KEYS, Walked, ask},
};

/// Looks whether the keys that are to be destroyed are those that the values are under, and take nothing with them that is kept; gives their numbers.
pub(super) async fn check(
    erasure: &Erasure<'_>,
    transaction: &Transaction<'_>,
    walked: &Walked,
    plan: &Plan,
) -> Result<BTreeSet<KeyNumber>, EraseError> {
    let mut numbers = BTreeSet::new();
    for key in erasure.keys {
        numbers.extend(SubjectTable::number(transaction, &key.purpose, &key.subject).await?);
    }
    for found in &walked.found {
        let node = erasure.graph.node(found.table);
        let Some(rule) = erasure.policy.table(&node.table) else { continue };
        let sealed = rule.columns.iter().filter(|(_, column)| column.erase == ColumnErase::Encrypt);
        for (name, _) in sealed {
            let is_kept = |kept: &crate::Kept| {
                kept.table == found.table && kept.column.as_ref().is_none_or(|column| column == name)
            };
            if !erasure.keys.is_empty() && plan.kept.iter().any(is_kept) {
                return Err(EraseError::KeptSealed(node.table.to_string()));
            }
            if rule.erase != RowErase::Mask {
                continue;
            }
            let owned = found.rows().iter().filter(|row| row.class == Class::Owned).map(|row| &row.key);
            let owned: Vec<&Key> = owned.collect();
            let sql =
                format!("SELECT t.{0}::bytea FROM {1} WHERE t.{0} IS NOT NULL", quote_ident(name), node.by_keys("t"));
            let column = format!("{}.{}", node.table, quote_ident(name));
            let mut readable = 0;
            for chunk in owned.chunks(MOST_KEYS) {
                let keys = KeyArrays::of(chunk.iter().copied());
                for row in ask(transaction, &sql, &keys, || format!("`{column}`")).await? {
                    let is_sealed = Envelope::parse(row.get(0))
                        .is_ok_and(|envelope| envelope.owner == KeyOwner::Subject && numbers.contains(&envelope.key));
                    readable += u64::from(!is_sealed);
                }
            }
            if readable > 0 {
                return Err(EraseError::Readable { column, rows: readable });
            }
        }
    }
    Ok(numbers)
}

/// Destroys the keys; how many.
pub(super) async fn destroy(
    erasure: &Erasure<'_>,
    transaction: &Transaction<'_>,
    numbers: &BTreeSet<KeyNumber>,
) -> Result<u64, EraseError> {
    let mut destroyed = 0;
    for key in erasure.keys {
        let number = SubjectTable::erase(transaction, &key.purpose, &key.subject).await?;
        // One that was made in between has sealed nothing that was looked at.
        destroyed += u64::from(number.is_some_and(|number| numbers.contains(&number)));
    }
    Ok(destroyed)
}
