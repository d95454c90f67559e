//! Why a run could not begin or go on.

/// Why a run could not begin or go on. What concerns one object only is an [`crate::Outcome`] of that object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A session failed.
    #[error(transparent)]
    Session(#[from] dbopt_pg::Error),
    /// dbopt's schema is not there, or not usable.
    #[error(transparent)]
    Schema(#[from] dbopt_migrate::Error),
    /// The server is a standby.
    #[error("the server is a standby, where nothing can be changed")]
    Standby,
    /// Something between here and the server gives each transaction another session.
    #[error("the connection goes through a pooler that changes sessions between transactions: {evidence}")]
    Pooled {
        /// How that showed.
        evidence: String,
    },
    /// Another run holds the lock.
    #[error("another run is working on this database{}", holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default())]
    Busy {
        /// Who holds it, as far as this role may see.
        holder: Option<String>,
    },
    /// A session of an earlier run still works, though its lock is gone.
    #[error("a session of an earlier run is still working: process {pid}")]
    Orphan {
        /// The server process.
        pid: i32,
    },
    /// The audit record could not be appended to.
    #[error(transparent)]
    Audit(#[from] dbopt_audit::Error),
    /// The policy wants an audit record, and the role may not append to it.
    #[error("this role may not append to the audit record, which the policy requires")]
    Unaudited {
        /// The statement that would let it.
        grant: String,
    },
    /// What an action asked could not be made out.
    #[error(transparent)]
    Answer(Box<dyn std::error::Error + Send + Sync>),
    /// The probe query cannot be run.
    #[error("the probe query of the policy (`throttle.probe.sql`) cannot be used: {reason}")]
    Probe {
        /// What the server says of it.
        reason: String,
    },
    /// The lock was lost, with the session or without it.
    #[error("the lock of this run was lost, so nothing more is done")]
    LockLost,
}

impl Error {
    /// What to do about it; `database` is how the user named the target, for commands to paste.
    #[must_use]
    pub fn hint(&self, database: &str) -> Option<String> {
        Some(match self {
            Self::Session(error) => return error.hint(),
            Self::Schema(error) => return error.hint(database),
            Self::Audit(error) => return error.hint(),
            Self::Unaudited { grant } => grant.clone(),
            Self::Standby => "connect to the primary".to_owned(),
            Self::Pooled { .. } => "a lock, a setting and a concurrent index build belong to one session, which \
                                    PgBouncer's pool_mode=transaction takes away; connect to the server's own port, \
                                    or to a pool with pool_mode=session"
                .to_owned(),
            Self::Busy { .. } => {
                "wait until it is done; a run whose client was killed ends by itself within seconds".to_owned()
            }
            Self::Orphan { .. } => "wait until it has ended, or have its owner end it".to_owned(),
            Self::Answer(_) => return None,
            Self::Probe { .. } => {
                "it has a session of its own that only reads, and no search_path: write schemas before names".to_owned()
            }
            Self::LockLost => "run the command again: the next run repairs what this one left half done".to_owned(),
        })
    }
}
