//! Why a command could not do its work, in the words the user gets.

use dbopt_finding::Finding;

use crate::exit::Exit;

/// The end of a command that could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What went wrong, as a fragment that reads after `dbopt: error:`.
    pub(crate) message: String,
    /// More of it, from further down.
    pub(crate) detail: Option<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Located findings to print first.
    pub(crate) findings: Vec<Finding>,
}

impl Failure {
    /// A failure with a message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), detail: None, hint: None, findings: Vec::new() }
    }

    /// Wrong usage or unusable input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A fault of dbopt itself.
    pub(crate) fn internal() -> Self {
        Self::new(Exit::Internal, "internal error; this is a fault of dbopt, not of your input")
            .hint("please report it with the lines above and the command line")
    }

    /// The same failure with a detail.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same failure with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure after some findings.
    pub(crate) fn findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// A fault of a policy, or of what it refers to.
    pub(crate) fn fault(fault: dbopt_policy::Fault) -> Self {
        let failure = Self::usage(fault.message);
        match fault.help {
            Some(help) => failure.hint(help),
            None => failure,
        }
    }

    /// A file that could not be opened, read or written.
    pub(crate) fn file(verb: &str, name: &str, error: &std::io::Error) -> Self {
        let message = match error.kind() {
            std::io::ErrorKind::NotFound => format!("could not {verb} `{name}`: no such file"),
            std::io::ErrorKind::PermissionDenied => format!("could not {verb} `{name}`: permission denied"),
            _ => format!("could not {verb} `{name}`: {error}"),
        };
        let failure = Self::usage(message);
        // What is written need not be there, so what is missing is its folder.
        let is_folder = verb == "write" && error.kind() == std::io::ErrorKind::NotFound;
        if is_folder { failure.hint("the folder that it is to be in has to be there") } else { failure }
    }
}
