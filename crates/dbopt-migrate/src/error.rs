//! Why the schema cannot be used or brought up to date.

/// Why the schema cannot be used or brought up to date. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] dbopt_pg::Error),
    /// Another program is migrating this database.
    #[error("another `dbopt migrate up` is working on this database")]
    Busy,
    /// The server is a standby, which cannot be written to.
    #[error("the server is a standby, where nothing can be created")]
    Standby,
    /// A needed migration was not applied.
    #[error("dbopt's schema in this database lacks migration {number} (`{name}`)")]
    NotMigrated {
        /// The lowest number that is missing.
        number: u32,
        /// Its name.
        name: String,
        /// The role that has to migrate, when this session's had better not.
        role: Option<String>,
    },
    /// A migration was applied in another form than this program has.
    #[error("migration {number} (`{name}`) was applied with checksum `{recorded}`, but is `{embedded}` here")]
    Changed {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// SHA-256 in the database.
        recorded: String,
        /// SHA-256 in this program.
        embedded: String,
    },
    /// A table of a migration is there, and no record that it was applied.
    #[error(
        "dbopt's schema has the table `{table}` of migration {number} (`{name}`), which `dbopt.migration` does not record"
    )]
    Unrecorded {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// The table.
        table: String,
    },
    /// The database has a migration that this program does not know.
    #[error("this database has migration {number} (`{name}`), which this dbopt does not know")]
    Newer {
        /// Its number.
        number: u32,
        /// Its name in the database.
        name: String,
    },
    /// There is a schema of that name, but it is somebody else's.
    #[error("schema `dbopt` exists and is not dbopt's own: {reason}")]
    Foreign {
        /// How that shows.
        reason: String,
    },
    /// Somebody whom the session cannot trust with its rights could have code of theirs run by it.
    #[error("dbopt's schema in this database cannot be trusted: {reason}")]
    Untrusted {
        /// Whom or what.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// The role may not do this.
    #[error("role `{role}` may not {action}")]
    Forbidden {
        /// The role.
        role: String,
        /// What it may not do.
        action: &'static str,
        /// The statement that would allow it.
        grant: String,
    },
    /// The statements of a migration failed; it was rolled back, and those before it stay.
    #[error("migration {number} (`{name}`) failed and was rolled back: {source}")]
    Failed {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
        /// Why.
        source: dbopt_pg::Error,
    },
}

impl Error {
    /// What to do about it; `database` is how the user named the target, for commands to paste.
    #[must_use]
    pub fn hint(&self, database: &str) -> Option<String> {
        match self {
            Self::Session(source) | Self::Failed { source, .. } => source.hint(),
            Self::Busy => Some("wait until it is done".to_owned()),
            Self::Standby => Some("run it on the primary; the schema is replicated".to_owned()),
            Self::NotMigrated { role: None, .. } => Some(format!("run `dbopt migrate up -d {database}`")),
            Self::NotMigrated { role: Some(role), .. } => {
                Some(format!("run `dbopt migrate up -d {database}`, connected as `{role}`"))
            }
            Self::Unrecorded { .. } => Some(
                "put the removed rows of `dbopt.migration` back, or rename the schema and migrate anew; dbopt creates \
                 nothing over tables that it does not know"
                    .to_owned(),
            ),
            Self::Changed { .. } => Some(
                "find out who changed `dbopt.migration` or which build of dbopt was used here; migrations that \
                 were applied are never edited"
                    .to_owned(),
            ),
            Self::Newer { .. } => {
                Some("use the version of dbopt that migrated this database, or a newer one".to_owned())
            }
            Self::Foreign { .. } => {
                Some("rename that schema, or use another database; dbopt's schema has a fixed name".to_owned())
            }
            Self::Untrusted { advice, .. } => Some(advice.clone()),
            Self::Forbidden { grant, .. } => Some(format!("have this run by an owner or superuser: {grant}")),
        }
    }
}
