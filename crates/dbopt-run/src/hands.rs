//! What an action works with.

use dbopt_pg::Session;
use tokio::time::Instant;

use crate::disk::FreeSpace;
use crate::error::Error;
use crate::journal::Journal;
use crate::lock;
use crate::report::{Event, Outcome};
use crate::runner::Options;
use crate::step::Step;
use crate::throttle::Throttle;
use crate::watch::{self, Ended};

/// What an action works with: two guarded sessions, the journal and the options of the run.
pub struct Hands<'a> {
    /// The session that acts and holds the lock of the run.
    pub work: &'a Session,
    /// The session that looks and writes the journal.
    pub control: &'a Session,
    /// The server process of the working session.
    pub work_pid: i32,
    /// The journal of this run.
    pub journal: &'a Journal,
    /// The options of the run.
    pub options: &'a Options,
    /// Bytes by which this run has made the database larger.
    pub grown: i64,
    /// What makes it wait.
    pub(crate) throttle: &'a mut Throttle,
    /// Who is told what happens.
    pub on_event: &'a mut dyn FnMut(Event<'_>),
}

impl Hands<'_> {
    /// Waits until nothing speaks against a step or its next batch; why it is not begun, if so. `seconds` is how long it is
    /// going to take.
    ///
    /// # Errors
    /// When a session fails.
    pub async fn wait(&mut self, step: &Step, seconds: Option<f64>) -> Result<Option<Outcome>, Error> {
        let since = Instant::now();
        loop {
            if let Some(reason) = self.options.stop.reason(seconds) {
                return Ok(Some(Outcome::Deferred(reason)));
            }
            let Some(reason) = self.throttle.reason(self.control, step.table.as_ref()).await? else {
                return Ok(None);
            };
            if since.elapsed() >= self.throttle.limits().patience {
                return Ok(Some(Outcome::Blocked(reason)));
            }
            (self.on_event)(Event::Held(step, &reason));
            tokio::time::sleep(self.throttle.limits().pause).await;
        }
    }

    /// Runs a statement on the working session without `lock_timeout`, while the other session watches and cancels it, and
    /// nobody else, when it has waited too long for others.
    ///
    /// # Errors
    /// When a session fails.
    pub async fn watched(&mut self, statement: &str) -> Result<Ended, Error> {
        watch::run(self, statement, None).await
    }

    /// Asks whether the working session still holds the lock of the run.
    ///
    /// # Errors
    /// [`Error::LockLost`], or when the session fails.
    pub async fn recheck(&self) -> Result<(), Error> {
        lock::recheck(self.work).await
    }

    /// Why there is no room to build something of so many bytes, if there is none: twice as much must be free, because
    /// sorting takes the same again. What cannot be known is no reason; [`crate::Runner::unseen`] tells of it.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn no_room(&self, bytes: u64) -> Result<Option<Outcome>, Error> {
        let needed = bytes.saturating_mul(2);
        let seen = FreeSpace::look(self.control).await?;
        let seen = seen.map(|space| (space.bytes, format!("free in `{}`", space.folder.display())));
        // What was said at the beginning is less by what the run has built since.
        let said = self.options.disk_free.map(|free| {
            let left = free.saturating_add_signed(self.grown.saturating_neg()).min(free);
            (left, "left of the policy's `disk_free`".to_owned())
        });
        let least = seen.into_iter().chain(said).min_by_key(|(free, _)| *free);
        Ok(least.filter(|(free, _)| *free < needed).map(|(free, place)| {
            Outcome::Blocked(format!(
                "it may need {needed} bytes of disk, twice its predicted size, and {free} are {place}"
            ))
        }))
    }
}
