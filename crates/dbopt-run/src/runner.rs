//! The runner: one action after another, each checked, journaled, watched and reported.

use std::time::Duration;

use dbopt_pg::{Session, Settings};
use tokio::time::Instant;

use crate::audit::{self, Audit};
use crate::backoff::Backoff;
use crate::batch::BatchLimits;
use crate::create_index;
use crate::disk::FreeSpace;
use crate::error::Error;
use crate::guard;
use crate::hands::Hands;
use crate::index;
use crate::journal::{Entry, Journal};
use crate::leftover::{self, Fate, Repair};
use crate::lock;
use crate::report::{Effect, Event, Outcome, Report};
use crate::step::{Action, Step};
use crate::stop::Stop;
use crate::throttle::{self, Limits, Throttle, Unseen};

/// The migration that the runner's tables come with.
pub const MIGRATION: u32 = 6;

/// How a run behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// What ends it early.
    pub stop: Stop,
    /// What makes it wait.
    pub limits: Limits,
    /// A concurrent build is not begun while a transaction is older than this.
    pub oldest_transaction: Duration,
    /// A concurrent build that has waited for others this long is given up.
    pub longest_wait: Duration,
    /// How plain statements try for their locks.
    pub backoff: Backoff,
    /// How long batches of rows are to take, and how large they may be.
    pub batches: BatchLimits,
    /// Bytes that the run may fill of the server's disk, for where that cannot be looked at; what is seen counts as well.
    pub disk_free: Option<u64>,
    /// Whether nothing may be changed without a record of it in the audit.
    pub audit_required: bool,
    /// How long to wait for the lock of the run, and for sessions of a dead run to end.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stop: Stop::default(),
            limits: Limits::default(),
            oldest_transaction: Duration::from_secs(60),
            longest_wait: Duration::from_secs(60),
            backoff: Backoff::default(),
            batches: BatchLimits::default(),
            disk_free: None,
            audit_required: false,
            patience: Duration::from_secs(3),
        }
    }
}

/// A run. It ends with [`Runner::finish`]; when it is dropped before, the next run takes it for dead, and repairs.
pub struct Runner {
    work: Session,
    control: Session,
    work_pid: i32,
    journal: Journal,
    options: Options,
    throttle: Throttle,
    /// Bytes by which the run has made the database larger.
    grown: i64,
}

impl Runner {
    /// Opens the sessions, takes the lock and begins the journal.
    ///
    /// # Errors
    /// When there is no direct connection to a primary with dbopt's schema, or another run is working.
    pub async fn start(settings: &Settings, command: &str, options: Options) -> Result<Self, Error> {
        let work = guard::open(settings).await?;
        let control = guard::open(settings).await?;
        guard::refuse_pooler(&work, &control).await?;
        dbopt_migrate::require(&control, MIGRATION).await?;
        let audit = Audit::open(&control, command, options.audit_required).await?;
        lock::take(&work, options.patience).await?;
        let work_pid = guard::backend_pid(&work).await?;
        let own = [work_pid, guard::backend_pid(&control).await?];
        lock::refuse_orphans(&control, own, options.patience).await?;
        let throttle = Throttle::open(settings, options.limits.clone()).await?;
        let journal = Journal::begin(&control, command, work_pid, audit).await?;
        Ok(Self { work, control, work_pid, journal, options, throttle, grown: 0 })
    }

