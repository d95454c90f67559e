//! Who is responsible for the processing, for the record of Article 30.

use dbopt_policy::Table;

/// Who is responsible for the processing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControllerRule {
    /// The controller's name.
    pub name: Option<String>,
    /// How the controller is reached.
    pub contact: Option<String>,
    /// Joint controllers (Article 26), each with contact details.
    pub joint: Vec<String>,
    /// The representative in the union (Article 27), with contact details.
    pub representative: Option<String>,
    /// The data protection officer (Article 37), with contact details.
    pub officer: Option<String>,
    /// Technical and organisational measures of security (Article 32).
    pub security: Vec<String>,
}

impl ControllerRule {
    pub(super) fn read(table: &Table<'_>) -> Self {
        Self {
            name: table.optional("name", "The controller's name."),
            contact: table.optional("contact", "How the controller is reached."),
            joint: table.or("joint", "Joint controllers, each with contact details.", Vec::new()),
            representative: table.optional("representative", "The representative in the union, with contact details."),
            officer: table.optional("dpo", "The data protection officer, with contact details."),
            security: table.or("security", "Technical and organisational measures of security.", Vec::new()),
        }
    }
}
