//! Checks of a machine and a database as they leave the program.

use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;
use crate::doctor::{Check, Facts};

/// What `dbopt doctor` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt doctor")]
pub(crate) struct DoctorView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The database that was looked at, and as which user.
    pub(crate) target: Option<Target>,
    /// What was looked at.
    pub(crate) checks: Vec<Check>,
}

/// A database and its user.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct Target {
    /// Name of the database.
    pub(crate) database: String,
    /// Name of the user.
    pub(crate) user: String,
}

impl DoctorView {
    /// The view of some checks.
    pub(crate) fn new(checks: Vec<Check>, facts: Option<&Facts>) -> Self {
        let target = facts.map(|facts| Target { database: facts.database.clone(), user: facts.user.clone() });
        Self { schema_version: SCHEMA_VERSION, target, checks }
    }
}