    /// The session that looks, for what a command wants to ask besides.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.control
    }

    /// The number of the run in `dbopt.run`.
    #[must_use]
    pub fn run(&self) -> i64 {
        self.journal.run()
    }

    /// What the run of these actions should look at or write down, and cannot.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn unseen(&self, actions: &[Box<dyn Action>]) -> Result<Vec<Unseen>, Error> {
        let mut unseen = throttle::unseen(&self.control, self.throttle.limits()).await?;
        let grows = |step: &Step| step.kind == create_index::KIND || step.bytes.is_some_and(|bytes| bytes > 0.0);
        if self.options.disk_free.is_none()
            && actions.iter().any(|action| grows(action.step()))
            && FreeSpace::look(&self.control).await?.is_none()
        {
            unseen.push(Unseen {
                what:
                    "how much disk is free on the server cannot be seen from here, so too little of it holds nothing up"
                        .to_owned(),
                help: "say it in a policy of kind `run`, as `disk_free = \"50GB\"`; on the server itself, through its \
                       socket, a member of pg_monitor sees it"
                    .to_owned(),
            });
        }
        if !self.journal.audit().is_kept() {
            let rows = self.control.query("SELECT pg_catalog.quote_ident(current_user)", &[]).await?;
            unseen.push(Unseen {
                what: "this role may not append to the audit record, so what is changed is not recorded there"
                    .to_owned(),
                help: audit::grant(rows.first().map_or("dbopt_runner", |row| row.get(0))),
            });
        }
        Ok(unseen)
    }

    /// Deals with what dead runs left: indexes here, other kinds by the command that wrote them.
    ///
    /// # Errors
    /// When a session fails.
    pub async fn repair(&mut self) -> Result<Vec<Repair>, Error> {
        let entries: Vec<Entry> = self.journal.unfinished(&self.control).await?;
        let mut repairs = Vec::new();
        for entry in entries {
            lock::recheck(&self.work).await?;
            let mut ignore = |_: Event<'_>| {};
            let mut hands = self.hands(&mut ignore);
            let fate = leftover::repair(&mut hands, &entry).await?;
            repairs.push(Repair { entry, fate });
        }
        Ok(repairs)
    }

    /// What an action works with, for a command that resumes what a dead run left.
    pub fn hands<'a>(&'a mut self, on_event: &'a mut dyn FnMut(Event<'_>)) -> Hands<'a> {
        Hands {
            work: &self.work,
            control: &self.control,
            work_pid: self.work_pid,
            journal: &self.journal,
            options: &self.options,
            throttle: &mut self.throttle,
            grown: self.grown,
            on_event,
        }
    }

    /// Writes down what became of an entry of a dead run with which the command itself has dealt.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn settle(&self, entry: &Entry, fate: &Fate) -> Result<(), Error> {
        if fate.is_settled() {
            self.journal.close(entry.id);
        }
        self.journal.settle_repair(&self.control, entry, fate, None).await
    }

    /// Closes an entry of a dead run that the command itself has resumed.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn close(&self, entry: &Entry) -> Result<(), Error> {
        self.journal.close(entry.id);
        self.journal.settle_repair(&self.control, entry, &Fate::Complete, None).await
    }

    /// Runs actions one after another. What befalls one object is in its report; an error ends the run.
    ///
    /// # Errors
    /// When a session fails or the lock is lost.
    pub async fn execute(
        &mut self,
        actions: &mut [Box<dyn Action>],
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Vec<Report>, Error> {
        let mut reports: Vec<Report> = Vec::new();
        for action in actions {
            let step = action.step().clone();
            let table = match &step.table {
                Some((schema, name)) => match index::table(&self.control, schema, name).await {
                    // Who keeps everybody out of it keeps its size from being read; the action says so.
                    Err(Error::Session(dbopt_pg::Error::LockTimeout { .. })) => None,
                    found => found?,
                },
                None => None,
            };
            let not_begun = match unmet(&step, &reports) {
                Some(outcome) => Some(outcome),
                None => self.hands(on_event).wait(&step, step.seconds).await?,
            };
            let since = Instant::now();
            let effect = match not_begun {
                Some(outcome) => Effect::from(outcome),
                None => {
                    lock::recheck(&self.work).await?;
                    on_event(Event::Begun(&step));
                    self.journal.set_step(step.kind);
                    let mut hands = self.hands(on_event);
                    action.run(&mut hands).await?
                }
            };
            self.grown += effect.bytes_after.unwrap_or(0) - effect.bytes_before.unwrap_or(0);
            let Effect { outcome, bytes_before, bytes_after, rows, definition } = effect;
            let seconds = since.elapsed().as_secs_f64();
            let report = Report { step, outcome, bytes_before, bytes_after, rows, seconds };
            self.journal.settle(&self.control, &report, definition.as_deref(), table).await?;
            on_event(Event::Ended(&report));
            reports.push(report);
        }
        Ok(reports)
    }

    /// Ends the run.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn finish(self, reports: &[Report]) -> Result<(), Error> {
        let any = |test: fn(&Outcome) -> bool| reports.iter().any(|report| test(&report.outcome));
        let outcome = if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            "failed"
        } else if any(|outcome| matches!(outcome, Outcome::Blocked(_))) {
            "blocked"
        } else if any(|outcome| matches!(outcome, Outcome::Deferred(_))) {
            "deferred"
        } else {
            "done"
        };
        self.journal.trim(&self.control).await?;
        self.journal.end(&self.control, outcome).await?;
        self.work.close().await;
        self.control.close().await;
        Ok(())
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("run", &self.run()).finish_non_exhaustive()
    }
}

/// Why a step cannot follow those before it.
fn unmet(step: &Step, reports: &[Report]) -> Option<Outcome> {
    let lacking = |at: &usize| reports.get(*at).filter(|report| !report.outcome.is_good());
    let first = step.needs.iter().find_map(lacking)?;
    let reason = format!("`{}` was not done before it", first.step.object);
    // Whatever put the first off puts this off as well, and the exit code should say so once.
    Some(match first.outcome {
        Outcome::Deferred(_) => Outcome::Deferred(reason),
        _ => Outcome::Blocked(reason),
    })
}
