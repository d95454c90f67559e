//! What belongs together across the records of one session.
//!
//! - DETAIL, CONTEXT and STATEMENT belong to the last record of their session.
//! - `statement: …` and a later `duration: …` without text (`log_statement` and `log_duration`) are one execution.
//! - A plan of auto_explain and the duration line of its statement are one execution. The plan stands before the line
//!   (simple protocol, writes) or after it (the extended protocol ends a SELECT's executor only with the portal). A plan
//!   and a line are tied when they are of one class, the plan took no longer than the line says, and neither is tied
//!   yet. A plan with a CONTEXT ran inside a function: it is tied to its own class, and its time belongs to its
//!   caller. A plan that finds no line is itself the only witness of an execution and counts as one.
//!
//! State is bounded: sessions beyond the bound are settled as if they had ended.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::Fingerprint;
use crate::builder::{Builder, Execution, cut};
use crate::model::{LoggedPlan, Sample, SourcePlace};
use crate::record::event::{Event, Parsed, Query, Span, Step, What};
use crate::record::{arguments, message, parameters};
use crate::time::Timestamp;
use crate::wrapper::Layers;

/// Sessions kept open at once.
const MOST_SESSIONS: usize = 4_096;
/// Plans of one session that wait for their line.
const MOST_PLANS: usize = 32;
/// Executions of one session to which a later plan may belong.
const RECENT: usize = 8;
/// Clock granularity between a plan's time and its statement's, in nanoseconds.
const SLACK_NS: u64 = 50_000;

/// The sessions of a log.
#[derive(Default)]
pub(crate) struct Sessions {
    open: HashMap<u64, Session, foldhash::fast::FixedState>,
    clock: u64,
}

#[derive(Default)]
struct Session {
    /// The last record, to which the parts that follow belong.
    last: Last,
    /// A statement whose duration is yet to come.
    announced: Option<Box<Announced>>,
    /// Plans that wait for the duration line of their statement, in order.
    plans: Vec<Plan>,
    /// Executions that a plan may still belong to, oldest first.
    recent: VecDeque<Recent>,
    /// Whether a plan was tied to the execution that is being counted.
    tied: bool,
    touched: u64,
}

#[derive(Default)]
enum Last {
    /// A record whose parts do not matter.
    #[default]
    Nothing,
    /// An execution whose sample waits for its parameters.
    Sampled(Box<(Fingerprint, Sample)>),
    /// An `EXECUTE` that waits for what was prepared.
    Prepared(Box<Deferred>),
    /// The announced statement.
    Announced,
    /// The last one of the plans.
    Plan,
    Error,
    TempFile(u64),
    LockWait,
}

struct Announced {
    execution: Execution,
    sample: Sample,
    lenient: bool,
}

struct Deferred {
    execution: Execution,
    sample: Sample,
}

struct Plan {
    fingerprint: Fingerprint,
    ns: u64,
    when: Option<Timestamp>,
    context: u32,
    nested: bool,
    kept: Option<LoggedPlan>,
}

struct Recent {
    fingerprint: Fingerprint,
    ns: u64,
    tied: bool,
    /// Whether the executor may go on after the line: portals and cursors.
    lenient: bool,
}

/// What the ordered part knows of the block that an event comes from.
pub(crate) struct Block<'a> {
    pub(crate) parsed: &'a Parsed,
    pub(crate) file: &'a Arc<str>,
    /// Lines of the input before the block.
    pub(crate) lines_before: u64,
    /// Wrappers that were taken off.
    pub(crate) layers: &'a Layers,
    /// Offset and line up to which lines are counted.
    pub(crate) counted: (usize, u64),
}

