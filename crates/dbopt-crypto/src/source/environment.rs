//! A key in an environment variable.

use std::os::unix::ffi::OsStringExt as _;

use zeroize::Zeroizing;

use super::{KeySource, SourceError};
use crate::key::Key;

/// A key in an environment variable, in hexadecimal or base64.
///
/// The variable stays in the process's environment, where it cannot be wiped and which child processes inherit; a file is
/// the better place where there is a choice.
#[derive(Clone, Debug)]
pub struct EnvironmentSource {
    name: String,
}

impl EnvironmentSource {
    /// The variable of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl KeySource for EnvironmentSource {
    fn load(&self) -> Result<Key, SourceError> {
        let value = std::env::var_os(&self.name).ok_or_else(|| SourceError::Unset(self.name.clone()))?;
        let text = Zeroizing::new(value.into_vec());
        let place = || format!("environment variable `{}`", self.name);
        Key::parse(&text).map_err(|error| SourceError::Key { place: place(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = EnvironmentSource::new("DBOPT_TEST_NO_SUCH_KEY").load().expect_err("it is not set");
        assert_eq!(error.to_string(), "environment variable `DBOPT_TEST_NO_SUCH_KEY` is not set");
    }

    /// Cargo sets this one, and it is too short for a key.
    #[test]
    fn the_value_is_not_shown() {
        let error = EnvironmentSource::new("CARGO_PKG_VERSION").load().expect_err("a version is no key");
        let value = std::env::var("CARGO_PKG_VERSION").expect("cargo sets it");
        assert!(error.to_string().ends_with("(from environment variable `CARGO_PKG_VERSION`)"), "{error}");
        assert!(!format!("{error} {error:?}").contains(&value), "{error:?}");
    }
}
