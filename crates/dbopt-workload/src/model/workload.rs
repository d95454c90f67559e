//! The workload as a whole.

use dbopt_finding::Finding;
use hashbrown::HashMap;

use super::class::QueryClass;
use super::coverage::Coverage;
use super::events::{ErrorClass, Events};
use crate::Fingerprint;
use crate::time::Timestamp;

/// What became of classes that were evicted under the memory cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherClasses {
    /// Evictions; a class that came back and was evicted again counts twice, so this is an upper bound.
    pub evicted: u64,
    /// Their executions.
    pub calls: u64,
    /// Their time in nanoseconds, parse and bind included.
    pub total_ns: u64,
    /// The largest time of one evicted class in nanoseconds: no class that is missing weighs more in one piece.
    pub largest_ns: u64,
}

impl OtherClasses {
    /// Adds evicted weight.
    pub fn merge(&mut self, other: &Self) {
        self.evicted = self.evicted.saturating_add(other.evicted);
        self.calls = self.calls.saturating_add(other.calls);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.largest_ns = self.largest_ns.max(other.largest_ns);
    }
}

/// A weighted workload.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// Query classes, the heaviest by time first.
    pub classes: Vec<QueryClass>,
    /// The weight of classes that did not fit into the memory cap.
    pub other: OtherClasses,
    /// What was read.
    pub coverage: Coverage,
    /// Errors by kind, the most frequent first.
    pub errors: Vec<ErrorClass>,
    /// The first and the last moment in the logs.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Counted events.
    pub events: Events,
    /// What the reader should know.
    pub findings: Vec<Finding>,
}

impl Workload {
    /// Time of all classes in milliseconds, evicted ones included.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.classes.iter().map(QueryClass::total_ms).sum::<f64>() + self.other.total_ns as f64 / 1e6
    }

    /// Executions of all classes, evicted ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.classes.iter().fold(self.other.calls, |sum, class| sum.saturating_add(class.calls))
    }

    /// The class of a fingerprint.
    #[must_use]
    pub fn class(&self, fingerprint: Fingerprint) -> Option<&QueryClass> {
        self.classes.iter().find(|class| class.fingerprint == fingerprint)
    }

    /// Adds another workload. Sums, counts, extremes and chosen samples come out the same in whatever order
    /// workloads are merged.
    pub fn merge(&mut self, other: Self) {
        let mut at: HashMap<Fingerprint, usize> =
            self.classes.iter().enumerate().map(|(at, class)| (class.fingerprint, at)).collect();
        for class in other.classes {
            match at.get(&class.fingerprint) {
                Some(held) => self.classes[*held].merge(class),
                None => {
                    at.insert(class.fingerprint, self.classes.len());
                    self.classes.push(class);
                }
            }
        }
        self.other.merge(&other.other);
        self.coverage.inputs.extend(other.coverage.inputs);
        for error in other.errors {
            match self.errors.iter_mut().find(|held| held.key() == error.key()) {
                Some(held) => held.merge(&error),
                None => self.errors.push(error),
            }
        }
        self.period = match (self.period, other.period) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
        self.events.merge(&other.events);
        for finding in other.findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        self.sort();
    }

    /// Heaviest classes and most frequent errors first; ties are broken by what never changes.
    pub(crate) fn sort(&mut self) {
        let weight =
            |class: &QueryClass| class.time.total_ns.saturating_add(class.parse_ns).saturating_add(class.bind_ns);
        self.classes.sort_unstable_by(|a, b| {
            weight(b)
                .cmp(&weight(a))
                .then(b.calls.cmp(&a.calls))
                .then_with(|| a.text.cmp(&b.text))
                .then(a.fingerprint.cmp(&b.fingerprint))
        });
        self.errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key().cmp(&b.key())));
    }
}
