//! Differences between a database and a policy as they leave the program.

use dbopt_access::Difference;
use dbopt_finding::Severity;
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt policy drift` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt policy drift")]
pub(crate) struct DriftView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The database that was compared.
    pub(crate) database: String,
    /// How many differences let somebody do what the policy does not say.
    pub(crate) errors: usize,
    /// How many keep somebody from what it says.
    pub(crate) warnings: usize,
    /// The differences, in the order in which they are mended.
    pub(crate) differences: Vec<DifferenceView>,
}

/// One difference.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct DifferenceView {
    /// Stable kebab-case name of the kind of difference.
    pub(crate) code: String,
    /// `error`: somebody may do what the policy does not say; `warning`: somebody cannot do what it says; `note`: worth knowing.
    pub(crate) severity: String,
    /// What it is about, as SQL names it.
    pub(crate) object: String,
    /// What is different.
    pub(crate) message: String,
    /// Why it matters, or what to think of first.
    pub(crate) why: String,
    /// Statements that mend it; none where a person has to decide.
    pub(crate) statements: Vec<String>,
}

impl DriftView {
    /// The view of some differences.
    pub(crate) fn new(database: &str, differences: &[Difference]) -> Self {
        let count = |severity| differences.iter().filter(|it| it.severity == severity).count();
        Self {
            schema_version: SCHEMA_VERSION,
            database: database.to_owned(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            differences: differences.iter().map(DifferenceView::from).collect(),
        }
    }
}

impl From<&Difference> for DifferenceView {
    fn from(difference: &Difference) -> Self {
        Self {
            code: difference.code.to_owned(),
            severity: difference.severity.to_string(),
            object: difference.object.clone(),
            message: difference.message.clone(),
            why: difference.why.clone(),
            statements: difference.statements.clone(),
        }
    }
}
