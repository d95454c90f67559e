//! Exit codes: one table for all commands.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; advice counts as done.
    Done,
    /// There is something to do, and `--fail-on` asked to say so; or a gate failed.
    Findings,
    /// The command line or a policy is wrong, or an input cannot be used.
    Usage,
    /// No connection, or the connection broke.
    Connection,
    /// Put off: a stop was asked for, a window ended, an old transaction is in the way.
    Deferred,
    /// Held up by a lock, a lagging replica or the like.
    Blocked,
    /// Some objects failed, or less than half of the input was recognised.
    Partial,
    /// A fault of dbopt itself.
    Internal,
    /// Another run holds the lock.
    Locked,
    /// Interrupted; the best answer so far was printed.
    Interrupted,
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Connection => 3,
            Self::Deferred => 4,
            Self::Blocked => 5,
            Self::Partial => 6,
            Self::Internal => 70,
            Self::Locked => 75,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Prints clap's answer to a command line that names nothing to do: help and version to stdout, errors to stderr.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    // A closed pipe behind `dbopt --help | head` is not an error.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
