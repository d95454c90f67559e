//! Which existing indexes can go, and which foreign keys lack one.
//!
//! One rule a file. An index that enforces something (uniqueness, a constraint, the replica identity) is never dropped
//! in favour of one that does not, and none is dropped for two reasons.

mod covered;
mod duplicate;
mod foreign_key;
mod invalid;
mod unused;

use std::collections::{BTreeMap, BTreeSet};

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
    /// Whether the search was stopped before its end, so that `used` and `create` say little: only what the catalogue
    /// alone proves is then found.
    pub interrupted: bool,
}

/// What the rules found, the largest first.
#[derive(Debug, Default)]
pub struct Hygiene {
    /// Indexes to drop.
    pub drop: Vec<DropIndex>,
    /// Indexes that look unused, but not for long enough to drop them.
    pub unproven: Vec<DropIndex>,
}

/// The indexes that can go.
#[must_use]
pub fn check(evidence: &Evidence<'_>) -> Hygiene {
    let mut hygiene = Hygiene::default();
    for at in 0..evidence.catalog.tables.len() {
        let table = TableId(at);
        let mut drops: Vec<DropIndex> = Vec::new();
        // In this order: a certain reason comes before a likely one.
        let rules: [Rule; 5] = [invalid::check, duplicate::check, covered::check, replaced, unused::check];
        let certain = if evidence.interrupted { 3 } else { rules.len() };
        for rule in &rules[..certain] {
            let mut gone: BTreeSet<usize> = drops.iter().map(|drop| drop.index).collect();
            for index in 0..evidence.catalog.table(table).indexes.len() {
                if !gone.contains(&index)
                    && let Some(found) = rule(evidence, table, index, &gone)
                {
                    gone.insert(index);
                    drops.push(found);
                }
            }
        }
        name_survivors(&mut drops);
        // Of several indexes that do the same, the one that stays takes over the scans of the others: whether it is used
        // shows only when they are gone.
        let survivors: BTreeSet<usize> = drops.iter().filter_map(|drop| survivor(&drop.reason)).collect();
        drops.retain(|drop| !matches!(drop.reason, DropReason::Unused { .. }) || !survivors.contains(&drop.index));
        let (unproven, drop): (Vec<_>, Vec<_>) = drops.into_iter().partition(|drop| !unused::is_proven(&drop.reason));
        hygiene.unproven.extend(unproven);
        hygiene.drop.extend(drop);
    }
    for drops in [&mut hygiene.drop, &mut hygiene.unproven] {
        drops.sort_by(|a, b| {
            b.bytes
                .unwrap_or(0.0)
                .total_cmp(&a.bytes.unwrap_or(0.0))
                .then(a.table.cmp(&b.table))
                .then(a.index.cmp(&b.index))
        });
    }
    hygiene
}

/// The existing index of the same table that stays in the place of a dropped one.
fn survivor(reason: &DropReason) -> Option<usize> {
    match reason {
        DropReason::Duplicate(by) | DropReason::CoveredBy(by) => Some(*by),
        DropReason::ReplacedBy(_) | DropReason::Unused { .. } | DropReason::Invalid => None,
    }
}

/// Where the survivor of one drop is itself dropped for what covers it, names that one: an index that does all that
/// the survivor does also does all that the first one did.
fn name_survivors(drops: &mut [DropIndex]) {
    // Each step follows a chain by one link, and no chain is longer than the list.
    for _ in 0..drops.len() {
        let reasons: BTreeMap<usize, DropReason> = drops.iter().map(|drop| (drop.index, drop.reason.clone())).collect();
        let mut changed = false;
        for drop in &mut *drops {
            let next = survivor(&drop.reason).and_then(|by| reasons.get(&by));
            if let Some(reason @ (DropReason::CoveredBy(_) | DropReason::ReplacedBy(_))) = next {
                drop.reason = reason.clone();
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
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

    fn named<'a>(catalog: &'a Catalog, drops: &[DropIndex]) -> Vec<(&'a str, DropReason)> {
        drops.iter().map(|drop| (&*catalog.tables[0].indexes[drop.index].name, drop.reason.clone())).collect()
    }

    fn check(catalog: &Catalog, used: &[usize], create: &[CreateIndex], expected: &[(&str, DropReason)]) {
        let used = used.iter().map(|at| (TableId(0), *at)).collect();
        let found = super::check(&Evidence { catalog, used: &used, create, interrupted: false });
        assert_eq!(named(catalog, &found.drop), expected);
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
    fn young_or_undated_statistics_prove_no_index_idle() {
        let used = BTreeSet::new();
        for (reset, days) in [(Some(34 * 86_400), Some(6.0)), (None, None)] {
            let mut catalog = catalog(vec![Index { scans: Some(0), ..index("a", &["x"]) }]);
            catalog.server.statistics_reset = reset;
            let evidence = Evidence { catalog: &catalog, used: &used, create: &[], interrupted: false };
            let found = super::check(&evidence);
            assert_eq!(named(&catalog, &found.drop), []);
            assert_eq!(named(&catalog, &found.unproven), [("a", DropReason::Unused { days })]);
            let stopped = super::check(&Evidence { interrupted: true, ..evidence });
            assert!(stopped.drop.is_empty() && stopped.unproven.is_empty());
        }
    }

    #[test]
    fn of_idle_duplicates_one_stays_and_a_chain_names_its_end() {
        let idle = |name: &str| Index { scans: Some(0), ..index(name, &["x"]) };
        let pair = catalog(vec![idle("a"), idle("b")]);
        check(&pair, &[], &[], &[("b", DropReason::Duplicate(0))]);
        let chain = catalog(vec![idle("a"), idle("b"), index("c", &["x", "y"])]);
        check(&chain, &[], &[], &[("a", DropReason::CoveredBy(2)), ("b", DropReason::CoveredBy(2))]);
    }

    proptest::proptest! {
        #[test]
        fn what_a_dropped_index_did_another_still_does(
            drawn in proptest::collection::vec((0..3_usize, 0..3_usize, 0..2_u64, 0..8_u8, 0..6_u8), 1..7),
        ) {
            let keys: [&[&str]; 3] = [&["x"], &["x", "y"], &["x", "y", "z"]];
            let indexes = drawn.iter().enumerate().map(|(at, (keys_at, include, scans, unique, invalid))| Index {
                scans: Some(*scans),
                unique: *unique == 0,
                valid: *invalid != 0,
                include: if *include == 0 { vec!["i".to_owned()] } else { Vec::new() },
                ..index(&at.to_string(), keys[*keys_at])
            });
            let catalog = catalog(indexes.collect());
            let used = BTreeSet::new();
            let found = super::check(&Evidence { catalog: &catalog, used: &used, create: &[], interrupted: false });
            let indexes = &catalog.tables[0].indexes;
            let gone: BTreeSet<usize> = found.drop.iter().map(|drop| drop.index).collect();
            proptest::prop_assert_eq!(gone.len(), found.drop.len());
            for drop in &found.drop {
                if let Some(stays) = survivor(&drop.reason) {
                    proptest::prop_assert!(!gone.contains(&stays), "{:?}", found.drop);
                    proptest::prop_assert!(covers(&indexes[stays], &indexes[drop.index]) && indexes[stays].valid);
                }
            }
        }
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
