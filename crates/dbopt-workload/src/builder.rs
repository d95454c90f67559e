//! The ordered part of reading: events of sessions to query classes.
//!
//! Blocks arrive in the order of the input, so all that belongs together across records is put together here, with a
//! small state for each session, and comes out the same however many threads read the blocks.
//!
//! Classes are bounded by a memory cap: when it is passed, the lightest quarter is evicted and its weight is added to
//! one remainder ([`OtherClasses`]).

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::model::{
    ErrorClass, Events, LoggedPlan, NameSet, OtherClasses, QueryClass, Sample, SourcePlace, Sources, Workload, earlier,
};
use crate::record::event::{Parsed, Query, Span};
use crate::time::Timestamp;
use crate::{Fingerprint, hash, model, sql};

type FixedState = foldhash::fast::FixedState;

/// Distinct errors kept apart; more go to one class.
const MOST_ERRORS: usize = 1_000;
/// Distinct combinations of user, database and application kept for a class.
const MOST_CONTEXTS: usize = NameSet::MOST;

/// Collects a workload.
pub(crate) struct Builder {
    classes: HashMap<Fingerprint, Box<Class>, FixedState>,
    other: OtherClasses,
    errors: HashMap<u64, ErrorClass, FixedState>,
    pub(crate) events: Events,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    contexts: ContextTable,
    /// Rough memory of the classes in bytes.
    bytes: usize,
    cap: usize,
    /// The shortest timed execution of a log, which tells of a threshold.
    pub(crate) shortest_ns: u64,
}

/// A class being collected; its names as indexes of the context table.
struct Class {
    class: QueryClass,
    contexts: Vec<u32>,
}

/// Names of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) user: Option<Arc<str>>,
    pub(crate) database: Option<Arc<str>>,
    pub(crate) application: Option<Arc<str>>,
}

#[derive(Default)]
struct ContextTable {
    by_hash: HashMap<u64, u32>,
    names: Vec<Names>,
    interned: HashMap<Box<[u8]>, Arc<str>>,
}

/// One execution, in whatever way it was learned of.
pub(crate) struct Execution {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) ns: Option<u64>,
    pub(crate) when: Option<Timestamp>,
    pub(crate) context: u32,
}

