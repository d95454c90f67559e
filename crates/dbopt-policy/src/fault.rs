//! Why a value is no value of its type.

use dbopt_finding::Finding;

/// What is wrong with one value, before it is known where the value stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Stable kebab-case name of the kind of fault.
    pub code: &'static str,
    /// A lowercase fragment without a full stop.
    pub message: String,
    /// One sentence that says what to write instead.
    pub help: Option<String>,
}

impl Fault {
    /// A fault without help.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The same fault with a help sentence.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        let finding = Self::error(fault.code, fault.message);
        match fault.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

/// A text of the user, short enough and without control characters, for use in a message.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out.replace("\\\"", "\"").replace("\\'", "'")
}
