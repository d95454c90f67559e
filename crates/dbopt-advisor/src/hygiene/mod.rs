//! Which existing indexes can go, and which foreign keys lack one.
//!
//! One rule a file. An index that enforces something (uniqueness, a constraint, the replica identity) is never dropped
//! in favour of one that does not, and none is dropped for two reasons.

mod covered;
mod duplicate;
mod foreign_key;
mod invalid;
mod unused;

use std::collections::BTreeSet;

use dbopt_catalog::{Catalog, Index, Table, TableId};

use crate::{
    advice::{Confidence, CreateIndex, DropIndex, DropReason},
    cover::covers,
};

pub(crate) use foreign_key::missing_foreign_keys;

/// What the rules look at.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// Existing indexes that plans of the workload use, now or with the advice followed.
    pub used: &'a BTreeSet<(TableId, usize)>,
    /// The indexes that are advised.
    pub create: &'a [CreateIndex],
}

/// The indexes to drop, the largest first.
#[must_use]
pub fn drops(evidence: &Evidence<'_>) -> Vec<DropIndex> {
    let mut drops: Vec<DropIndex> = Vec::new();
    for at in 0..evidence.catalog.tables.len() {
        let table = TableId(at);
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        // In this order: a certain reason comes before a likely one.
        let rules: [Rule; 5] = [invalid::check, duplicate::check, covered::check, replaced, unused::check];
        for rule in rules {
            for index in 0..evidence.catalog.table(table).indexes.len() {
                if !gone.contains(&index)
                    && let Some(found) = rule(evidence, table, index, &gone)
                {
                    gone.insert(index);
                    drops.push(found);
                }
            }
        }
    }
    drops.sort_by(|a, b| {
        b.bytes
            .unwrap_or(0.0)
            .total_cmp(&a.bytes.unwrap_or(0.0))
            .then(a.table.cmp(&b.table))
            .then(a.index.cmp(&b.index))
    });
    drops
}

