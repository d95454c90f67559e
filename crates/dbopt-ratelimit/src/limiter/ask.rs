//! The conversation with the store, and what is done when it does not answer.

use std::{
    mem,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use governor::clock::Clock;
use smallvec::SmallVec;

use super::{
    Inner, Inspected,
    asked::{Asked, Entry},
};
use crate::{
    Answer, Charge, Counted, Decision, Event, OnFailure, Permits, Refusal, Shadow, Store, StoreError, Wait, Watch, Why,
    WindowStates, decision::Source, permit::GiveBack,
};

/// What charging some entries came to.
#[derive(Debug, Default)]
struct Outcome {
    refusals: Vec<Refusal>,
    counted: Vec<Counted>,
}

/// Charges, and of which entry each is and whether it is the gate of its block.
type Charges<'a> = SmallVec<[(Charge<'a>, usize, bool); 4]>;

impl<S, C> Inner<S, C>
where
    S: Store + 'static,
    C: Clock<Instant: Send + Sync> + Clone + Send + Sync + 'static,
{
    /// Looks out for suspicious activity, before anything is decided.
    pub(super) fn watch(&self, asked: &Asked) {
        for entry in asked.entries.iter().chain(&asked.shadow) {
            let rule = asked.rule(entry);
            if rule.watch == Watch::Nothing {
                continue;
            }
            let hash = |of: &str, value: &[u8]| self.keyer.key(of, [b"watch".as_slice(), value]);
            let found = self.lookout.seen(self.now(), rule, entry.key, asked.address, asked.user.as_deref(), hash);
            for suspicion in found {
                self.counters.suspicions.add();
                self.tell(&Event::Suspicious { rule: rule.name.clone(), suspicion });
            }
        }
    }

    pub(super) async fn check(self: Arc<Self>, mut asked: Asked) -> Decision {
        self.counters.checks.add();
        self.release_dropped().await;
        let mut permits = Permits::default();
        let mut outcome = Outcome { refusals: mem::take(&mut asked.refusals), ..Outcome::default() };
        if outcome.refusals.is_empty() {
            outcome.refusals = self.take_places(&asked, &asked.entries, &mut permits).await;
        }
        if outcome.refusals.is_empty() {
            outcome = self.charge(&asked, &asked.entries).await;
        }
        for entry in &asked.entries {
            asked.state(entry).counters.asked.add();
        }
        let mut shadow = Vec::new();
        if outcome.refusals.is_empty() {
            self.counters.admitted.add();
            shadow = self.check_shadow(&asked, &mut permits).await;
        } else {
            // The places that were taken go back before anybody is told.
            permits = Permits::default();
            self.refused(&asked, &asked.entries, &mut outcome.refusals, false).await;
        }
        let given_back = AtomicBool::new(false);
        Decision { refusals: outcome.refusals, counted: outcome.counted, shadow, permits, given_back }
    }

    pub(super) async fn peek(&self, mut asked: Asked) -> Result<Decision, StoreError> {
        let mut outcome = Outcome { refusals: mem::take(&mut asked.refusals), ..Outcome::default() };
        if outcome.refusals.is_empty() {
            outcome = self.peek_entries(&asked, &asked.entries).await?;
        }
        let refused = mem::take(&mut asked.shadow_refusals);
        let mut shadow: Vec<Shadow> = refused.into_iter().map(Shadow::refused).collect();
        for entry in &asked.shadow {
            let Outcome { refusals, mut counted } = self.peek_entries(&asked, std::slice::from_ref(entry)).await?;
            shadow.push(Shadow { counted: counted.pop(), refusals });
        }
        // A request that was only looked at was charged nothing, so there is nothing to give back.
        let given_back = AtomicBool::new(true);
        let permits = Permits::default();
        Ok(Decision { refusals: outcome.refusals, counted: outcome.counted, shadow, permits, given_back })
    }

    pub(super) async fn reset(&self, asked: Asked, rule: Option<&str>) -> Result<(), StoreError> {
        for entry in asked.entries.iter().chain(&asked.shadow) {
            let (of, state) = (asked.rule(entry), asked.state(entry));
            if rule.is_some_and(|name| *name != *of.name) {
                continue;
            }
            let mut all = Vec::new();
            all.extend(entry.limit.as_ref().map(|limit| (limit, entry.key)));
            if let Some(block) = &of.block {
                all.push((&block.strikes, entry.strikes(state)));
                all.push((&block.block, entry.block(state)));
            }
            for (limit, key) in all {
                self.local.reset_now(limit, key);
                self.store.reset(limit, key).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn inspect(&self, asked: Asked) -> Result<Vec<Inspected>, StoreError> {
        let mut all = Vec::new();
        for entry in asked.entries.iter().chain(&asked.shadow) {
            let (rule, state) = (asked.rule(entry), asked.state(entry));
            let mut inspected = Inspected {
                rule: rule.name.clone(),
                shadow: rule.shadow,
                key: entry.key,
                limit: entry.limit.clone(),
                windows: WindowStates::default(),
                blocked: Duration::ZERO,
                strikes: 0,
            };
            if let Some(limit) = &entry.limit {
                inspected.windows = self.store.peek(&[Charge { limit, key: entry.key, cost: 1 }]).await?.windows;
            }
            if let Some(block) = &rule.block {
                let (strikes, gate) = (entry.strikes(state), entry.block(state));
                let strikes = self.store.peek(&[Charge { limit: &block.strikes, key: strikes, cost: 1 }]).await?;
                let remaining = strikes.windows.first().map_or(block.after().get(), |window| window.remaining);
                inspected.strikes = block.after().get().saturating_sub(remaining);
                let gate = self.store.peek(&[Charge { limit: &block.block, key: gate, cost: 0 }]).await?;
                inspected.blocked = gate.windows.first().map_or(Duration::ZERO, |window| window.full_in);
            }
            all.push(inspected);
        }
        Ok(all)
    }

    /// Asks the rules in shadow mode, each by itself: one that would refuse must not keep another from counting.
    async fn check_shadow(self: &Arc<Self>, asked: &Asked, permits: &mut Permits) -> Vec<Shadow> {
        let mut all: Vec<Shadow> = asked.shadow_refusals.iter().cloned().map(Shadow::refused).collect();
        for entry in &asked.shadow {
            let alone = std::slice::from_ref(entry);
            let mut places = Permits::default();
            let mut outcome =
                Outcome { refusals: self.take_places(asked, alone, &mut places).await, ..Outcome::default() };
            if outcome.refusals.is_empty() {
                outcome = self.charge(asked, alone).await;
            }
            asked.state(entry).counters.asked.add();
            if outcome.refusals.is_empty() {
                permits.append(places);
            }
            all.push(Shadow { counted: outcome.counted.pop(), refusals: outcome.refusals });
        }
        let mut refusals: Vec<Refusal> = all.iter().flat_map(|shadow| shadow.refusals.iter().cloned()).collect();
        if !refusals.is_empty() {
            self.refused(asked, &asked.shadow, &mut refusals, true).await;
        }
        all
    }

    /// Takes a place under each rule that bounds how many run at once. What it took so far stays in `permits`.
    async fn take_places(self: &Arc<Self>, asked: &Asked, entries: &[Entry], permits: &mut Permits) -> Vec<Refusal> {
        let back = || -> Arc<dyn GiveBack> { Arc::new(self.clone()) };
        let mut refusals = Vec::new();
        for entry in entries {
            let (rule, state) = (asked.rule(entry), asked.state(entry));
            let Some(concurrent) = rule.concurrent else { continue };
            let key = entry.place(state);
            let taken = if self.health.may_ask(self.now()) {
                let taken = self.store.acquire(key, concurrent.most, concurrent.longest).await;
                self.note(asked, std::slice::from_ref(entry), taken.as_ref().err());
                taken.ok()
            } else {
                self.note_left_alone(asked, std::slice::from_ref(entry));
                None
            };
            let (source, taken) = match (taken, rule.on_failure) {
                (Some(taken), _) => (Source::Store, Some(taken)),
                (None, OnFailure::Local) => {
                    (Source::Local, self.local.acquire_now(key, concurrent.most, concurrent.longest).ok())
                }
                (None, _) => (Source::Store, None),
            };
            let refused = match taken {
                Some(Some(lease)) => {
                    permits.hold(source, lease, back);
                    continue;
                }
                Some(None) => Why::Concurrent(concurrent.most),
                None if rule.on_failure == OnFailure::Open || rule.shadow => continue,
                None => Why::Unavailable,
            };
            refusals.push(Refusal { rule: Some(rule.name.clone()), why: refused, wait: Wait::None });
        }
        refusals
    }

    /// Charges all entries together, or none.
    async fn charge(&self, asked: &Asked, entries: &[Entry]) -> Outcome {
        let charges = self.charges(asked, entries);
        if charges.is_empty() {
            return Outcome::default();
        }
        if self.health.may_ask(self.now()) {
            let answer = self.store.charge(&bare(&charges)).await;
            self.note(asked, entries, answer.as_ref().err());
            if let Ok(answer) = answer {
                return read(asked, entries, &charges, &answer, Source::Store);
            }
        } else {
            self.note_left_alone(asked, entries);
        }
        self.without_store(asked, entries)
    }

    async fn peek_entries(&self, asked: &Asked, entries: &[Entry]) -> Result<Outcome, StoreError> {
        let charges = self.charges(asked, entries);
        if charges.is_empty() {
            return Ok(Outcome::default());
        }
        let answer = self.store.peek(&bare(&charges)).await?;
        Ok(read(asked, entries, &charges, &answer, Source::Store))
    }

    /// What each rule says is to be done while the store does not answer.
    fn without_store(&self, asked: &Asked, entries: &[Entry]) -> Outcome {
        let unavailable =
            |entry| Refusal { rule: Some(asked.rule(entry).name.clone()), why: Why::Unavailable, wait: Wait::None };
        let of = |on_failure| entries.iter().filter(move |entry| asked.rule(entry).on_failure == on_failure);
        for entry in entries {
            asked.state(entry).counters.without_store.add();
        }
        // A rule in shadow mode refuses nothing, least of all for a store that does not answer.
        let refusals: Vec<Refusal> =
            of(OnFailure::Closed).filter(|entry| !asked.rule(entry).shadow).map(unavailable).collect();
        if !refusals.is_empty() {
            return Outcome { refusals, ..Outcome::default() };
        }
        let local: SmallVec<[Entry; 4]> = of(OnFailure::Local).cloned().collect();
        let charges = self.charges(asked, &local);
        if charges.is_empty() {
            return Outcome::default();
        }
        match self.local.charge_now(&bare(&charges)) {
            Ok(answer) => read(asked, &local, &charges, &answer, Source::Local),
            Err(_) => {
                self.full();
                Outcome { refusals: local.iter().map(unavailable).collect(), ..Outcome::default() }
            }
        }
    }

    /// The charges of entries: for each the gate of its block, and its limit.
    fn charges<'a>(&self, asked: &'a Asked, entries: &'a [Entry]) -> Charges<'a> {
        let mut charges = Charges::new();
        for (at, entry) in entries.iter().enumerate() {
            if let Some(block) = &asked.rule(entry).block {
                let key = entry.block(asked.state(entry));
                charges.push((Charge { limit: &block.block, key, cost: 0 }, at, true));
            }
            if let Some(limit) = &entry.limit {
                charges.push((Charge { limit, key: entry.key, cost: entry.cost }, at, false));
            }
        }
        charges
    }

    /// Counts refusals and tells of them, once for each rule, and counts them towards blocks. One that begins a block has to be
    /// waited for as long as that.
    async fn refused(&self, asked: &Asked, entries: &[Entry], refusals: &mut [Refusal], shadow: bool) {
        // The refusals of one rule stand together.
        for refusals in refusals.chunk_by_mut(|one, next| one.rule == next.rule) {
            let Some(worst) = refusals.iter().max_by_key(|refusal| refusal.wait) else { continue };
            let entry = entries.iter().find(|entry| worst.rule.as_ref() == Some(&asked.rule(entry).name));
            let state = worst.rule.as_ref().and_then(|name| asked.state_of(name));
            match state {
                None => self.counters.denied.add(),
                Some(state) if shadow => state.counters.shadow_refused.add(),
                Some(state) => state.counters.refused.add(),
            }
            // What never got as far as a key was asked all the same.
            if let (None, Some(state)) = (entry, state) {
                state.counters.asked.add();
            }
            self.tell(&Event::Refused {
                rule: worst.rule.clone(),
                key: entry.map(|entry| entry.key),
                address: asked.address,
                why: worst.why.clone(),
                wait: worst.wait,
                shadow,
            });
            let Some(entry) = entry else { continue };
            if !shadow && let Some(suspicion) = self.lookout.refused(self.now(), entry.key, asked.address) {
                self.counters.suspicions.add();
                self.tell(&Event::Suspicious { rule: asked.rule(entry).name.clone(), suspicion });
            }
            let strikes = |refusal: &Refusal| matches!(refusal.why, Why::Window(_) | Why::Cost(_) | Why::Concurrent(_));
            let is_blocked = refusals.iter().any(|refusal| refusal.why == Why::Blocked);
            if refusals.iter().any(strikes)
                && !is_blocked
                && let Some(period) = self.strike(asked, entry, shadow).await
            {
                refusals.iter_mut().for_each(|refusal| refusal.wait = refusal.wait.max(Wait::For(period)));
            }
        }
    }

    /// Counts a refusal towards a block, and begins the block when that was one too many: for how long, if so.
    async fn strike(&self, asked: &Asked, entry: &Entry, shadow: bool) -> Option<Duration> {
        let (rule, state) = (asked.rule(entry), asked.state(entry));
        let block = rule.block.as_ref()?;
        let on_store = self.health.may_ask(self.now());
        if !on_store && rule.on_failure != OnFailure::Local {
            return None;
        }
        let key = entry.strikes(state);
        let strike = [Charge { limit: &block.strikes, key, cost: 1 }];
        let begin = [Charge { limit: &block.block, key: entry.block(state), cost: 1 }];
        let last = |answer: &Answer| !answer.admitted || answer.windows.iter().any(|window| window.remaining == 0);
        // What cannot be counted here is noted at the next check.
        let begun = if on_store {
            match self.store.charge(&strike).await {
                Ok(answer) if last(&answer) => {
                    let begun = self.store.charge(&begin).await;
                    let _ = self.store.reset(&block.strikes, key).await;
                    begun.is_ok_and(|answer| answer.admitted)
                }
                _ => false,
            }
        } else {
            match self.local.charge_now(&strike) {
                Ok(answer) if last(&answer) => {
                    self.local.reset_now(&block.strikes, key);
                    self.local.charge_now(&begin).is_ok_and(|answer| answer.admitted)
                }
                _ => false,
            }
        };
        if begun {
            state.counters.blocks.add();
            self.tell(&Event::Blocked {
                rule: rule.name.clone(),
                key: entry.key,
                address: asked.address,
                period: block.period(),
                shadow,
            });
        }
        begun.then(|| block.period())
    }

    /// Remembers whether the store answered, and tells of each rule that goes over to doing without it, and back.
    fn note(&self, asked: &Asked, entries: &[Entry], error: Option<&StoreError>) {
        match error {
            None => {
                self.health.answered();
                for entry in entries {
                    let failing = &asked.state(entry).failing;
                    if failing.load(Relaxed) && failing.swap(false, Relaxed) {
                        self.tell(&Event::Recovered { rule: asked.rule(entry).name.clone() });
                    }
                }
            }
            // A full store answers well for the keys that it has.
            Some(StoreError::Full) => {
                self.counters.store_errors.add();
                self.full();
            }
            Some(error) => {
                self.counters.store_errors.add();
                self.health.failed(self.now(), chain(error).into());
                self.note_left_alone(asked, entries);
            }
        }
    }

    /// Tells of each rule that goes over to doing without the store, which failed for this rule or for another.
    fn note_left_alone(&self, asked: &Asked, entries: &[Entry]) {
        for entry in entries {
            let failing = &asked.state(entry).failing;
            if !failing.load(Relaxed) && !failing.swap(true, Relaxed) {
                let rule = asked.rule(entry);
                let (rule, on_failure) = (rule.name.clone(), rule.on_failure);
                self.tell(&Event::Failed { rule, on_failure, error: self.health.error() });
            }
        }
    }

    fn full(&self) {
        if self.health.tell_full(self.now()) {
            self.tell(&Event::Full);
        }
    }

    /// Gives back the places that were dropped where nobody could wait.
    async fn release_dropped(&self) {
        let dropped = mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        for lease in dropped {
            // A place that cannot be given back ends by itself.
            let _ = self.store.release(lease).await;
        }
    }
}

impl Shadow {
    fn refused(refusal: Refusal) -> Self {
        Self { counted: None, refusals: vec![refusal] }
    }
}

fn bare<'a>(charges: &Charges<'a>) -> SmallVec<[Charge<'a>; 4]> {
    charges.iter().map(|(charge, ..)| *charge).collect()
}

/// Reads the answer to charges.
fn read(asked: &Asked, entries: &[Entry], charges: &Charges<'_>, answer: &Answer, by: Source) -> Outcome {
    let mut outcome = Outcome::default();
    let mut windows = answer.windows.iter().copied();
    for (charge, at, is_gate) in charges {
        let entry = &entries[*at];
        let rule = asked.rule(entry).name.clone();
        let states: WindowStates = windows.by_ref().take(charge.limit.windows().len()).collect();
        let refusing = charge.limit.windows().iter().zip(&states).filter(|(_, state)| !state.wait.is_none());
        outcome.refusals.extend(refusing.map(|(window, state)| Refusal {
            rule: Some(rule.clone()),
            why: match state.wait {
                _ if *is_gate => Why::Blocked,
                Wait::Never => Why::Cost(*window),
                _ => Why::Window(*window),
            },
            wait: state.wait,
        }));
        if let (Some(limit), false) = (&entry.limit, *is_gate) {
            let counted = Counted { rule, key: entry.key, limit: limit.clone(), cost: entry.cost, windows: states, by };
            outcome.counted.push(counted);
        }
    }
    if answer.admitted {
        outcome.refusals.clear();
    } else if outcome.refusals.is_empty() {
        // The store refuses and does not say what: the request is refused all the same.
        let rule = entries.first().map(|entry| asked.rule(entry).name.clone());
        outcome.refusals.push(Refusal { rule, why: Why::Unavailable, wait: Wait::None });
    }
    outcome
}

/// An error with its causes.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