impl Block<'_> {
    fn place(&mut self, at: u32) -> SourcePlace {
        let at = at as usize;
        let (from, lines) = self.counted;
        let lines = if from <= at {
            lines + memchr::memchr_iter(b'\n', &self.parsed.bytes[from..at]).count() as u64
        } else {
            memchr::memchr_iter(b'\n', &self.parsed.bytes[..at]).count() as u64
        };
        self.counted = (at, lines);
        SourcePlace { file: Arc::clone(self.file), line: self.layers.source(self.lines_before + lines + 1) }
    }

    fn sample(
        &mut self,
        text: Span,
        event: &Event,
        ns: Option<u64>,
        key: u64,
        builder: &Builder,
        context: u32,
    ) -> Sample {
        let text = self.parsed.text(text);
        let truncated = text.len() > Sample::LONGEST;
        let text = if truncated { cut(&text, Sample::LONGEST).to_owned() } else { text };
        let names = builder.names(context);
        Sample {
            text,
            parameters: None,
            duration_ns: ns,
            place: Some(self.place(event.at)),
            when: event.when,
            database: names.database.clone(),
            user: names.user.clone(),
            truncated,
            key,
        }
    }
}

impl Sessions {
    /// Takes in one event. `context` is the builder's index for the event's names.
    pub(crate) fn take(&mut self, builder: &mut Builder, block: &mut Block<'_>, event: &Event, context: u32) {
        if self.open.len() >= MOST_SESSIONS && !self.open.contains_key(&event.session) {
            self.settle_oldest(builder);
        }
        self.clock += 1;
        let session = self.open.entry(event.session).or_default();
        session.touched = self.clock;
        if event.what.is_primary() {
            session.close(builder);
            session.record(builder, block, event, context);
        } else {
            session.part(builder, block, event, context);
        }
        if matches!(event.what, What::Disconnection)
            && let Some(mut session) = self.open.remove(&event.session)
        {
            session.end(builder);
        }
    }

    /// Passes over an event that is left out on request; the parts that follow have nothing to belong to.
    pub(crate) fn leave_out(&mut self, builder: &mut Builder, event: &Event) {
        if event.what.is_primary()
            && let Some(session) = self.open.get_mut(&event.session)
        {
            session.close(builder);
        }
    }

    /// Settles what still waits in any session.
    pub(crate) fn end(&mut self, builder: &mut Builder) {
        let mut order: Vec<(u64, Session)> = self.open.drain().collect();
        order.sort_by_key(|(_, session)| session.touched);
        for (_, mut session) in order {
            session.end(builder);
        }
    }

    /// Ends the half of the sessions that was quiet for longest.
    fn settle_oldest(&mut self, builder: &mut Builder) {
        let mut order: Vec<(u64, u64)> = self.open.iter().map(|(id, session)| (session.touched, *id)).collect();
        order.sort_unstable();
        for (_, id) in order.iter().take(order.len().div_ceil(2)) {
            if let Some(mut session) = self.open.remove(id) {
                session.end(builder);
            }
        }
    }
}

impl Session {
    /// A record begins, so the one before is complete.
    fn close(&mut self, builder: &mut Builder) {
        match std::mem::take(&mut self.last) {
            Last::Sampled(sampled) => {
                let (fingerprint, sample) = *sampled;
                builder.keep_sample(fingerprint, sample);
            }
            Last::Prepared(deferred) => self.run(builder, deferred.execution, Some(deferred.sample), false),
            Last::Plan => self.close_plan(builder),
            Last::Nothing | Last::Announced | Last::Error | Last::TempFile(_) | Last::LockWait => {}
        }
    }

