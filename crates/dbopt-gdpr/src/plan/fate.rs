//! What becomes of each row that was found, before it is known what refers to it.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_finding::Finding;
use dbopt_sql::quote_ident;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tokio_postgres::{
    Transaction,
    types::{ToSql, Type},
};

use super::{Kept, hold::Holds};
use crate::{
    graph::{EdgeId, Graph, NodeId},
    policy::{Class, ColumnErase, GdprPolicy, Keep, ReferenceErase, RowErase, TableRule},
    walk::{Error, Found, Key, MOST_KEYS, Walked, failed},
};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delete,
    Change(Change),
    Keep,
    /// It stays or goes with what it belongs to.
    Along,
}

/// How a row that stays is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// Whether its columns with data of persons are.
    pub(super) mask: bool,
    /// But not these, which are held.
    pub(super) except: BTreeSet<String>,
    /// References that are emptied or moved.
    pub(super) detach: BTreeSet<EdgeId>,
}

/// What becomes of the rows of each table. Sorted, so that the same plan is the same.
pub(super) type Fates = BTreeMap<NodeId, BTreeMap<Key, Fate>>;

/// What stays, by table, column and reason: how many rows, and until when.
#[derive(Debug, Default)]
pub(super) struct KeptRows(BTreeMap<What, (usize, Option<Date>)>);

/// A table, maybe a column, and a reason.
type What = (NodeId, Option<String>, String);

impl KeptRows {
    pub(super) fn add(&mut self, table: NodeId, column: Option<&str>, why: &str, rows: usize, until: Option<Date>) {
        let entry = self.0.entry((table, column.map(str::to_owned), why.to_owned())).or_default();
        entry.0 += rows;
        entry.1 = entry.1.max(until);
    }

    pub(super) fn list(self) -> Vec<Kept> {
        let one = |((table, column, why), (rows, until))| Kept { table, column, rows, why, until };
        self.0.into_iter().map(one).filter(|kept| kept.rows > 0).collect()
    }
}

pub(super) struct Judge<'a, 'b> {
    pub(super) transaction: &'a Transaction<'b>,
    pub(super) graph: &'a Graph,
    pub(super) policy: &'a GdprPolicy,
    pub(super) holds: &'a Holds,
    pub(super) as_of: Timestamp,
}

impl Judge<'_, '_> {
    pub(super) async fn fates(
        &self,
        walked: &Walked,
        kept: &mut KeptRows,
        findings: &mut Vec<Finding>,
    ) -> Result<Fates, Error> {
        let mut fates = Fates::new();
        for found in &walked.found {
            let node = self.graph.node(found.table);
            let Some(rule) = self.policy.table(&node.table) else {
                let message = format!("the policy does not say what becomes of the rows of `{}`", node.table);
                findings.push(Finding::error("uncovered-table", message));
                continue;
            };
            let stays = match &rule.erase {
                RowErase::Keep(keep) => self.stays(found, keep, kept).await?,
                _ => BTreeSet::new(),
            };
            let mut refused: BTreeMap<EdgeId, usize> = BTreeMap::new();
            let mut only_detached: BTreeMap<&str, usize> = BTreeMap::new();
            for row in found.rows() {
                let fate = match row.class {
                    Class::Owned => match &rule.erase {
                        RowErase::Mask => Fate::Change(Change { mask: true, ..Change::default() }),
                        RowErase::Keep(_) if stays.contains(&row.key) => Fate::Keep,
                        RowErase::Delete | RowErase::Keep(_) => Fate::Delete,
                    },
                    _ => self.in_part(found.via(row), &mut refused),
                };
                let why = if row.class == Class::Shared { "it is others', too" } else { "others wrote it" };
                if fate == Fate::Keep && row.class != Class::Owned {
                    kept.add(found.table, None, why, 1, None);
                }
                let fate = self.held(found.table, &row.key, rule, fate, kept);
                if matches!(fate, Fate::Change(Change { mask: false, .. })) {
                    *only_detached.entry(why).or_default() += 1;
                }
                fates.entry(found.table).or_default().insert(row.key.clone(), fate);
            }
            for (edge, rows) in refused {
                let message = format!(
                    "{rows} rows refer to the person by `{}`, and the policy refuses that",
                    self.graph.edge(edge)
                );
                findings.push(Finding::error("refused-rows", message).help("Say by `erase` what becomes of them."));
            }
            for (why, rows) in only_detached {
                for (name, column) in &rule.columns {
                    match &column.erase {
                        ColumnErase::Keep(keep) => kept.add(found.table, Some(name), &keep.basis, rows, keep.until),
                        _ => kept.add(found.table, Some(name), why, rows, None),
                    }
                }
            }
            self.kept_columns(found.table, rule, &fates, kept, findings);
        }
        Ok(fates)
    }

