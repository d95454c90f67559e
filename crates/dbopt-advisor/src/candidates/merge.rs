//! One index in the place of two.

use dbopt_catalog::{Index, Method};

use super::MOST_KEYS;
use crate::cover::{holds, same_key, same_predicate};

/// The most columns, keys and included together, of a merged index.
const MOST_COLUMNS: usize = 8;

/// The index that looks up what both look up, when they begin alike: the keys of the first, then those keys of the
/// second that it lacks, then what both include. `None` when they have nothing in common.
pub(crate) fn merge(one: &Index, other: &Index) -> Option<Index> {
    if one.method != Method::Btree || other.method != Method::Btree || !same_predicate(one, other) {
        return None;
    }
    let shared = one.keys.iter().zip(&other.keys).take_while(|(a, b)| same_key(a, b) && a.descending == b.descending);
    let shared = shared.count();
    if shared == 0 {
        return None;
    }
    // The longer list leads, so that the result does not depend on the order of the two.
    let (first, second) =
        if (one.keys.len(), &one.keys) >= (other.keys.len(), &other.keys) { (one, other) } else { (other, one) };
    let mut merged = Index { keys: first.keys.clone(), include: Vec::new(), ..first.clone() };
    for key in &second.keys[shared..] {
        if !merged.keys.iter().any(|held| held.part == key.part) {
            merged.keys.push(key.clone());
        }
    }
    for name in first.include.iter().chain(&second.include) {
        if !holds(&merged, name) {
            merged.include.push(name.clone());
        }
    }
    merged.include.sort();
    let fits = merged.keys.len() <= MOST_KEYS && merged.keys.len() + merged.include.len() <= MOST_COLUMNS;
    fits.then_some(merged)
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::IndexKey;

    use super::*;

    fn check(one: (&[&str], &[&str]), other: (&[&str], &[&str]), expected: Option<(&[&str], &[&str])>) {
        let index = |(keys, include): (&[&str], &[&str])| Index {
            keys: keys.iter().map(|name| IndexKey::column(*name)).collect(),
            include: include.iter().map(|name| (*name).to_owned()).collect(),
            ..Index::default()
        };
        assert_eq!(merge(&index(one), &index(other)), expected.map(index));
        assert_eq!(merge(&index(other), &index(one)), expected.map(index));
    }

    #[test]
    fn indexes_that_begin_alike_become_one() {
        check((&["a"], &["c"]), (&["a", "b"], &["d"]), Some((&["a", "b"], &["c", "d"])));
        check((&["a", "b"], &[]), (&["a", "c"], &["b"]), Some((&["a", "c", "b"], &[])));
        check((&["a"], &[]), (&["b", "a"], &[]), None);
        check((&["a", "b", "c", "d"], &[]), (&["a", "e", "f"], &[]), None);
    }
}