    fn record(&mut self, builder: &mut Builder, block: &mut Block<'_>, event: &Event, context: u32) {
        match event.what {
            What::Timed { ns, step, query } => self.timed(builder, block, event, context, (ns, step, query)),
            What::Bare { ns } => match self.announced.take() {
                Some(announced) => {
                    let Announced { mut execution, mut sample, lenient } = *announced;
                    execution.ns = Some(ns);
                    execution.when = event.when.or(execution.when);
                    sample.duration_ns = Some(ns);
                    sample.when = execution.when;
                    self.run(builder, execution, Some(sample), lenient);
                }
                None => builder.events.bare_durations.add(ns),
            },
            What::Announced { step, query } => {
                self.settle_announced(builder);
                builder.know(query, block.parsed);
                let execution = Execution { fingerprint: query.fingerprint, ns: None, when: event.when, context };
                let sample = block.sample(query.text, event, None, 0, builder, context);
                let lenient = step == Step::Fetch || begins_cursor(block.parsed.slice(query.text));
                self.announced = Some(Box::new(Announced { execution, sample, lenient }));
                self.last = Last::Announced;
            }
            What::Plan { ns, body, format, query } => {
                builder.events.plans += 1;
                let Some(query) = query else { return };
                builder.know(query, block.parsed);
                let kept = builder.wants_plan(query.fingerprint, ns, event.when).and_then(|key| {
                    let text = block.parsed.text(body);
                    (text.len() <= LoggedPlan::LONGEST).then(|| LoggedPlan {
                        text,
                        format,
                        duration_ns: ns,
                        place: Some(block.place(event.at)),
                        when: event.when,
                        nested: false,
                        key,
                    })
                });
                if self.plans.len() >= MOST_PLANS {
                    let oldest = self.plans.remove(0);
                    lone(oldest, builder);
                }
                let fingerprint = query.fingerprint;
                self.plans.push(Plan { fingerprint, ns, when: event.when, context, nested: false, kept });
                self.last = Last::Plan;
            }
            What::Error { severity, sqlstate, message, class } => {
                // The announced statement failed: it is an error, not an execution.
                self.announced = None;
                let text = block.parsed.slice(message);
                if sqlstate.is_some_and(|state| state == *b"40P01")
                    || (sqlstate.is_none() && text == b"deadlock detected")
                {
                    builder.events.deadlocks += 1;
                }
                builder.error(class, severity, sqlstate, || message::error_template(text), event.when);
                self.last = Last::Error;
            }
            What::TempFile { bytes } => {
                builder.events.temp_files.add(bytes);
                self.last = Last::TempFile(bytes);
            }
            What::LockWait { ns } => {
                builder.events.lock_waits.add(ns);
                self.last = Last::LockWait;
            }
            What::LockAcquired { ns } => builder.events.locks_acquired.add(ns),
            What::Checkpoint => builder.events.checkpoints += 1,
            What::Restartpoint => builder.events.restartpoints += 1,
            What::Autovacuum => builder.events.autovacuums += 1,
            What::Autoanalyze => builder.events.autoanalyzes += 1,
            What::Connection => builder.events.connections += 1,
            What::Disconnection => builder.events.disconnections += 1,
            What::Warning => builder.events.warnings += 1,
            What::Other => builder.events.other += 1,
            What::Parameters(_) | What::Prepared(_) | What::Context | What::Statement(_) => {}
        }
    }

    fn timed(
        &mut self,
        builder: &mut Builder,
        block: &mut Block<'_>,
        event: &Event,
        context: u32,
        (ns, step, query): (u64, Step, Query),
    ) {
        builder.know(query, block.parsed);
        let fingerprint = query.fingerprint;
        match step {
            Step::Parse => builder.update(fingerprint, |class| class.parse_ns = class.parse_ns.saturating_add(ns)),
            Step::Bind => builder.update(fingerprint, |class| class.bind_ns = class.bind_ns.saturating_add(ns)),
            Step::Fetch => builder.update(fingerprint, |class| {
                class.fetches += 1;
                class.time.add_more(ns);
            }),
            Step::Statement | Step::Execute | Step::Portal => {
                self.announced = None;
                let execution = Execution { fingerprint, ns: Some(ns), when: event.when, context };
                self.tie_waiting(builder, &execution, block.parsed.precise);
                let lenient = step == Step::Portal || begins_cursor(block.parsed.slice(query.text));
                let wanted = builder.execute(&execution);
                if let Some(key) = wanted {
                    let sample = block.sample(query.text, event, Some(ns), key, builder, context);
                    self.last = Last::Sampled(Box::new((fingerprint, sample)));
                }
                self.remember(fingerprint, ns, lenient);
            }
            Step::SqlExecute => {
                self.announced = None;
                let execution = Execution { fingerprint, ns: Some(ns), when: event.when, context };
                let sample = block.sample(query.text, event, Some(ns), 0, builder, context);
                self.last = Last::Prepared(Box::new(Deferred { execution, sample }));
            }
        }
    }

