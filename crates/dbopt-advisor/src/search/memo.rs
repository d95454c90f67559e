//! What is known of costs, and what follows from it.
//!
//! The planner takes the cheapest of all plans that the available indexes allow. A plan that was the cheapest under a
//! larger set of indexes is therefore the cheapest under every smaller set that still holds the indexes it uses.
//! (Real planners prune by fuzzy comparison and may break this by a percent; that is within their error anyway.)

use std::collections::BTreeMap;

use crate::{
    query::QueryId,
    whatif::{Answer, Configuration, UsedIndex},
};

/// Answers by query.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    queries: BTreeMap<QueryId, Vec<(Configuration, Answer)>>,
}

impl Memo {
    /// Keeps an answer.
    pub(crate) fn insert(&mut self, query: QueryId, configuration: Configuration, answer: Answer) {
        self.queries.entry(query).or_default().push((configuration, answer));
    }

    /// The answer for a configuration, when it was asked for or follows from another.
    pub(crate) fn find(&self, query: QueryId, configuration: &Configuration) -> Option<&Answer> {
        let known = self.queries.get(&query)?;
        known.iter().find(|(other, answer)| serves(other, answer, configuration)).map(|(_, answer)| answer)
    }
}

/// Whether the answer under `known` is also the one under `wanted`.
fn serves(known: &Configuration, answer: &Answer, wanted: &Configuration) -> bool {
    known.add.len() >= wanted.add.len()
        && wanted.add.is_subset(&known.add)
        && known.hide.is_subset(&wanted.hide)
        && answer.used.iter().all(|used| match used {
            UsedIndex::Candidate(id) => wanted.add.contains(id),
            UsedIndex::Existing(table, index) => !wanted.hide.contains(&(*table, *index)),
        })
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::TableId;

    use super::*;
    use crate::whatif::CandidateId;

    fn configuration(add: &[usize], hide: &[usize]) -> Configuration {
        Configuration {
            add: add.iter().map(|id| CandidateId(*id)).collect(),
            hide: hide.iter().map(|at| (TableId(0), *at)).collect(),
        }
    }

    #[test]
    fn a_plan_serves_all_sets_between_what_it_used_and_what_it_had() {
        let mut memo = Memo::default();
        let used = vec![UsedIndex::Candidate(CandidateId(2)), UsedIndex::Existing(TableId(0), 5)];
        let answer = Answer { cost: 7.0, rows: 1.0, used, plan: String::new() };
        memo.insert(QueryId(0), configuration(&[1, 2, 3], &[4]), answer);
        let found = |add: &[usize], hide: &[usize]| memo.find(QueryId(0), &configuration(add, hide)).is_some();
        assert!(found(&[1, 2, 3], &[4]));
        assert!(found(&[2], &[4]));
        assert!(found(&[2, 3], &[4, 6]));
        assert!(!found(&[1, 3], &[4]), "the used candidate is missing");
        assert!(!found(&[1, 2, 3, 9], &[4]), "a further candidate could be better");
        assert!(!found(&[2], &[]), "an index that was hidden could be better");
        assert!(!found(&[2], &[4, 5]), "the used existing index is hidden");
        assert!(memo.find(QueryId(1), &configuration(&[2], &[4])).is_none());
    }
}