    /// What becomes of a row that is not the person's alone.
    fn in_part(&self, via: &BTreeSet<EdgeId>, refused: &mut BTreeMap<EdgeId, usize>) -> Fate {
        let mut change = Change::default();
        let (mut is_deleted, mut is_kept) = (false, false);
        for id in via {
            match &self.graph.edge(*id).erase {
                ReferenceErase::Delete => is_deleted = true,
                ReferenceErase::Mask => change.mask = true,
                ReferenceErase::Detach(_) => {
                    change.detach.insert(*id);
                }
                ReferenceErase::Keep => is_kept = true,
                ReferenceErase::Refuse => *refused.entry(*id).or_default() += 1,
                ReferenceErase::AsTable => {}
            }
        }
        match (is_deleted, change == Change::default(), is_kept) {
            (true, ..) => Fate::Delete,
            (_, false, _) => Fate::Change(change),
            (_, _, true) => Fate::Keep,
            _ => Fate::Along,
        }
    }

    /// What a hold makes of it.
    fn held(&self, table: NodeId, key: &Key, rule: &TableRule, fate: Fate, kept: &mut KeptRows) -> Fate {
        let Some(held) = self.holds.get(table, key) else { return fate };
        if let Some(hold) = &held.row {
            kept.add(table, None, &format!("hold `{}`", hold.name), 1, hold.until);
            return Fate::Keep;
        }
        for (field, hold) in &held.fields {
            kept.add(table, Some(field), &format!("hold `{}`", hold.name), 1, hold.until);
        }
        let mut change = match fate {
            Fate::Delete => Change { mask: !rule.columns.is_empty(), ..Change::default() },
            Fate::Change(change) => change,
            other => return other,
        };
        change.except = held.fields.keys().cloned().collect();
        Fate::Change(change)
    }

    /// The rows that the law wants kept still.
    async fn stays(&self, found: &Found, keep: &Keep, kept: &mut KeptRows) -> Result<BTreeSet<Key>, Error> {
        let owned = || found.rows().iter().filter(|row| row.class == Class::Owned).map(|row| &row.key);
        let Some((column, after)) = &keep.after else {
            if keep.until.is_none_or(|until| until < self.today()) {
                return Ok(BTreeSet::new());
            }
            let keys: BTreeSet<Key> = owned().cloned().collect();
            kept.add(found.table, None, &keep.basis, keys.len(), keep.until);
            return Ok(keys);
        };
        let node = self.graph.node(found.table);
        let width = node.identity.width();
        let time = format!("(t.{}::timestamptz + ${}::text::interval)", quote_ident(column), width + 1);
        // A row without a time is kept: nobody knows that it may go.
        let sql = format!(
            "SELECT {}, to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM {} WHERE ({time} > ${}::text::timestamptz) IS NOT FALSE",
            node.key_texts("t").join(", "),
            node.by_keys("t"),
            width + 2
        );
        let (length, now) = (format!("{} milliseconds", after.get().as_millis()), self.as_of.to_string());
        let mut keys = BTreeSet::new();
        for chunk in found.chunks(MOST_KEYS) {
            let mut parameters = chunk.parameters();
            parameters.push((&length as &(dyn ToSql + Sync), Type::TEXT));
            parameters.push((&now, Type::TEXT));
            let rows = self.transaction.query_typed(&sql, &parameters).await;
            for row in rows.map_err(|error| failed(format!("what is kept of `{}`", node.table), &error))? {
                let key: Key = (0..width).map(|at| Box::from(row.get::<_, &str>(at))).collect();
                if found.get(&key).is_some_and(|row| row.class == Class::Owned) {
                    let until = row.get::<_, Option<&str>>(width).and_then(|day| day.parse().ok());
                    kept.add(found.table, None, &keep.basis, 1, until);
                    keys.insert(key);
                }
            }
        }
        Ok(keys)
    }

    /// Says which columns of changed rows are kept.
    fn kept_columns(
        &self,
        table: NodeId,
        rule: &TableRule,
        fates: &Fates,
        kept: &mut KeptRows,
        findings: &mut Vec<Finding>,
    ) {
        let is_masked = |fate: &&Fate| matches!(fate, Fate::Change(Change { mask: true, .. }));
        let rows = fates.get(&table).map_or(0, |rows| rows.values().filter(is_masked).count());
        for (name, column) in &rule.columns {
            let ColumnErase::Keep(keep) = &column.erase else { continue };
            if rows > 0 && keep.after.is_none() && keep.until.is_some_and(|until| until < self.today()) {
                let message = format!(
                    "`{}.{}` is kept until a day that is past",
                    self.graph.node(table).table,
                    quote_ident(name)
                );
                findings
                    .push(Finding::error("keep-expired", message).help("Say what becomes of it by another `erase`."));
            }
            kept.add(table, Some(name), &keep.basis, rows, keep.until);
        }
    }

    fn today(&self) -> Date {
        self.as_of.to_zoned(TimeZone::UTC).date()
    }
}