    /// A part of the last record.
    fn part(&mut self, builder: &mut Builder, block: &mut Block<'_>, event: &Event, context: u32) {
        match (&mut self.last, event.what) {
            (Last::Sampled(sampled), What::Parameters(list)) => {
                set_parameters(&mut sampled.1, &block.parsed.text(list))
            }
            (Last::Announced, What::Parameters(list)) => {
                if let Some(announced) = &mut self.announced {
                    set_parameters(&mut announced.sample, &block.parsed.text(list));
                }
            }
            (Last::Announced, What::Prepared(query)) => {
                builder.know(query, block.parsed);
                if let Some(announced) = &mut self.announced {
                    announced.execution.fingerprint = query.fingerprint;
                    let mut sample = block.sample(query.text, event, None, 0, builder, context);
                    take_arguments(&mut sample, &announced.sample);
                    announced.sample = sample;
                }
            }
            (Last::Prepared(deferred), What::Prepared(query)) => {
                builder.know(query, block.parsed);
                deferred.execution.fingerprint = query.fingerprint;
                let ns = deferred.execution.ns;
                let mut sample = block.sample(query.text, event, ns, 0, builder, context);
                sample.when = deferred.execution.when;
                take_arguments(&mut sample, &deferred.sample);
                deferred.sample = sample;
            }
            (Last::Plan, What::Context) => {
                if let Some(plan) = self.plans.last_mut() {
                    plan.nested = true;
                }
            }
            (Last::Error, What::Statement(query)) => {
                builder.know(query, block.parsed);
                builder.update(query.fingerprint, |class| class.errors += 1);
                self.last = Last::Nothing;
            }
            (Last::TempFile(bytes), What::Statement(query)) => {
                let bytes = *bytes;
                builder.know(query, block.parsed);
                builder.update(query.fingerprint, |class| {
                    class.temp_files += 1;
                    class.temp_bytes = class.temp_bytes.saturating_add(bytes);
                });
                self.last = Last::Nothing;
            }
            (Last::LockWait, What::Statement(query)) => {
                builder.know(query, block.parsed);
                builder.update(query.fingerprint, |class| class.lock_waits += 1);
                self.last = Last::Nothing;
            }
            _ => {}
        }
    }

    /// Counts an execution whose sample is already at hand.
    fn run(&mut self, builder: &mut Builder, execution: Execution, sample: Option<Sample>, lenient: bool) {
        if execution.ns.is_some() {
            self.tie_waiting(builder, &execution, true);
        }
        if let (Some(key), Some(mut sample)) = (builder.execute(&execution), sample) {
            sample.key = key;
            builder.keep_sample(execution.fingerprint, sample);
        }
        if let Some(ns) = execution.ns {
            self.remember(execution.fingerprint, ns, lenient);
        }
    }

