//! Which migrations a database has.

use dbopt_pg::Session;

use crate::error::Error;
use crate::migration::{MIGRATIONS, Migration};
use crate::state::{self, Found, Record};

/// What is applied and what is not, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every migration that this program or the database knows, by rising number.
    pub steps: Vec<Step>,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Whether it was applied.
    pub state: State,
    /// When it was applied, in UTC, by RFC 3339.
    pub applied_at: Option<String>,
}

/// Whether a migration was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Not yet.
    Pending,
    /// As this program has it.
    Applied,
    /// In another form than this program has it.
    Changed {
        /// SHA-256 in the database.
        recorded: String,
        /// SHA-256 in this program.
        embedded: String,
    },
    /// Only the database knows it.
    Unknown,
}

impl Status {
    /// Whether the database is exactly what this program expects.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.steps.iter().all(|step| step.state == State::Applied)
    }

    /// The first reason not to migrate from here.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        self.steps.iter().find_map(|step| {
            let (number, name) = (step.number, step.name.clone());
            match &step.state {
                State::Pending | State::Applied => None,
                State::Changed { recorded, embedded } => {
                    Some(Error::Changed { number, name, recorded: recorded.clone(), embedded: embedded.clone() })
                }
                State::Unknown => Some(Error::Newer { number, name }),
            }
        })
    }

    /// Lays the records of a database beside the embedded migrations; both rise by number.
    pub(crate) fn compare(migrations: &[Migration], records: &[Record]) -> Self {
        let mut steps = Vec::new();
        for migration in migrations {
            let record = records.iter().find(|record| record.number == migration.number);
            let state = record.map_or(State::Pending, |record| {
                let embedded = migration.checksum();
                if record.checksum == embedded {
                    State::Applied
                } else {
                    State::Changed { recorded: record.checksum.clone(), embedded }
                }
            });
            let applied_at = record.map(|record| record.applied_at.clone());
            steps.push(Step { number: migration.number, name: migration.name.to_owned(), state, applied_at });
        }
        for record in records.iter().filter(|record| migrations.iter().all(|m| m.number != record.number)) {
            steps.push(Step {
                number: record.number,
                name: record.name.clone(),
                state: State::Unknown,
                applied_at: Some(record.applied_at.clone()),
            });
        }
        steps.sort_by_key(|step| step.number);
        Self { steps }
    }
}

/// Reads which migrations a database has. Needs SELECT on `dbopt.migration` where that exists, and a session with an
/// empty `search_path`, so that nobody's operators stand in for the catalogue's.
///
/// # Errors
/// When the session fails, the role may not look, or the schema is somebody else's.
pub async fn status(session: &Session) -> Result<Status, Error> {
    let found = state::find(session.client()).await.map_err(|error| session.error(error))??;
    let records = match found {
        Found::Nothing | Found::Empty(_) => Vec::new(),
        Found::Own(_, records) => records,
    };
    Ok(Status::compare(MIGRATIONS, &records))
}

/// Asks for the schema up to a number: for commands that use its tables.
///
/// A database with further migrations than this program knows will do, since migrations only add to what is there.
///
/// # Errors
/// When a migration up to that number is missing or differs, and as for [`status`].
pub async fn require(session: &Session, number: u32) -> Result<(), Error> {
    let status = status(session).await?;
    let needed = Status { steps: status.steps.into_iter().filter(|step| step.number <= number).collect() };
    if let Some(obstacle) = needed.obstacle() {
        return Err(obstacle);
    }
    match needed.steps.into_iter().find(|step| step.state == State::Pending) {
        Some(step) => Err(Error::NotMigrated { number: step.number, name: step.name }),
        None => Ok(()),
    }
}
