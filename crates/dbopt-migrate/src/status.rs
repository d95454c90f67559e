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
    /// The role that has to migrate, when this session's had better not: the schema's owner.
    pub role: Option<String>,
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
    /// Its table is there, and no record that it was applied.
    Unrecorded {
        /// The table's name.
        table: String,
    },
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
                State::Unrecorded { table } => Some(Error::Unrecorded { number, name, table: table.clone() }),
            }
        })
    }

    /// Lays what a database has beside the embedded migrations.
    pub(crate) fn compare(migrations: &[Migration], found: &Found) -> Self {
        let (schema, records): (_, &[Record]) = match found {
            Found::Nothing => (None, &[]),
            Found::Empty(schema) => (Some(schema), &[]),
            Found::Own(schema, records) => (Some(schema), records),
        };
        let unrecorded = |migration: &Migration| {
            let tables = &schema?.tables;
            migration.tables().find(|name| tables.iter().any(|table| table == name)).map(str::to_owned)
        };
        let mut steps = Vec::new();
        for migration in migrations {
            let record = records.iter().find(|record| record.number == migration.number);
            let embedded = migration.checksum();
            let state = match record {
                Some(record) if record.checksum == embedded => State::Applied,
                Some(record) => State::Changed { recorded: record.checksum.clone(), embedded },
                None => unrecorded(migration).map_or(State::Pending, |table| State::Unrecorded { table }),
            };
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
        let closed = schema.filter(|schema| !schema.is_trusted || !schema.is_writable);
        Self { steps, role: closed.map(|schema| schema.owner.clone()) }
    }
}

/// Reads which migrations a database has. Needs SELECT on `dbopt.migration` where that exists, and a session with an
/// empty `search_path`, so that nobody's operators stand in for the catalogue's.
///
/// # Errors
/// When the session fails, the role may not look, or the schema is somebody else's.
pub async fn status(session: &Session) -> Result<Status, Error> {
    let found = state::find(session.client()).await.map_err(|error| session.error(error))??;
    Ok(Status::compare(MIGRATIONS, &found))
}

/// Asks for the schema up to a number: for commands that use its tables.
///
/// A database with further migrations than this program knows will do, since migrations only add to what is there.
///
/// # Errors
/// When a migration up to that number is missing or differs, and as for [`status`].
pub async fn require(session: &Session, number: u32) -> Result<(), Error> {
    let mut needed = status(session).await?;
    needed.steps.retain(|step| step.number <= number);
    if let Some(obstacle) = needed.obstacle() {
        return Err(obstacle);
    }
    match needed.steps.into_iter().find(|step| step.state == State::Pending) {
        Some(step) => Err(Error::NotMigrated { number: step.number, name: step.name, role: needed.role }),
        None => Ok(()),
    }
}
