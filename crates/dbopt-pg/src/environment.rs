//! What the process's surroundings say about connections.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Environment variables and the name of the operating-system user: all that settings are resolved from besides what
/// the user typed and the files these name.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    user: Option<String>,
}

impl Environment {
    /// The surroundings of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("PG") || name == "HOME");
        Self { variables: variables.collect(), user: whoami::username().ok() }
    }

    /// Surroundings made up for a test or an embedding program: variables, and the user's name.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>, user: &str) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, user: Some(user.to_owned()) }
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// A file in the home folder; none when there is no home.
    pub(crate) fn home_file(&self, name: &str) -> Option<PathBuf> {
        self.variable("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(name))
    }
}

/// Names the variables without their values, since one may be `PGPASSWORD`.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("variables", &self.variables.keys()).field("user", &self.user).finish()
    }
}
