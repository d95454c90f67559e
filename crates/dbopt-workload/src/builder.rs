//! The ordered part of reading: events of sessions to query classes.
//!
//! Blocks arrive in the order of the input, so all that belongs together across records is put together here, with a
//! small state for each session, and comes out the same however many threads read the blocks.
//!
//! Classes are bounded by a memory cap: when it is passed, the lightest quarter is evicted and its weight is added to
//! one remainder ([`OtherClasses`]).

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

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
    /// Where a class stands in `classes` and in `held`.
    index: HashTable<u32>,
    classes: Vec<QueryClass>,
    held: Vec<Held>,
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

/// What is known of a class only while it is collected.
struct Held {
    /// Samples with larger keys are not among the smallest.
    bound: u64,
    /// Names of its executions, as indexes of the context table: most classes have one.
    context: Option<u32>,
    #[expect(clippy::box_collection, reason = "few classes have further contexts, and all pay for the field")]
    contexts: Option<Box<Vec<u32>>>,
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
            index: HashTable::new(),
            classes: Vec::new(),
            held: Vec::new(),
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
    fn class(&mut self, query: Query, parsed: &Parsed) -> &mut QueryClass {
        let at = match self.find(query.fingerprint) {
            Some(at) => at,
            None => {
                let text = parsed.text(query.text);
                // Copied rather than shrunk, which would leave a hole behind each text that nothing fits into.
                let normal = sql::normalize(&text).as_str().to_owned();
                self.push(QueryClass::new(query.fingerprint, normal, sql::kind(&text)))
            }
        };
        &mut self.classes[at]
    }

    fn push(&mut self, class: QueryClass) -> usize {
        let at = self.classes.len();
        self.bytes += class.bytes() + Held::BYTES;
        self.held.push(Held { bound: bound(&class.samples), context: None, contexts: None });
        self.classes.push(class);
        self.enter(at);
        at
    }

    /// Where a class stands.
    #[inline]
    fn find(&self, fingerprint: Fingerprint) -> Option<usize> {
        let is_it = |at: &u32| self.classes[*at as usize].fingerprint == fingerprint;
        self.index.find(place(fingerprint), is_it).map(|at| *at as usize)
    }

    /// Puts a class that stands at `at` into the index.
    fn enter(&mut self, at: usize) {
        let fingerprint = |at: usize| self.classes[at].fingerprint;
        self.index.insert_unique(place(fingerprint(at)), at as u32, |at| place(fingerprint(*at as usize)));
    }

    /// Makes sure that the class of a statement is there, so that it can be named by its fingerprint alone.
    #[inline]
    pub(crate) fn know(&mut self, query: Query, parsed: &Parsed) {
        self.class(query, parsed);
    }

    /// Changes a class that is known; one that was evicted meanwhile is not brought back.
    #[inline]
    pub(crate) fn update(&mut self, fingerprint: Fingerprint, change: impl FnOnce(&mut QueryClass)) {
        if let Some(at) = self.find(fingerprint) {
            let class = &mut self.classes[at];
            change(class);
            class.sources.log = true;
        }
    }

    /// Counts an execution. Yields the key of its sample when it is wanted.
    pub(crate) fn execute(&mut self, execution: &Execution) -> Option<u64> {
        let Some(at) = self.find(execution.fingerprint) else {
            self.other.calls = self.other.calls.saturating_add(1);
            self.other.total_ns = self.other.total_ns.saturating_add(execution.ns.unwrap_or(0));
            return None;
        };
        let (class, held) = (&mut self.classes[at], &mut self.held[at]);
        class.sources.log = true;
        class.calls = class.calls.saturating_add(1);
        let key = sample_key(execution);
        let wanted = key <= held.bound || execution.ns.is_some_and(|ns| ns >= class.time.max_ns);
        match execution.ns {
            Some(ns) => {
                self.shortest_ns = self.shortest_ns.min(ns);
                let before = class.time.heap_bytes();
                class.time.add(ns);
                self.bytes += class.time.heap_bytes() - before;
            }
            None => class.untimed_calls = class.untimed_calls.saturating_add(1),
        }
        if let Some(when) = execution.when {
            class.first_seen = earlier(class.first_seen, Some(when));
            class.last_seen = class.last_seen.max(Some(when));
        }
        held.see(execution.context);
        wanted.then_some(key)
    }

    /// Keeps a sample of a class, if it is still wanted.
    pub(crate) fn keep_sample(&mut self, fingerprint: Fingerprint, sample: Sample) {
        let Some(at) = self.find(fingerprint) else { return };
        let samples = &mut self.classes[at].samples;
        let size = |samples: &Vec<Sample>| -> usize {
            samples.capacity() * size_of::<Sample>() + samples.iter().map(Sample::heap_bytes).sum::<usize>()
        };
        let before = size(samples);
        if samples.is_empty() {
            samples.reserve_exact(1);
        }
        model::add_sample(samples, sample);
        self.held[at].bound = bound(samples);
        self.bytes = (self.bytes + size(samples)).saturating_sub(before);
    }

