//! The states of the keys that one request asks for, on trial until all is decided.

use std::sync::Arc;

use smallvec::SmallVec;

use super::place::Place;
use crate::{Charge, Limit, Wait, WindowState, WindowStates, layout::Layout};

/// One key's states.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) place: Place,
    pub(super) layout: Arc<Layout>,
    before: SmallVec<[u64; 8]>,
    pub(super) after: SmallVec<[u64; 8]>,
    /// Whether the store knows the key.
    pub(super) known: bool,
    /// What is charged in all.
    pub(super) cost: u32,
}

impl Scratch {
    pub(super) fn new(place: Place, limit: &Limit, kept: Option<(&Arc<Layout>, &mut [u64])>, now: u64) -> Self {
        let known = kept.is_some();
        let (layout, before) = match kept {
            None => (Arc::clone(limit.layout()), smallvec::smallvec![0; limit.layout().words()]),
            Some((layout, state)) => (Arc::clone(layout), SmallVec::from_slice(state)),
        };
        let mut scratch = Self { place, layout, after: before.clone(), before, known, cost: 0 };
        scratch.cover(limit, now);
        scratch
    }

    /// Makes room for the windows of a limit.
    pub(super) fn cover(&mut self, limit: &Limit, now: u64) {
        if !self.layout.covers(limit.layout()) {
            // What was asked for before has to stay, even if it is full.
            let others = if self.cost > 0 { (*self.layout).clone() } else { self.layout.in_use(&self.before, now) };
            let layout = Arc::new(limit.layout().with(&others));
            self.before = layout.carry(&self.layout, &self.before);
            self.after = layout.carry(&self.layout, &self.after);
            self.layout = layout;
        }
    }

    /// Charges, and adds how long each window makes it wait to `waits`.
    pub(super) fn charge(&mut self, charge: &Charge<'_>, now: u64, waits: &mut SmallVec<[Wait; 8]>) {
        let Charge { limit, cost, .. } = charge;
        let together = if *cost == 0 { 0 } else { self.cost.saturating_add(*cost) };
        for (meter, range) in limit.meters().iter().zip(self.layout.ranges_of(limit.layout())) {
            let state = &mut self.after[range.clone()];
            meter.advance(state, now);
            meter.advance(&mut self.before[range.clone()], now);
            // Two charges of one key have to fit together.
            let wait = match meter.wait(&self.before[range], now, together) {
                Wait::Never => Wait::Never,
                _ => meter.wait(state, now, *cost),
            };
            waits.push(wait);
        }
        for (meter, range) in limit.meters().iter().zip(self.layout.ranges_of(limit.layout())) {
            meter.add(&mut self.after[range], now, *cost);
        }
        self.cost = self.cost.saturating_add(*cost);
    }

    /// What remains of each window, with the waits that were found.
    pub(super) fn states(
        &self,
        charge: &Charge<'_>,
        now: u64,
        charged: bool,
        waits: &mut impl Iterator<Item = Wait>,
        windows: &mut WindowStates,
    ) {
        let state = if charged { &self.after } else { &self.before };
        let ranges = self.layout.ranges_of(charge.limit.layout());
        let meters = charge.limit.meters().iter().zip(ranges).zip(waits);
        windows.extend(meters.map(|((meter, range), wait)| WindowState { wait, ..meter.charged(&state[range], now) }));
    }
}
