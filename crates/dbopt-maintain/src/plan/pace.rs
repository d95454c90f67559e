//! How quick this server is, by what a run has done so far.
//!
//! Before there is a history, a time is guessed from sizes at the rates of a plain machine. What the steps of this run took
//! for the same guesses tells how this server differs from that. It stays a guess, and nothing is put off because of it.

use std::collections::BTreeMap;

use super::{Item, Prediction, work::Size};
use crate::facts::Facts;

/// What was guessed and what it took, of steps that went through something.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    by_kind: BTreeMap<&'static str, Spent>,
    all: Spent,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    guessed: f64,
    took: f64,
}

/// A step on fewer bytes says more of the way to the server than of the server.
const FEWEST: u64 = 1 << 20;

impl Pace {
    /// Learns what a step took that was done.
    pub fn learn(&mut self, item: &Item, facts: &Facts, seconds: f64) {
        let size = Size::of(&item.work, facts);
        let Some(guessed) = size.guess(&item.work).filter(|_| size.table_bytes >= FEWEST) else { return };
        for spent in [self.by_kind.entry(item.work.kind()).or_default(), &mut self.all] {
            spent.guessed += guessed;
            spent.took += seconds;
        }
    }

    /// Guesses how long a step takes of which no history tells: by steps of its kind, or else by all.
    #[must_use]
    pub fn guess(&self, item: &Item, facts: &Facts) -> Option<f64> {
        if item.prediction.is_some_and(|from| from != Prediction::Guess) {
            return None;
        }
        let guess = Size::of(&item.work, facts).guess(&item.work)?;
        let spent = self.by_kind.get(item.work.kind()).unwrap_or(&self.all);
        (spent.guessed > 0.0).then(|| guess * spent.took / spent.guessed)
    }
}