/// Checks one index of a table; the set holds the indexes of the table that go already.
type Rule = fn(&Evidence<'_>, TableId, usize, &BTreeSet<usize>) -> Option<DropIndex>;

/// An advised index does all that this one does.
fn replaced(evidence: &Evidence<'_>, table: TableId, at: usize, _: &BTreeSet<usize>) -> Option<DropIndex> {
    let index = &evidence.catalog.table(table).indexes[at];
    if enforces(index) {
        return None;
    }
    let by = evidence.create.iter().position(|create| create.table == table && covers(&create.index, index))?;
    let notes = vec!["Drop it only after the new index is there and valid.".to_owned()];
    Some(found(evidence, table, at, DropReason::ReplacedBy(by), evidence.create[by].confidence, notes))
}

/// Whether an index does more than speed: it cannot simply go.
#[must_use]
pub fn enforces(index: &Index) -> bool {
    index.unique || index.primary || index.constraint.is_some() || index.identity || index.parent.is_some()
}

fn found(
    evidence: &Evidence<'_>,
    table: TableId,
    index: usize,
    reason: DropReason,
    confidence: Confidence,
    notes: Vec<String>,
) -> DropIndex {
    let catalog = evidence.catalog;
    let pages = catalog.table(table).indexes[index].pages;
    let bytes = pages.map(|pages| pages * f64::from(catalog.server.block_size));
    DropIndex { table, index, reason, bytes, confidence, notes }
}

/// Whether an index is the only one that serves a foreign key of its table.
fn serves_foreign_key(table: &Table, at: usize, gone: &BTreeSet<usize>) -> bool {
    table.foreign_keys().any(|(constraint, ..)| {
        let leads = |index: &Index| foreign_key::leads_with(index, &constraint.columns);
        let others = || table.indexes.iter().enumerate().filter(|(other, _)| *other != at && !gone.contains(other));
        leads(&table.indexes[at]) && !others().any(|(_, index)| index.valid && leads(index))
    })
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::{Activity, Constraint, ConstraintKind, IndexKey};

    use super::*;
    use crate::{advice::WriteCost, whatif::Engine};

    fn index(name: &str, keys: &[&str]) -> Index {
        Index {
            name: name.to_owned(),
            keys: keys.iter().map(|key| IndexKey::column(*key)).collect(),
            pages: Some(10.0),
            scans: Some(5),
            ..Index::default()
        }
    }

    fn catalog(indexes: Vec<Index>) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.server.statistics_reset = Some(0);
        catalog.server.read_at = Some(40 * 86_400);
        let activity = Some(Activity { index_scans: 7, ..Activity::default() });
        catalog.tables.push(Table { name: "t".to_owned(), indexes, activity, rows: Some(1e5), ..Table::default() });
        catalog
    }

    fn check(catalog: &Catalog, used: &[usize], create: &[CreateIndex], expected: &[(&str, DropReason)]) {
        let used = used.iter().map(|at| (TableId(0), *at)).collect();
        let drops = drops(&Evidence { catalog, used: &used, create });
        let found: Vec<_> =
            drops.iter().map(|drop| (&*catalog.tables[0].indexes[drop.index].name, drop.reason.clone())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn of_two_alike_the_one_that_enforces_or_is_used_more_stays() {
        let busy = Index { scans: Some(900), ..index("b", &["x"]) };
        check(&catalog(vec![index("a", &["x"]), busy.clone()]), &[], &[], &[("a", DropReason::Duplicate(1))]);
        let unique = Index { unique: true, ..index("u", &["x"]) };
        check(&catalog(vec![busy.clone(), unique.clone()]), &[], &[], &[("b", DropReason::Duplicate(1))]);
        let three = vec![index("a", &["x"]), index("b", &["x"]), index("c", &["x"])];
        let expected = [("b", DropReason::Duplicate(0)), ("c", DropReason::Duplicate(0))];
        check(&catalog(three), &[], &[], &expected);
        let key =
            |name: &str| Index { constraint: Some(name.to_owned()), ..Index { unique: true, ..index(name, &["x"]) } };
        check(&catalog(vec![key("k"), key("l")]), &[], &[], &[]);
    }

    #[test]
    fn leading_keys_are_covered_but_never_by_what_goes() {
        check(
            &catalog(vec![index("a", &["x"]), index("b", &["x", "y"])]),
            &[0],
            &[],
            &[("a", DropReason::CoveredBy(1))],
        );
        let invalid = Index { valid: false, ..index("b", &["x", "y"]) };
        check(&catalog(vec![index("a", &["x"]), invalid]), &[], &[], &[("b", DropReason::Invalid)]);
        let unique = Index { unique: true, ..index("a", &["x"]) };
        check(&catalog(vec![unique, index("b", &["x", "y"])]), &[], &[], &[]);
        let chain = vec![index("a", &["x"]), index("b", &["x", "y"]), index("c", &["x", "y", "z"])];
        let expected = [("a", DropReason::CoveredBy(2)), ("b", DropReason::CoveredBy(2))];
        check(&catalog(chain), &[], &[], &expected);
    }

    #[test]
    fn unused_means_no_scan_no_plan_and_no_other_purpose() {
        let idle = |name: &str| Index { scans: Some(0), ..index(name, &["x"]) };
        let expected = [("a", DropReason::Unused { days: Some(40.0) })];
        check(&catalog(vec![idle("a")]), &[], &[], &expected);
        check(&catalog(vec![idle("a")]), &[0], &[], &[]);
        check(&catalog(vec![Index { identity: true, ..idle("a") }]), &[], &[], &[]);
        check(&catalog(vec![Index { scans: None, ..idle("a") }]), &[], &[], &[]);
        let mut referencing = catalog(vec![idle("a")]);
        referencing.tables[0].constraints.push(Constraint {
            name: "f".to_owned(),
            kind: ConstraintKind::Foreign {
                table: (String::new(), "p".to_owned()),
                columns: vec!["id".to_owned()],
                on_delete: "NO ACTION".to_owned(),
            },
            columns: vec!["x".to_owned()],
        });
        check(&referencing, &[], &[], &[]);
        let mut fresh = catalog(vec![idle("a")]);
        fresh.tables[0].activity = Some(Activity::default());
        check(&fresh, &[], &[], &[]);
    }

    #[test]
    fn an_advised_index_replaces_what_it_covers() {
        let create = CreateIndex {
            table: TableId(0),
            index: index("new", &["x", "y"]),
            benefits: Vec::new(),
            bytes: 0.0,
            build_seconds: None,
            write: WriteCost::default(),
            replaces: Vec::new(),
            confidence: Confidence::Medium,
            notes: Vec::new(),
            engine: Engine::Model,
        };
        let existing = vec![index("a", &["x"]), index("b", &["y"])];
        check(&catalog(existing), &[], &[create], &[("a", DropReason::ReplacedBy(0))]);
    }
}
