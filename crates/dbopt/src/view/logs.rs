//! A workload report as it leaves the program.

use dbopt_workload::{QueryClass, Timestamp, Workload};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView, input::InputView};

/// What `dbopt logs` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt workload report")]
pub(crate) struct LogsView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// First and last time stamp, ISO 8601 in UTC.
    pub(crate) period: Option<(String, String)>,
    /// Query classes in all.
    pub(crate) classes: usize,
    /// Executions.
    pub(crate) calls: u64,
    /// Milliseconds spent in them.
    pub(crate) total_ms: f64,
    /// The classes that took most time, the most expensive first.
    pub(crate) queries: Vec<ClassView>,
    /// Calls of classes that were left out to keep memory bounded.
    pub(crate) evicted_calls: u64,
    /// Errors by message.
    pub(crate) errors: Vec<ErrorView>,
    /// What else the log tells.
    pub(crate) events: EventsView,
    /// The inputs.
    pub(crate) inputs: Vec<InputView>,
    /// What to know about the inputs.
    pub(crate) findings: Vec<FindingView>,
}

/// A query class.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ClassView {
    /// Fingerprint, 16 hexadecimal digits.
    pub(crate) fingerprint: String,
    /// Text without literals.
    pub(crate) text: String,
    /// Executions.
    pub(crate) calls: u64,
    /// Milliseconds in all, parse and bind of the extended protocol included.
    pub(crate) total_ms: f64,
    /// Milliseconds of one execution.
    pub(crate) mean_ms: f64,
    /// Fastest execution in milliseconds.
    pub(crate) min_ms: f64,
    /// Slowest execution in milliseconds.
    pub(crate) max_ms: f64,
    /// 95th percentile in milliseconds, from a histogram.
    pub(crate) p95_ms: f64,
    /// Share of all time, 0 to 1.
    pub(crate) time_share: f64,
    /// Failed executions.
    pub(crate) errors: u64,
    /// Bytes of temporary files.
    pub(crate) temp_bytes: u64,
    /// Users seen.
    pub(crate) users: Vec<String>,
    /// Databases seen.
    pub(crate) databases: Vec<String>,
    /// Applications seen.
    pub(crate) applications: Vec<String>,
    /// The slowest kept execution with its literals; absent with `--redact`.
    pub(crate) sample: Option<String>,
}

/// Errors with one message.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ErrorView {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub(crate) severity: String,
    /// SQLSTATE, when the log has it.
    pub(crate) sqlstate: Option<String>,
    /// The message without values.
    pub(crate) message: String,
    /// How many.
    pub(crate) count: u64,
}

/// Counted events.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct EventsView {
    /// Waits for locks that were logged.
    pub(crate) lock_waits: u64,
    /// Deadlocks.
    pub(crate) deadlocks: u64,
    /// Temporary files.
    pub(crate) temp_files: u64,
    /// Their bytes.
    pub(crate) temp_bytes: u64,
    /// Checkpoints.
    pub(crate) checkpoints: u64,
    /// Runs of autovacuum on a table.
    pub(crate) autovacuums: u64,
    /// Runs of autoanalyze on a table.
    pub(crate) autoanalyzes: u64,
    /// Connections received.
    pub(crate) connections: u64,
    /// Plans logged by auto_explain; they are not executions of their own.
    pub(crate) plans: u64,
    /// Durations without a statement.
    pub(crate) bare_durations: u64,
}

impl LogsView {
    /// The view of a workload; `top` classes are listed.
    pub(crate) fn new(workload: &Workload, top: usize, redact: bool) -> Self {
        let total_ms = workload.total_ms();
        let mut classes: Vec<&QueryClass> = workload.classes.iter().collect();
        classes.sort_by(|a, b| b.total_ms().total_cmp(&a.total_ms()).then(a.fingerprint.cmp(&b.fingerprint)));
        let events = &workload.events;
        Self {
            schema_version: SCHEMA_VERSION,
            period: workload.period.map(|(first, last)| (iso(first), iso(last))),
            classes: workload.classes.len(),
            calls: workload.calls(),
            total_ms,
            queries: classes.into_iter().take(top).map(|class| ClassView::new(class, total_ms, redact)).collect(),
            evicted_calls: workload.other.calls,
            errors: errors(workload, redact),
            events: EventsView {
                lock_waits: events.lock_waits.count,
                deadlocks: events.deadlocks,
                temp_files: events.temp_files.count,
                temp_bytes: events.temp_files.sum,
                checkpoints: events.checkpoints,
                autovacuums: events.autovacuums,
                autoanalyzes: events.autoanalyzes,
                connections: events.connections,
                plans: events.plans,
                bare_durations: events.bare_durations.count,
            },
            inputs: workload.coverage.inputs.iter().map(InputView::from).collect(),
            findings: workload.findings.iter().map(FindingView::from).collect(),
        }
    }
}

/// The errors by message. Messages are free text that may hold anything, so that redacting leaves their class only.
fn errors(workload: &Workload, redact: bool) -> Vec<ErrorView> {
    let mut errors: Vec<ErrorView> = Vec::new();
    for error in &workload.errors {
        let message = if redact { "(withheld)" } else { error.message.as_str() };
        let same =
            |known: &&mut ErrorView| redact && known.severity == error.severity && known.sqlstate == error.sqlstate;
        match errors.iter_mut().find(same) {
            Some(known) => known.count += error.count,
            None => errors.push(ErrorView {
                severity: error.severity.to_owned(),
                sqlstate: error.sqlstate.clone(),
                message: message.to_owned(),
                count: error.count,
            }),
        }
    }
    errors
}

impl ClassView {
    fn new(class: &QueryClass, all_ms: f64, redact: bool) -> Self {
        let names = |names: &dbopt_workload::NameSet| names.sorted().into_iter().map(str::to_owned).collect();
        let slowest = class.samples.iter().max_by_key(|sample| sample.duration_ns);
        Self {
            fingerprint: class.fingerprint.to_string(),
            text: class.text.clone(),
            calls: class.calls,
            total_ms: class.total_ms(),
            mean_ms: class.time.mean_ms(),
            min_ms: class.time.min_ms(),
            max_ms: class.time.max_ms(),
            p95_ms: class.time.quantile_ms(0.95),
            time_share: if all_ms > 0.0 { class.total_ms() / all_ms } else { 0.0 },
            errors: class.errors,
            temp_bytes: class.temp_bytes,
            users: names(&class.users),
            databases: names(&class.databases),
            applications: names(&class.applications),
            sample: slowest.filter(|_| !redact).map(|sample| sample.text.clone()),
        }
    }
}

/// A time stamp in ISO 8601, UTC.
fn iso(timestamp: Timestamp) -> String {
    timestamp.to_string()
}
