//! `eqsel`, `neqsel` and `scalararraysel`.

use crate::model::{
    datum::Datum,
    selectivity::{Var, share},
};

/// `var = constant` (`var_eq_const`).
pub(crate) fn equal_to(var: &Var<'_>, value: &Datum) -> f64 {
    if var.unique && var.tuples >= 1.0 {
        return 1.0 / var.tuples;
    }
    let (distinct, _) = var.distinct();
    if var.statistics.is_none() {
        return share(1.0 / distinct);
    }
    let mut last = None;
    let mut count = 0.0;
    for (common, frequency) in var.common() {
        if common == Some(value) {
            return frequency;
        }
        last = Some(frequency);
        count += 1.0;
    }
    let mut rest = share(1.0 - var.common_share() - var.null_fraction());
    let others = distinct - count;
    if others > 1.0 {
        rest /= others;
    }
    // What is not common cannot be more common than the least common of the common values.
    share(last.map_or(rest, |last| rest.min(last)))
}

/// `var = something not known` (`var_eq_non_const`).
pub(crate) fn equal_to_unknown(var: &Var<'_>) -> f64 {
    if var.unique && var.tuples >= 1.0 {
        return 1.0 / var.tuples;
    }
    let (distinct, _) = var.distinct();
    if var.statistics.is_none() {
        return share(1.0 / distinct);
    }
    let mut rest = 1.0 - var.null_fraction();
    if distinct > 1.0 {
        rest /= distinct;
    }
    share(var.top_share().map_or(rest, |top| rest.min(top)))
}

/// `var = ANY (…)` or `var <> ALL (…)` from the selectivities of the elements' equalities (`scalararraysel`).
pub(crate) fn in_list(elements: impl Iterator<Item = f64>, nulls: f64, negated: bool) -> f64 {
    if negated {
        let (mut all, mut disjoint) = (1.0, 1.0);
        for equal in elements {
            let differs = share(1.0 - equal - nulls);
            all *= differs;
            disjoint += differs - 1.0;
        }
        return share(if (0.0..=1.0).contains(&disjoint) { disjoint } else { all });
    }
    let (mut any, mut disjoint) = (0.0, 0.0);
    for equal in elements {
        any = any + equal - any * equal;
        disjoint += equal;
    }
    share(if (0.0..=1.0).contains(&disjoint) { disjoint } else { any })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{datum::Family, selectivity::tests::*};

    #[test]
    fn common_values_have_their_frequency_and_the_rest_share_what_is_left() {
        let statistics = statistics(10.0, &[("1", 0.5), ("2", 0.1)], &[]);
        let equal = |value| with(Some(&statistics), Family::Number, |var| equal_to(var, &Datum::Number(value)));
        assert_eq!(equal(1.0), 0.5);
        assert!((equal(7.0) - 0.05).abs() < 1e-12);
        assert_eq!(with(Some(&statistics), Family::Number, equal_to_unknown), 0.1);
        assert_eq!(with(None, Family::Number, equal_to_unknown), 0.005);
    }

    #[test]
    fn lists_are_disjoint_values() {
        assert!((in_list([0.1, 0.2].into_iter(), 0.0, false) - 0.3).abs() < 1e-12);
        assert!((in_list([0.6, 0.6].into_iter(), 0.0, false) - 0.84).abs() < 1e-12);
        assert!((in_list([0.1, 0.2].into_iter(), 0.1, true) - 0.5).abs() < 1e-12);
    }
}
