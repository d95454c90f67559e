//! What an action works with.

use dbopt_pg::Session;

use crate::disk::FreeSpace;
use crate::error::Error;
use crate::journal::Journal;
use crate::report::{Event, Outcome};
use crate::runner::Options;

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
    /// Who is told what happens.
    pub on_event: &'a mut dyn FnMut(Event<'_>),
}

impl Hands<'_> {
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