    /// Whether a plan of a class would be kept, and its key if so.
    pub(crate) fn wants_plan(&self, fingerprint: Fingerprint, ns: u64, when: Option<Timestamp>) -> Option<u64> {
        let key = sample_key(&Execution { fingerprint, ns: Some(ns), when, context: 0 });
        let plans = &self.classes[self.find(fingerprint)?].plans;
        let wanted = plans.len() < 2 || key <= plans[0].key || plans.iter().all(|plan| ns >= plan.duration_ns);
        wanted.then_some(key)
    }

    /// Counts a plan, and keeps it when it is still wanted.
    pub(crate) fn keep_plan(&mut self, fingerprint: Fingerprint, plan: Option<LoggedPlan>) {
        let Some(at) = self.find(fingerprint) else { return };
        let class = &mut self.classes[at];
        class.plan_count += 1;
        class.sources.log = true;
        if let Some(plan) = plan {
            let size = |plans: &Vec<LoggedPlan>| -> usize {
                plans.capacity() * size_of::<LoggedPlan>()
                    + plans.iter().map(|plan| plan.text.capacity()).sum::<usize>()
            };
            let plans = &mut class.plans;
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
        let class = self.class(query, &parsed);
        class.sources.sql_file = true;
        class.calls = class.calls.saturating_add(1);
        class.untimed_calls = class.untimed_calls.saturating_add(1);
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
        match self.find(class.fingerprint) {
            Some(at) => {
                let held = &mut self.classes[at];
                held.merge(class);
                self.held[at].bound = bound(&held.samples);
            }
            None => {
                self.push(class);
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
        let weight = |class: &QueryClass| {
            (class.time.total_ns.saturating_add(class.parse_ns).saturating_add(class.bind_ns), class.calls)
        };
        let mut order: Vec<((u64, u64), Fingerprint)> =
            self.classes.iter().map(|class| (weight(class), class.fingerprint)).collect();
        order.sort_unstable();
        let lightest = order.len().div_ceil(4);
        // What is not lighter than this one stays; no two classes have one fingerprint.
        let first_kept = order.get(lightest).copied();
        let stays: Vec<bool> = self
            .classes
            .iter()
            .map(|class| first_kept.is_some_and(|first| (weight(class), class.fingerprint) >= first))
            .collect();
        for (class, _) in self.classes.iter().zip(&stays).filter(|(_, stays)| !**stays) {
            let (total_ns, calls) = weight(class);
            self.other.merge(&OtherClasses { evicted: 1, calls, total_ns, largest_ns: total_ns });
        }
        let mut each = stays.iter();
        self.classes.retain(|_| each.next() == Some(&true));
        let mut each = stays.iter();
        self.held.retain(|_| each.next() == Some(&true));
        self.index.clear();
        (0..self.classes.len()).for_each(|at| self.enter(at));
        self.bytes = self.classes.iter().map(|class| class.bytes() + Held::BYTES).sum();
    }

    /// The workload, without coverage and findings.
    pub(crate) fn finish(self) -> Workload {
        let names = &self.contexts.names;
        let mut classes = self.classes;
        // Most classes are of one context, and share the sets of its names.
        let mut single: HashMap<u32, [NameSet; 3]> = HashMap::new();
        for (class, held) in classes.iter_mut().zip(self.held) {
            if let (Some(context), None, true) = (held.context, &held.contexts, class.users.is_empty()) {
                let sets = single.entry(context).or_insert_with(|| names[context as usize].sets());
                let [users, databases, applications] = sets.clone();
                class.users = users;
                class.databases.merge(&databases);
                class.applications.merge(&applications);
            } else {
                for context in held.context.into_iter().chain(held.contexts.into_iter().flat_map(|more| *more)) {
                    let [users, databases, applications] = names[context as usize].sets();
                    class.users.merge(&users);
                    class.databases.merge(&databases);
                    class.applications.merge(&applications);
                }
            }
        }
        // Classes that were announced but neither ran nor failed have nothing to say.
        classes.retain(|class| class.sources != Sources::default());
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

impl Held {
    /// Memory of a class besides itself: this, and its place in the index.
    const BYTES: usize = size_of::<Self>() + 2 * size_of::<u32>();

    #[inline]
    fn see(&mut self, context: u32) {
        match self.context {
            Some(held) if held == context => {}
            None => self.context = Some(context),
            Some(_) => {
                let more = self.contexts.get_or_insert_default();
                if !more.contains(&context) && more.len() + 1 < MOST_CONTEXTS {
                    more.push(context);
                }
            }
        }
    }
}

/// The hash under which the index has a class; fingerprints are hashes already, if not in all bits.
#[inline]
fn place(fingerprint: Fingerprint) -> u64 {
    hash::mix(fingerprint.0, 0)
}

/// The largest key that a further sample may have to be among the smallest.
fn bound(samples: &[Sample]) -> u64 {
    samples.get(model::KEPT - 1).map_or(u64::MAX, |last| last.key)
}

impl Names {
    /// Users, databases and applications, of which there is one or none each.
    fn sets(&self) -> [NameSet; 3] {
        [&self.user, &self.database, &self.application].map(|name| {
            let mut set = NameSet::default();
            name.iter().for_each(|name| set.insert(name));
            set
        })
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
