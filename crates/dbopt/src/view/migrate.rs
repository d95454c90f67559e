//! Migrations as they leave the program.

use dbopt_migrate::{Migration, State, Status};
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt migrate` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt migrations")]
pub(crate) struct MigrateView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Whether the database has exactly the migrations of this program.
    pub(crate) up_to_date: bool,
    /// The migrations that the program or the database knows, by number.
    pub(crate) migrations: Vec<MigrationView>,
    /// The role to migrate as, when it is not the one that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    /// Numbers of the migrations that this run applied.
    pub(crate) applied_now: Vec<u32>,
}

/// One migration.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct MigrationView {
    /// Its number.
    pub(crate) number: u32,
    /// Its name.
    pub(crate) name: String,
    /// Whether it was applied.
    pub(crate) state: StateView,
    /// When it was applied, in UTC.
    pub(crate) applied_at: Option<String>,
}

/// Whether a migration was applied.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateView {
    /// Not yet.
    Pending,
    /// As this program has it.
    Applied,
    /// Its tables are there, but no record that it was applied.
    Unrecorded,
    /// In another form than this program has it.
    Changed,
    /// Only the database knows it.
    Unknown,
}

impl MigrateView {
    /// The view of a database's migrations.
    pub(crate) fn new(status: &Status, applied: &[Migration]) -> Self {
        let steps = status.steps.iter().map(|step| MigrationView {
            number: step.number,
            name: step.name.clone(),
            state: match step.state {
                State::Pending => StateView::Pending,
                State::Applied => StateView::Applied,
                State::Changed { .. } => StateView::Changed,
                State::Unrecorded { .. } => StateView::Unrecorded,
                _ => StateView::Unknown,
            },
            applied_at: step.applied_at.clone(),
        });
        Self {
            schema_version: SCHEMA_VERSION,
            up_to_date: status.is_current(),
            migrations: steps.collect(),
            role: status.role.clone().filter(|_| !status.is_current()),
            applied_now: applied.iter().map(|migration| migration.number).collect(),
        }
    }
}
