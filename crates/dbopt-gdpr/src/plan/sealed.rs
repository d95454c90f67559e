//! Values that stay in rows that stay, and open nowhere any more once the person's own key is destroyed.
//!
//! No statement shows them, so the plan lists them: a sealed value says the number of the key that it is under, and `dbopt.subject_key` what
//! that key is for.

use std::collections::BTreeMap;

use dbopt_crypto::{Envelope, KeyId, KeyNumber, KeyOwner};
use dbopt_finding::Finding;
use dbopt_sql::quote_ident;
use tokio_postgres::{Transaction, types::Type};

use super::fate::{Change, Fate, Fates};
use crate::{
    graph::{Graph, NodeId},
    policy::{ColumnErase, GdprPolicy},
    walk::{Error, Key, KeyArrays, MOST_KEYS, ask, failed},
};

/// Values of one column of rows that stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The table.
    pub table: NodeId,
    /// The column.
    pub column: String,
    /// How many values.
    pub rows: usize,
    /// What they are under.
    pub by: SealedBy,
}

/// What values are under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealedBy {
    /// A key of a person that is there, and what it is for.
    Key(KeyNumber, KeyId),
    /// A key of a person that was destroyed. They are erased.
    Gone,
    /// No key of a person: destroying one does not erase them.
    Nobody,
}

/// The code of what is said of values whose key has to be destroyed.
pub(crate) const SEALED: &str = "sealed-values";

/// Counts the values of columns with `erase = 'encrypt'` in rows that stay, by the keys that they are under.
pub(super) async fn sealed(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    fates: &Fates,
) -> Result<Vec<Sealed>, Error> {
    let mut counts: BTreeMap<(NodeId, String, Option<KeyNumber>), usize> = BTreeMap::new();
    for (table, rows) in fates {
        let node = graph.node(*table);
        let columns = policy.table(&node.table).map(|rule| &*rule.columns).unwrap_or_default();
        for (name, _) in columns.iter().filter(|(_, column)| column.erase == ColumnErase::Encrypt) {
            let is_masked =
                |fate: &Fate| matches!(fate, Fate::Change(Change { mask: true, except, .. }) if !except.contains(name));
            let keys: Vec<&Key> = rows.iter().filter(|(_, fate)| is_masked(fate)).map(|(key, _)| key).collect();
            // The first bytes say what it is under.
            let sql = format!(
                "SELECT substr(t.{0}::bytea, 1, 64) FROM {1} WHERE t.{0} IS NOT NULL",
                quote_ident(name),
                node.by_keys("t")
            );
            for chunk in keys.chunks(MOST_KEYS) {
                let what = || format!("`{}.{}`", node.table, quote_ident(name));
                for row in ask(transaction, &sql, &KeyArrays::of(chunk.iter().copied()), what).await? {
                    let envelope = Envelope::parse(row.get(0)).ok();
                    let number =
                        envelope.filter(|envelope| envelope.owner == KeyOwner::Subject).map(|envelope| envelope.key);
                    *counts.entry((*table, name.clone(), number)).or_default() += 1;
                }
            }
        }
    }
    let living = living(transaction, counts.keys().filter_map(|(_, _, number)| *number)).await?;
    let one = |((table, column, number), rows): ((NodeId, String, Option<KeyNumber>), usize)| {
        let by = match number.map(|number| (number, living.get(&number))) {
            None => SealedBy::Nobody,
            Some((_, None)) => SealedBy::Gone,
            Some((number, Some(purpose))) => SealedBy::Key(number, purpose.clone()),
        };
        Sealed { table, column, rows, by }
    };
    Ok(counts.into_iter().map(one).collect())
}

/// What keys of persons are for, of those that are there.
async fn living(
    transaction: &Transaction<'_>,
    numbers: impl Iterator<Item = KeyNumber>,
) -> Result<BTreeMap<KeyNumber, KeyId>, Error> {
    const SQL: &str = "SELECT number, purpose FROM dbopt.subject_key WHERE number = ANY ($1)";
    let numbers: Vec<i64> = numbers.map(|number| number.get().into()).collect();
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = transaction.query_typed(SQL, &[(&numbers, Type::INT8_ARRAY)]).await;
    let rows = rows.map_err(|error| failed("the keys of persons", &error))?;
    let one = |row: &tokio_postgres::Row| {
        let number = u32::try_from(row.get::<_, i64>(0)).ok().and_then(KeyNumber::new)?;
        Some((number, KeyId::new(row.get::<_, &str>(1)).ok()?))
    };
    Ok(rows.iter().filter_map(one).collect())
}

/// What is to be known of them.
pub(super) fn findings(graph: &Graph, sealed: &[Sealed]) -> Vec<Finding> {
    let one = |sealed: &Sealed| {
        let column = format!("{}.{}", graph.node(sealed.table).table, quote_ident(&sealed.column));
        match &sealed.by {
            SealedBy::Gone => None,
            SealedBy::Key(_, purpose) => {
                let message = format!(
                    "{} values of `{column}` stay until the key of purpose `{purpose}` that they are under is destroyed",
                    sealed.rows
                );
                let help = format!("Erase with `--destroy-key {purpose}`.");
                Some(Finding::warning(SEALED, message).help(help))
            }
            SealedBy::Nobody => {
                let message =
                    format!("{} values of `{column}` are under no key of a person and would stay", sealed.rows);
                let help = "Seal them by keys of persons with `dbopt re-encrypt`, or write another `erase`.";
                Some(Finding::error("not-sealed", message).help(help))
            }
        }
    };
    sealed.iter().filter_map(one).collect()
}
