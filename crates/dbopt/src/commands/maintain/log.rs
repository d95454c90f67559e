//! What a run tells on standard error while it works: progress for a person, or a JSON object a line for a log.

use std::time::{Duration, Instant};

use dbopt_maintain::plan::{Item, Prediction};
use dbopt_run::{Event, Report, Step};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use crate::{
    cli::RunLog,
    commands::{Context, runner},
    output::Stderr,
};

/// How often progress is written to a log.
const PAUSE: Duration = Duration::from_secs(10);

/// Who is told what happens.
pub(crate) struct Log {
    stderr: Stderr,
    bar: Option<ProgressBar>,
    database: String,
    /// How long the step is expected to take that comes next, and what that is known from.
    expected: (Option<f64>, Option<&'static str>),
    /// When progress was last written, and why the step waits as it was last written.
    last: Option<Instant>,
    held: Option<String>,
}

impl Log {
    /// As it is told on standard error.
    pub(crate) fn new(context: &Context) -> Self {
        let bar = (context.stderr.log() == RunLog::Progress).then(ProgressBar::new_spinner);
        Self { stderr: context.stderr, bar, database: String::new(), expected: (None, None), last: None, held: None }
    }

    /// Says of which database all is from now on.
    pub(super) fn turn_to(&mut self, database: &str) {
        database.clone_into(&mut self.database);
    }

    /// Says that a run begins.
    pub(super) fn begin(&mut self, run: i64, steps: usize) {
        self.line("run-begun", json!({ "run": run, "steps": steps }));
    }

    /// Says which step comes next.
    pub(super) fn expect(&mut self, item: &Item) {
        self.expected = (item.predicted_seconds, item.prediction.map(Prediction::name));
    }

    /// Says how a run in a database has ended.
    pub(crate) fn end(&mut self, exit: u8, error: Option<&str>) {
        if let Some(bar) = &self.bar {
            bar.set_message("");
            bar.tick();
        }
        self.line("run-ended", json!({ "exit_code": exit, "error": error }));
    }

    /// Tells of something.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        if let Some(bar) = &self.bar {
            runner::show(bar, event);
        }
        if self.stderr.log() != RunLog::Json {
            return;
        }
        match event {
            Event::Held(step, reason) => {
                // The same reason is told once; numbers in it change with each look.
                let words: String = reason.chars().filter(|letter| !letter.is_ascii_digit()).collect();
                if self.held.as_ref() != Some(&words) {
                    self.held = Some(words);
                    self.line("step-held", with(step, json!({ "reason": reason })));
                }
            }
            Event::Begun(step) => {
                (self.held, self.last) = (None, Some(Instant::now()));
                let (seconds, from) = self.expected;
                let fields = json!({ "statements": step.statements, "predicted_seconds": seconds, "prediction": from });
                self.line("step-begun", with(step, fields));
            }
            Event::Progress(progress) => {
                if self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
                    self.last = Some(Instant::now());
                    let (done, total) = (progress.blocks_done, progress.blocks_total);
                    let waits = &progress.waits_for;
                    let fields = json!({ "phase": progress.phase, "blocks_done": done, "blocks_total": total, "waits_for": waits });
                    self.line("step-progress", fields);
                }
            }
            Event::Ended(report) => self.line("step-ended", ended(report)),
        }
    }

    /// Writes a line, when lines are wanted.
    fn line(&self, event: &str, fields: Value) {
        let mut line = Map::new();
        line.insert("database".to_owned(), self.database.clone().into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        self.stderr.event(event, Value::Object(line));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn with(step: &Step, fields: Value) -> Value {
    let mut all = json!({ "kind": step.kind, "schema": step.schema, "object": step.object });
    if let (Some(all), Value::Object(fields)) = (all.as_object_mut(), fields) {
        all.extend(fields);
    }
    all
}

fn ended(report: &Report) -> Value {
    let fields = json!({
        "outcome": report.outcome.word(),
        "reason": report.outcome.reason(),
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
        "rows": report.rows,
        "seconds": report.seconds,
    });
    with(&report.step, fields)
}
