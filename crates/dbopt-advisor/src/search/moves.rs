//! The steps of the search: grow, drop, narrow, merge, exchange.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{explorer::Explorer, selection::Selection};
use crate::{query::QueryId, whatif::CandidateId};

/// A share of the whole workload's cost that is worth an index even if no query gains much by itself.
const MUCH: f64 = 0.1;

/// Candidates to add together, with what they are thought to save.
#[derive(Debug)]
struct Addition {
    /// Gain per size^exponent; an upper bound unless `fresh`.
    rate: f64,
    /// Length of the selection that the rate was computed against.
    against: Option<usize>,
    /// The candidates, ascending.
    ids: Vec<CandidateId>,
}

impl PartialEq for Addition {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Addition {}

impl PartialOrd for Addition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Addition {
    /// By rate; the addition that was thought of first wins a tie, so that searches repeat exactly.
    fn cmp(&self, other: &Self) -> Ordering {
        self.rate.total_cmp(&other.rate).then_with(|| other.ids.cmp(&self.ids))
    }
}

impl Explorer<'_> {
    /// Adds what saves most per size^exponent, as long as it saves enough and fits.
    pub(super) async fn greedy(&mut self, start: Selection, exponent: f64) -> Selection {
        let mut current = start;
        let mut heap: BinaryHeap<Addition> = self
            .additions(&current)
            .into_iter()
            .map(|ids| {
                let rate = self.bound(&current, &ids) / self.size(&current, &ids).powf(exponent);
                Addition { rate, against: None, ids }
            })
            .filter(|addition| addition.rate > 0.0)
            .collect();
        // Each acceptance grows the selection and each evaluation makes one addition fresh, so this ends.
        while let Some(addition) = heap.pop() {
            let ids: Vec<CandidateId> = addition.ids.iter().filter(|id| !current.set.contains(id)).copied().collect();
            let size = self.size(&current, &ids);
            if ids.is_empty() || current.bytes + size > self.limits.budget {
                continue;
            }
            let with = self.moved(&current, &[], &ids).await;
            let gain = current.objective() - with.objective();
            if gain <= self.least_gain {
                continue;
            }
            if addition.against == Some(current.set.len()) {
                current = with;
                self.offer(&current);
                continue;
            }
            let rate = gain / size.powf(exponent);
            heap.push(Addition { rate, against: Some(current.set.len()), ids });
        }
        current
    }

    /// Rounds of improving moves, until none improves.
    pub(super) async fn improve(&mut self, start: Selection, exponent: f64) -> Selection {
        let mut current = start;
        for _ in 0..self.limits.rounds {
            let before = current.set.clone();
            current = self.drop_losing(current).await;
            current = self.merge_pairs(current).await;
            current = self.narrow(current).await;
            current = self.exchange(current, exponent).await;
            current = self.greedy(current, exponent).await;
            if current.set == before {
                break;
            }
        }
        current
    }

    /// Drops what costs its writes more than it saves.
    async fn drop_losing(&mut self, start: Selection) -> Selection {
        let mut current = start;
        for id in current.set.clone() {
            let without = self.moved(&current, &[id], &[]).await;
            if without.beats(&current) {
                current = without;
            }
        }
        current
    }

    /// Drops, the least useful first, what saves too little to be worth an index.
    pub(super) async fn drop_unworthy(&mut self, start: Selection) -> Selection {
        let mut current = start;
        loop {
            let mut worst: Option<(f64, Selection)> = None;
            for id in current.set.clone() {
                let without = self.moved(&current, &[id], &[]).await;
                let gain = without.objective() - current.objective();
                let felt = |query: &QueryId| self.is_felt(*query, without.costs[query.0], current.costs[query.0]);
                let helps = self.users[id.0].iter().any(felt) || gain >= MUCH * self.base;
                let unworthy = gain <= self.least_gain || !helps;
                if unworthy && worst.as_ref().is_none_or(|(least, _)| gain < *least) {
                    worst = Some((gain, without));
                }
            }
            match worst {
                Some((_, without)) => current = without,
                None => return current,
            }
        }
    }

    /// Whether one execution of a query gains enough for an index.
    fn is_felt(&self, query: QueryId, before: f64, after: f64) -> bool {
        let weight = self.problem.weights[query.0] / self.problem.executions[query.0].max(f64::MIN_POSITIVE);
        let saved = before - after;
        saved > 0.0 && saved >= self.limits.query_gain * before && saved * weight >= self.limits.query_saving
    }