    fn remember(&mut self, fingerprint: Fingerprint, ns: u64, lenient: bool) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        // A plan that stood before the line is tied by now; see `tie_waiting`.
        let tied = std::mem::take(&mut self.tied);
        self.recent.push_back(Recent { fingerprint, ns, tied, lenient });
    }

    /// Ties the plans that wait to the execution whose line has come, and settles the others.
    fn tie_waiting(&mut self, builder: &mut Builder, execution: &Execution, precise: bool) {
        self.tied = false;
        if self.plans.is_empty() {
            return;
        }
        let ns = execution.ns.unwrap_or(0);
        let start = execution.when.filter(|_| precise).map(|when| when.as_micros() - (ns / 1_000) as i64);
        let mut left = ns + SLACK_NS;
        let mut settled = Vec::with_capacity(self.plans.len());
        for plan in self.plans.drain(..).rev() {
            let since_start = start.zip(plan.when).map(|(start, when)| when.as_micros() - start);
            let inside = since_start.is_none_or(|since| since >= -1_000);
            let ties = plan.fingerprint == execution.fingerprint && plan.ns <= left && inside;
            if ties {
                left -= plan.ns;
                self.tied = true;
            }
            settled.push((plan, ties, since_start.is_some_and(|since| since > 1_000)));
        }
        for (mut plan, ties, within) in settled.into_iter().rev() {
            if ties {
                builder.keep_plan(plan.fingerprint, plan.kept.take());
            } else if within {
                nested(plan, builder);
            } else {
                lone(plan, builder);
            }
        }
    }

    /// The record of the last plan is complete.
    fn close_plan(&mut self, builder: &mut Builder) {
        let Some(plan) = self.plans.pop() else { return };
        if plan.nested {
            nested(plan, builder);
            return;
        }
        let fits = |recent: &&mut Recent| {
            recent.fingerprint == plan.fingerprint
                && !recent.tied
                && (recent.lenient || plan.ns <= recent.ns + SLACK_NS)
        };
        if let Some(recent) = self.recent.iter_mut().rev().find(fits) {
            recent.tied = true;
            builder.keep_plan(plan.fingerprint, plan.kept);
        } else {
            self.plans.push(plan);
        }
    }

    /// The announced statement gets no duration line: a plan may still tell how long it took.
    fn settle_announced(&mut self, builder: &mut Builder) {
        let Some(announced) = self.announced.take() else { return };
        let Announced { mut execution, mut sample, .. } = *announced;
        if let Some(at) = self.plans.iter().rposition(|plan| plan.fingerprint == execution.fingerprint) {
            let plan = self.plans.remove(at);
            execution.ns = Some(plan.ns);
            execution.when = plan.when.or(execution.when);
            sample.duration_ns = Some(plan.ns);
            sample.when = execution.when;
            builder.keep_plan(plan.fingerprint, plan.kept);
        }
        if let Some(key) = builder.execute(&execution) {
            sample.key = key;
            builder.keep_sample(execution.fingerprint, sample);
        }
    }

    /// Nothing more follows.
    fn end(&mut self, builder: &mut Builder) {
        self.close(builder);
        self.settle_announced(builder);
        for plan in self.plans.drain(..) {
            lone(plan, builder);
        }
    }
}

/// Counts a plan as the execution that it is the only witness of.
fn lone(plan: Plan, builder: &mut Builder) {
    let execution =
        Execution { fingerprint: plan.fingerprint, ns: Some(plan.ns), when: plan.when, context: plan.context };
    builder.execute(&execution);
    builder.keep_plan(plan.fingerprint, plan.kept);
}

/// Counts a plan of a statement inside a function.
fn nested(plan: Plan, builder: &mut Builder) {
    let ns = plan.ns;
    builder.update(plan.fingerprint, |class| {
        class.nested_calls += 1;
        class.nested_ns = class.nested_ns.saturating_add(ns);
    });
    builder.keep_plan(plan.fingerprint, plan.kept.map(|kept| LoggedPlan { nested: true, ..kept }));
}

fn set_parameters(sample: &mut Sample, list: &str) {
    if list.len() > Sample::LONGEST {
        sample.truncated = true;
        return;
    }
    if let Some(read) = parameters::read(list) {
        sample.truncated |= read.cut;
        sample.parameters = Some(read.values);
    }
}

/// Gives the sample of what was prepared the arguments of its `EXECUTE`.
fn take_arguments(sample: &mut Sample, execute: &Sample) {
    if !execute.truncated {
        sample.parameters = arguments::read(&execute.text);
    }
}

/// Whether a statement opens a cursor, whose executor goes on after the statement.
fn begins_cursor(text: &[u8]) -> bool {
    text.trim_ascii_start().first_chunk::<7>().is_some_and(|word| word.eq_ignore_ascii_case(b"DECLARE"))
}