impl Builder {
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            classes: HashMap::with_hasher(hash::fixed()),
            other: OtherClasses::default(),
            errors: HashMap::with_hasher(hash::fixed()),
            events: Events::default(),
            first: None,
            last: None,
            contexts: ContextTable::default(),
            bytes: 0,
            cap,
            shortest_ns: u64::MAX,
        }
    }

    /// The table's index for each context of a block.
    pub(crate) fn contexts(&mut self, parsed: &Parsed) -> Vec<u32> {
        parsed
            .contexts
            .iter()
            .map(|context| {
                let [user, database, application] =
                    [context.user, context.database, context.application].map(|span| parsed.slice(span));
                self.contexts.index(user, database, application)
            })
            .collect()
    }

    /// The names of a context.
    pub(crate) fn names(&self, context: u32) -> &Names {
        &self.contexts.names[context as usize]
    }

    /// Widens the period of the log.
    pub(crate) fn seen(&mut self, when: Timestamp) {
        self.first = Some(self.first.map_or(when, |first| first.min(when)));
        self.last = Some(self.last.map_or(when, |last| last.max(when)));
    }

    /// The class of a statement, made when it is new.
    fn class(&mut self, query: Query, parsed: &Parsed) -> &mut Class {
        match self.classes.entry(query.fingerprint) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(vacant) => {
                let text = parsed.text(query.text);
                let mut normal = sql::normalize(&text);
                normal.shrink_to_fit();
                let class = QueryClass::new(query.fingerprint, normal, sql::kind(&text));
                self.bytes += class.bytes() + size_of::<Class>() - size_of::<QueryClass>() + 48;
                vacant.insert(Box::new(Class { class, contexts: Vec::new() }))
            }
        }
    }

    /// Makes sure that the class of a statement is there, so that it can be named by its fingerprint alone.
    pub(crate) fn know(&mut self, query: Query, parsed: &Parsed) {
        self.class(query, parsed);
    }

    /// Changes a class that is known; one that was evicted meanwhile is not brought back.
    pub(crate) fn update(&mut self, fingerprint: Fingerprint, change: impl FnOnce(&mut QueryClass)) {
        if let Some(held) = self.classes.get_mut(&fingerprint) {
            change(&mut held.class);
            held.class.sources.log = true;
        }
    }

    /// Counts an execution. Yields the key of its sample when it is wanted.
    pub(crate) fn execute(&mut self, execution: &Execution) -> Option<u64> {
        let Some(held) = self.classes.get_mut(&execution.fingerprint) else {
            self.other.calls += 1;
            self.other.total_ns = self.other.total_ns.saturating_add(execution.ns.unwrap_or(0));
            return None;
        };
        let class = &mut held.class;
        class.sources.log = true;
        class.calls += 1;
        let key = sample_key(execution);
        let wanted = class.samples.len() < model::KEPT
            || key <= class.samples[model::KEPT - 1].key
            || execution.ns.is_some_and(|ns| ns >= class.time.max_ns);
        match execution.ns {
            Some(ns) => {
                self.shortest_ns = self.shortest_ns.min(ns);
                let before = class.time.heap_bytes();
                class.time.add(ns);
                self.bytes += class.time.heap_bytes() - before;
            }
            None => class.untimed_calls += 1,
        }
        if let Some(when) = execution.when {
            class.first_seen = earlier(class.first_seen, Some(when));
            class.last_seen = class.last_seen.max(Some(when));
        }
        if !held.contexts.contains(&execution.context) && held.contexts.len() < MOST_CONTEXTS {
            held.contexts.push(execution.context);
        }
        wanted.then_some(key)
    }

    /// Keeps a sample of a class, if it is still wanted.
    pub(crate) fn keep_sample(&mut self, fingerprint: Fingerprint, sample: Sample) {
        let Some(held) = self.classes.get_mut(&fingerprint) else { return };
        let samples = &mut held.class.samples;
        let size = |samples: &Vec<Sample>| -> usize {
            samples.capacity() * size_of::<Sample>() + samples.iter().map(Sample::heap_bytes).sum::<usize>()
        };
        let before = size(samples);
        if samples.is_empty() {
            samples.reserve_exact(1);
        }
        samples.push(sample);
        model::choose(samples);
        self.bytes = (self.bytes + size(samples)).saturating_sub(before);
    }

    /// Whether a plan of a class would be kept, and its key if so.
    pub(crate) fn wants_plan(&self, fingerprint: Fingerprint, ns: u64, when: Option<Timestamp>) -> Option<u64> {
        let key = sample_key(&Execution { fingerprint, ns: Some(ns), when, context: 0 });
        let plans = &self.classes.get(&fingerprint)?.class.plans;
        let wanted = plans.len() < 2 || key <= plans[0].key || plans.iter().all(|plan| ns >= plan.duration_ns);
        wanted.then_some(key)
    }

    /// Counts a plan, and keeps it when it is still wanted.
    pub(crate) fn keep_plan(&mut self, fingerprint: Fingerprint, plan: Option<LoggedPlan>) {
        let Some(held) = self.classes.get_mut(&fingerprint) else { return };
        held.class.plan_count += 1;
        held.class.sources.log = true;
        if let Some(plan) = plan {
            let size = |plans: &Vec<LoggedPlan>| -> usize {
                plans.capacity() * size_of::<LoggedPlan>()
                    + plans.iter().map(|plan| plan.text.capacity()).sum::<usize>()
            };
            let plans = &mut held.class.plans;
            let before = size(plans);
            plans.reserve_exact(1);
            plans.push(plan);
            model::choose_plans(plans);
            self.bytes = (self.bytes + size(plans)).saturating_sub(before);
        }
    }

    /// Counts an error. `class` is equal for errors of one kind; `template` is asked for when the kind is new.
    pub(crate) fn error(
        &mut self,
        class: u64,
        severity: &'static str,
        sqlstate: Option<[u8; 5]>,
        template: impl FnOnce() -> String,
        when: Option<Timestamp>,
    ) {
        let full = self.errors.len() >= MOST_ERRORS && !self.errors.contains_key(&class);
        let error = self.errors.entry(if full { 0 } else { class }).or_insert_with(|| ErrorClass {
            severity: if full { "ERROR" } else { severity },
            sqlstate: sqlstate.filter(|_| !full).map(|state| String::from_utf8_lossy(&state).into_owned()),
            message: if full { "other errors".to_owned() } else { template() },
            count: 0,
            first_seen: None,
            last_seen: None,
        });
        error.count += 1;
        error.first_seen = earlier(error.first_seen, when);
        error.last_seen = error.last_seen.max(when);
    }

    /// Counts a statement of a file: an execution of unknown duration.
    pub(crate) fn statement(&mut self, text: &str, place: SourcePlace) {
        let fingerprint = sql::fingerprint(text.as_bytes());
        let parsed = Parsed { bytes: text.as_bytes().to_vec(), ..Parsed::default() };
        let query = Query { text: Span::raw(0..text.len()), fingerprint };
        let class = &mut self.class(query, &parsed).class;
        class.sources.sql_file = true;
        class.calls += 1;
        class.untimed_calls += 1;
        if class.samples.len() <= model::KEPT {
            let mut hasher = hash::fixed().build_hasher();
            hasher.write(text.as_bytes());
            let key = hasher.finish();
            let truncated = text.len() > Sample::LONGEST;
            let text = cut(text, Sample::LONGEST).to_owned();
            self.keep_sample(
                fingerprint,
                Sample {
                    text,
                    parameters: None,
                    duration_ns: None,
                    place: Some(place),
                    when: None,
                    database: None,
                    user: None,
                    truncated,
                    key,
                },
            );
        }
        self.evict();
    }

    /// Adds a class that was counted elsewhere.
    pub(crate) fn add(&mut self, class: QueryClass) {
        match self.classes.entry(class.fingerprint) {
            Entry::Occupied(mut held) => held.get_mut().class.merge(class),
            Entry::Vacant(vacant) => {
                self.bytes += class.bytes() + 48;
                vacant.insert(Box::new(Class { class, contexts: Vec::new() }));
            }
        }
        self.evict();
    }

    /// Interns a name.
    pub(crate) fn intern(&mut self, name: &str) -> Option<Arc<str>> {
        self.contexts.intern(name.as_bytes())
    }

    /// Brings the classes below the cap, once they are above it.
    pub(crate) fn evict(&mut self) {
        if self.bytes <= self.cap {
            return;
        }
        let weight = |class: &QueryClass| (class.time.total_ns + class.parse_ns + class.bind_ns, class.calls);
        let mut order: Vec<((u64, u64), Fingerprint)> =
            self.classes.values().map(|held| (weight(&held.class), held.class.fingerprint)).collect();
        order.sort_unstable();
        for (_, fingerprint) in order.iter().take(order.len().div_ceil(4)) {
            if let Some(held) = self.classes.remove(fingerprint) {
                let (total_ns, calls) = weight(&held.class);
                self.other.merge(&OtherClasses { evicted: 1, calls, total_ns, largest_ns: total_ns });
            }
        }
        self.classes.shrink_to_fit();
        self.bytes = self.classes.values().map(|held| held.class.bytes() + 112).sum();
    }

    /// The workload, without coverage and findings.
    pub(crate) fn finish(self) -> Workload {
        let names = &self.contexts.names;
        let classes = self
            .classes
            .into_values()
            .map(|held| {
                let mut class = held.class;
                for context in held.contexts {
                    let names = &names[context as usize];
                    names.user.iter().for_each(|name| class.users.insert(name));
                    names.database.iter().for_each(|name| class.databases.insert(name));
                    names.application.iter().for_each(|name| class.applications.insert(name));
                }
                class
            })
            // Classes that were announced but neither ran nor failed have nothing to say.
            .filter(|class| class.sources != Sources::default())
            .collect();
        let mut workload = Workload {
            classes,
            other: self.other,
            errors: self.errors.into_values().collect(),
            events: self.events,
            period: self.first.zip(self.last),
            ..Workload::default()
        };
        workload.sort();
        workload
    }
}