    /// Puts one index in the place of two of the same table when that costs less, writes included, or nearly as
    /// little while it is smaller than the two.
    async fn merge_pairs(&mut self, start: Selection) -> Selection {
        let mut current = start;
        loop {
            let chosen: Vec<CandidateId> = current.set.iter().copied().collect();
            let mut merged = None;
            'pairs: for (at, one) in chosen.iter().enumerate() {
                for other in &chosen[at + 1..] {
                    let (a, b) = (&self.problem.candidates[one.0], &self.problem.candidates[other.0]);
                    let Some(candidate) = (self.problem.merge)(a, b) else { continue };
                    let id = self.add_candidate(candidate);
                    if current.set.contains(&id) {
                        continue;
                    }
                    let with = self.moved(&current, &[*one, *other], &[id]).await;
                    if with.bytes <= self.limits.budget && self.acceptable(&current, &with, &[*one, *other]).await {
                        merged = Some(with);
                        break 'pairs;
                    }
                }
            }
            // Every merge leaves one index less, so this ends.
            match merged {
                Some(with) => {
                    self.offer(&with);
                    current = with;
                }
                None => return current,
            }
        }
    }

    /// Puts smaller indexes of the same table in the place of larger ones that do little more.
    async fn narrow(&mut self, start: Selection) -> Selection {
        let mut current = start;
        for id in current.set.clone() {
            let mut narrower: Vec<CandidateId> = (0..self.problem.candidates.len())
                .map(CandidateId)
                .filter(|other| self.is_narrower(*other, id) && !current.set.contains(other))
                .collect();
            narrower.sort_by(|a, b| self.bytes(*a).total_cmp(&self.bytes(*b)).then(a.cmp(b)));
            for other in narrower {
                let with = self.moved(&current, &[id], &[other]).await;
                if self.acceptable(&current, &with, &[id]).await {
                    self.offer(&with);
                    current = with;
                    break;
                }
            }
        }
        current
    }

    /// Takes one index out and fills up again without it; or swaps it for another one of its table.
    async fn exchange(&mut self, start: Selection, exponent: f64) -> Selection {
        let mut current = start;
        for id in current.set.clone() {
            if !current.set.contains(&id) {
                continue;
            }
            let mut better: Option<Selection> = None;
            for other in self.rivals(id) {
                if current.set.contains(&other)
                    || current.bytes - self.bytes(id) + self.bytes(other) > self.limits.budget
                {
                    continue;
                }
                let with = self.moved(&current, &[id], &[other]).await;
                if with.beats(better.as_ref().unwrap_or(&current)) {
                    better = Some(with);
                }
            }
            if self.limits.budget.is_finite() {
                let without = self.moved(&current, &[id], &[]).await;
                let refilled = Box::pin(self.greedy(without, exponent)).await;
                if refilled.beats(better.as_ref().unwrap_or(&current)) {
                    better = Some(refilled);
                }
            }
            if let Some(better) = better {
                self.offer(&better);
                current = better;
            }
        }
        current
    }

    /// Whether a change that frees space costs so little that it is wanted.
    async fn acceptable(&mut self, current: &Selection, with: &Selection, removed: &[CandidateId]) -> bool {
        if with.beats(current) {
            return true;
        }
        if with.bytes >= current.bytes {
            return false;
        }
        let without = self.moved(current, removed, &[]).await;
        let gain = without.objective() - current.objective();
        with.objective() - current.objective() <= self.limits.narrowing_loss * gain
    }

    /// Every candidate by itself, and for each query the set that its best plan uses: indexes on both sides of a join
    /// may gain together what neither gains alone.
    fn additions(&self, current: &Selection) -> Vec<Vec<CandidateId>> {
        let mut additions: Vec<Vec<CandidateId>> =
            (0..self.problem.candidates.len()).map(|at| vec![CandidateId(at)]).collect();
        for floor in self.floor.iter().flatten() {
            let used: Vec<CandidateId> = floor
                .used
                .iter()
                .filter_map(|used| match used {
                    crate::whatif::UsedIndex::Candidate(id) => Some(*id),
                    crate::whatif::UsedIndex::Existing(..) => None,
                })
                .collect();
            if used.len() > 1 && !additions.contains(&used) {
                additions.push(used);
            }
        }
        additions.retain(|ids| !ids.iter().all(|id| current.set.contains(id)));
        additions
    }

    /// The most that an addition can save.
    fn bound(&self, current: &Selection, ids: &[CandidateId]) -> f64 {
        let mut users: Vec<QueryId> = ids.iter().flat_map(|id| self.users[id.0].iter().copied()).collect();
        users.sort_unstable();
        users.dedup();
        let headroom: f64 = users.iter().map(|query| self.headroom(*query, current.costs[query.0])).sum();
        headroom - ids.iter().map(|id| self.upkeep(*id)).sum::<f64>()
    }

    /// Bytes that an addition takes beyond what is there.
    fn size(&self, current: &Selection, ids: &[CandidateId]) -> f64 {
        ids.iter().filter(|id| !current.set.contains(id)).map(|id| self.bytes(*id)).sum::<f64>().max(1.0)
    }

    /// Whether one candidate is a smaller version of another: its columns, key and included, are among the other's.
    fn is_narrower(&self, small: CandidateId, large: CandidateId) -> bool {
        let (a, b) = (&self.problem.candidates[small.0], &self.problem.candidates[large.0]);
        if small == large || a.table != b.table || a.bytes >= b.bytes || a.index.method != b.index.method {
            return false;
        }
        let within = |name: &str| {
            b.index.keys.iter().any(|key| key.as_column() == Some(name)) || b.index.include.iter().any(|it| it == name)
        };
        a.index.keys.iter().all(|key| key.as_column().map_or_else(|| b.index.keys.contains(key), within))
            && a.index.include.iter().all(|name| within(name))
    }

    /// The candidates that could do another's work: same table, shared users; the few with the most to gain.
    fn rivals(&self, id: CandidateId) -> Vec<CandidateId> {
        const MOST: usize = 12;
        let table = self.problem.candidates[id.0].table;
        let shared = |other: CandidateId| {
            self.users[other.0].iter().filter(|query| self.users[id.0].binary_search(query).is_ok()).count()
        };
        let mut rivals: Vec<(usize, CandidateId)> = (0..self.problem.candidates.len())
            .map(CandidateId)
            .filter(|other| *other != id && self.problem.candidates[other.0].table == table)
            .map(|other| (shared(other), other))
            .filter(|(shared, _)| *shared > 0)
            .collect();
        rivals.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        rivals.truncate(MOST);
        rivals.into_iter().map(|(_, other)| other).collect()
    }
}
