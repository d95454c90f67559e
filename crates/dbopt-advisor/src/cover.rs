//! When does one index do all that another does?

use dbopt_catalog::{Index, IndexKey, Method};

use crate::canonical;

/// Whether `wide` serves every scan that `narrow` serves: the same rows, the same leading keys in the same or the
/// opposite order (an index is read in both directions), and every included column. Uniqueness is not looked at.
#[must_use]
pub fn covers(wide: &Index, narrow: &Index) -> bool {
    if wide.method != narrow.method || !same_predicate(wide, narrow) || wide.keys.len() < narrow.keys.len() {
        return false;
    }
    // Only a B-tree is searched by its leading keys; elsewhere further keys change what is stored.
    if wide.method != Method::Btree && wide.keys.len() != narrow.keys.len() {
        return false;
    }
    let leading = || wide.keys.iter().zip(&narrow.keys);
    let forward =
        leading().all(|(a, b)| same_key(a, b) && a.descending == b.descending && a.nulls_first == b.nulls_first);
    let backward =
        leading().all(|(a, b)| same_key(a, b) && a.descending != b.descending && a.nulls_first != b.nulls_first);
    // A single key that is only looked up has no direction worth an index of its own, but NULLS placement may serve
    // an ORDER BY, so both must agree or be opposite as a whole.
    (forward || backward) && narrow.include.iter().all(|name| holds(wide, name))
}

/// Whether two indexes are over the same rows.
#[must_use]
pub fn same_predicate(one: &Index, other: &Index) -> bool {
    match (&one.predicate, &other.predicate) {
        (None, None) => true,
        (Some(a), Some(b)) => canonical::text(a) == canonical::text(b),
        _ => false,
    }
}

/// Whether two keys are over the same values in the same order but for the direction.
#[must_use]
pub fn same_key(one: &IndexKey, other: &IndexKey) -> bool {
    use dbopt_catalog::KeyPart::{Column, Expression};
    let same_part = match (&one.part, &other.part) {
        (Column(a), Column(b)) => a == b,
        (Expression(a), Expression(b)) => canonical::text(a) == canonical::text(b),
        _ => false,
    };
    same_part && one.opclass == other.opclass && one.collation == other.collation
}

/// Whether an index stores a column, as a key or included.
#[must_use]
pub fn holds(index: &Index, name: &str) -> bool {
    index.keys.iter().any(|key| key.as_column() == Some(name)) || index.include.iter().any(|column| column == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[&str], include: &[&str]) -> Index {
        let key = |text: &&str| {
            let (name, descending) = text.strip_suffix('-').map_or((*text, false), |name| (name, true));
            IndexKey { descending, nulls_first: descending, ..IndexKey::column(name) }
        };
        Index {
            keys: keys.iter().map(key).collect(),
            include: include.iter().map(|name| (*name).to_owned()).collect(),
            ..Index::default()
        }
    }

    #[test]
    fn leading_keys_in_one_direction_and_included_columns() {
        assert!(covers(&index(&["a", "b"], &[]), &index(&["a"], &[])));
        assert!(covers(&index(&["a", "b"], &[]), &index(&["a"], &["b"])));
        assert!(covers(&index(&["a-", "b"], &[]), &index(&["a", "b-"], &[])), "read backwards");
        assert!(!covers(&index(&["a", "b"], &[]), &index(&["a", "b-"], &[])));
        assert!(!covers(&index(&["a", "b"], &[]), &index(&["b"], &[])));
        assert!(!covers(&index(&["a"], &[]), &index(&["a"], &["c"])));
    }

    #[test]
    fn predicates_classes_and_methods_must_agree() {
        let partial = |text: &str| Index { predicate: Some(text.to_owned()), ..index(&["a"], &[]) };
        assert!(covers(&partial("(status = 'open'::text)"), &partial("status = 'open'")));
        assert!(!covers(&index(&["a"], &[]), &partial("status = 'open'")));
        let mut pattern = index(&["a", "b"], &[]);
        pattern.keys[0].opclass = Some("text_pattern_ops".to_owned());
        assert!(!covers(&pattern, &index(&["a"], &[])));
        let brin = |keys| Index { method: Method::Brin, ..index(keys, &[]) };
        assert!(!covers(&brin(&["a", "b"]), &brin(&["a"])));
        assert!(!covers(&index(&["a"], &[]), &brin(&["a"])));
    }
}