impl ContextTable {
    fn index(&mut self, user: &[u8], database: &[u8], application: &[u8]) -> u32 {
        let mut hasher = hash::fixed().build_hasher();
        for name in [user, database, application] {
            hasher.write_usize(name.len());
            hasher.write(name);
        }
        let key = hasher.finish();
        if let Some(index) = self.by_hash.get(&key) {
            return *index;
        }
        // Hostile application names must not fill the memory: past the bound they share one entry.
        let key = if self.names.len() >= 65_536 { 0 } else { key };
        if let Some(index) = self.by_hash.get(&key) {
            return *index;
        }
        let names = if key == 0 {
            Names::default()
        } else {
            Names { user: self.intern(user), database: self.intern(database), application: self.intern(application) }
        };
        self.names.push(names);
        let index = self.names.len() as u32 - 1;
        self.by_hash.insert(key, index);
        index
    }

    fn intern(&mut self, name: &[u8]) -> Option<Arc<str>> {
        if name.is_empty() || name == b"[unknown]" {
            return None;
        }
        if let Some(held) = self.interned.get(name) {
            return Some(Arc::clone(held));
        }
        let text: Arc<str> = Arc::from(String::from_utf8_lossy(name));
        self.interned.insert(name.into(), Arc::clone(&text));
        Some(text)
    }
}

/// The longest head of `text` that has at most `most` bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What samples are chosen by: the same for one execution in every format of log.
fn sample_key(execution: &Execution) -> u64 {
    let when = execution.when.map_or(0, |when| when.as_micros() as u64);
    hash::mix(hash::mix(when, execution.ns.unwrap_or(u64::MAX)), execution.fingerprint.0)
}
