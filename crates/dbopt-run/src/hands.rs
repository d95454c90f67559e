//! What an action works with.

use dbopt_pg::Session;

use crate::journal::Journal;
use crate::report::Event;
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
    /// Who is told what happens.
    pub on_event: &'a mut dyn FnMut(Event<'_>),
}
