//! Which conditions can an index test, and as what?

use crate::model::{
    index::{IndexColumn, IndexInfo},
    prepared::{Key, Param, Qual, Range, Shape},
};

/// A condition to be met with an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition<'q> {
    pub(super) about: About<'q>,
    pub(super) selectivity: f64,
    pub(super) range: Option<&'q Range>,
    /// Its bit among the relation's conditions.
    pub(super) bit: u64,
    /// Equivalence class of a join condition.
    pub(super) class: Option<usize>,
}

/// Where a condition comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'q> {
    Own(&'q Shape),
    Join(&'q Param),
}

impl<'q> Condition<'q> {
    pub(super) fn of_qual(at: usize, qual: &'q Qual<'_>) -> Self {
        let range = qual.range.as_ref();
        Self { about: About::Own(&qual.shape), selectivity: qual.selectivity, range, bit: 1 << at, class: None }
    }

    pub(super) fn of_param(at: usize, param: &'q Param) -> Self {
        let (selectivity, class) = (param.selectivity, param.class);
        Self { about: About::Join(param), selectivity, range: None, bit: 1 << at, class }
    }

    pub(super) fn of_shape(shape: &'q Shape, selectivity: f64, bit: u64) -> Self {
        Self { about: About::Own(shape), selectivity, range: None, bit, class: None }
    }

    fn key(&self) -> Option<&'q Key> {
        match self.about {
            About::Join(param) => Some(&param.key),
            About::Own(shape) => match shape {
                Shape::Equal(key, _)
                | Shape::In(key, _)
                | Shape::Range(key)
                | Shape::Null(key, _)
                | Shape::Bool(key)
                | Shape::Prefix(key, _)
                | Shape::Search(key) => Some(key),
                Shape::Row(keys) => keys.first(),
                Shape::Or(..) | Shape::Other => None,
            },
        }
    }
}

/// How an index tests a condition on one of its columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Use {
    /// One value.
    Equal,
    /// Several values, each a scan of its own.
    Any(f64),
    /// Null.
    Null,
    /// An end of a range, or not null.
    Range,
    /// Both ends of a range around a pattern's beginning, which has to be tested again: its share.
    Prefix(f64),
}

/// How a B-tree's column tests a condition.
pub(super) fn btree_use(column: &IndexColumn, condition: &Condition<'_>) -> Option<Use> {
    if condition.key()? != &column.key {
        return None;
    }
    Some(match condition.about {
        About::Join(Param { side: None, .. }) => Use::Equal,
        About::Join(_) => column.ordered.then_some(Use::Range)?,
        About::Own(shape) => match shape {
            Shape::Equal(..) | Shape::Bool(..) => Use::Equal,
            Shape::In(_, count) => Use::Any(*count),
            Shape::Null(_, false) => Use::Null,
            Shape::Null(_, true) => Use::Range,
            Shape::Range(..) | Shape::Row(..) => column.ordered.then_some(Use::Range)?,
            Shape::Prefix(_, share) => column.patterns.then_some(Use::Prefix(*share))?,
            Shape::Search(..) | Shape::Or(..) | Shape::Other => return None,
        },
    })
}

/// Whether a GIN or GiST column can test a condition.
pub(super) fn searches(column: &IndexColumn, condition: &Condition<'_>) -> bool {
    condition.key() == Some(&column.key) && matches!(condition.about, About::Own(Shape::Search(..) | Shape::Prefix(..)))
}

/// Whether the conditions of a query imply an index's predicate (`predicate_implied_by`, its simple cases), and which
/// conditions the predicate makes superfluous.
pub(super) fn implied(index: &IndexInfo, quals: &[Qual<'_>], columns: &[dbopt_catalog::Column]) -> Option<Implied> {
    let mut found = Implied { same: 0, selectivity: 1.0 };
    for conjunct in &index.predicate {
        if let Some(at) = quals.iter().position(|qual| qual.text.as_ref() == Some(conjunct)) {
            found.same |= if at < 64 { 1 << at } else { 0 };
            found.selectivity *= quals[at].selectivity;
            continue;
        }
        // A strict condition implies that its column is not null.
        if let Some(name) = conjunct.strip_suffix(" is not null") {
            let about = |qual: &&Qual<'_>| {
                !matches!(qual.shape, Shape::Null(_, false) | Shape::Or(..) | Shape::Other)
                    && qual.columns.iter().any(|column| columns.get(column.0).is_some_and(|column| column.name == name))
            };
            let column = columns.iter().find(|column| column.name == name);
            if quals.iter().any(|qual| about(&qual)) {
                let nulls =
                    column.and_then(|column| column.statistics.as_ref()).map_or(0.0, |found| found.null_fraction);
                found.selectivity *= crate::model::selectivity::share(1.0 - nulls);
                continue;
            }
        }
        // One listed value implies the list.
        let listed = quals.iter().find(|qual| {
            qual.text.as_ref().is_some_and(|text| {
                match (text.split_once(" = "), conjunct.split_once(" = any array [ ")) {
                    (Some((key, value)), Some((other, list))) => {
                        key == other && list.trim_end_matches(" ]").split(" , ").any(|listed| listed == value)
                    }
                    _ => false,
                }
            })
        });
        match listed {
            Some(qual) => found.selectivity *= qual.selectivity,
            None => return None,
        }
    }
    Some(found)
}

/// How a query implies an index's predicate.
pub(super) struct Implied {
    /// Conditions that are the predicate, which need not be tested again.
    pub(super) same: u64,
    /// Share of the rows that the index holds.
    pub(super) selectivity: f64,
}
