//! One thing in which a database is not what the policy says.

use dbopt_finding::Severity;

/// One thing in which a database is not what the policy says.
///
/// An error: somebody may do what the policy does not say, or reach another tenant's rows. A warning: somebody cannot do what it says.
/// A note is no difference, and worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Stable kebab-case name of the kind of difference.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, as SQL names it.
    pub object: String,
    /// What is different, as a fragment.
    pub message: String,
    /// Why it matters, or what to think of before it is mended, in a sentence or two.
    pub why: String,
    /// Statements that mend it, to be run in this order; none where a person has to decide.
    pub statements: Vec<String>,
}

impl Difference {
    pub(crate) fn new(
        severity: Severity,
        code: &'static str,
        object: impl ToString,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            object: object.to_string(),
            message: message.into(),
            why: String::new(),
            statements: Vec::new(),
        }
    }

    pub(crate) fn error(code: &'static str, object: impl ToString, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, object, message)
    }

    pub(crate) fn warning(code: &'static str, object: impl ToString, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, object, message)
    }

    pub(crate) fn note(code: &'static str, object: impl ToString, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, object, message)
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(crate) fn mend(mut self, statement: impl Into<String>) -> Self {
        self.statements.push(statement.into());
        self
    }

    /// Whether it is one at all.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.severity != Severity::Note
    }
}
