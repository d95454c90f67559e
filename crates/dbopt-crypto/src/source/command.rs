//! A key that a program prints.

use std::{ffi::OsString, time::Duration};

use super::{KeySource, MOST_TEXT, SourceError, process::Program};
use crate::key::Key;

/// A key that a program prints on its standard output, in hexadecimal or base64: a password manager, or the client of a
/// secret store.
///
/// It is started without a shell, gets no input, and is ended when it takes too long. What it says on its standard
/// error is not heard, since nobody knows what is in it.
#[derive(Clone, Debug)]
pub struct CommandSource(Program);

impl CommandSource {
    /// The program of this name or path, and its arguments. It may take ten seconds.
    #[must_use]
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self(Program::new(program, arguments))
    }

    /// The same, with another time that it may take.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.0.longest = longest;
        self
    }
}

impl KeySource for CommandSource {
    fn load(&self) -> Result<Key, SourceError> {
        let failed = |source| SourceError::Program { program: self.0.name(), source };
        let printed = self.0.run(&[], &[], b"", MOST_TEXT).map_err(failed)?;
        let place = || format!("program `{}`", self.0.name());
        Key::parse(&printed).map_err(|error| SourceError::Key { place: place(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> CommandSource {
        CommandSource::new("sh", ["-c", script])
    }

    #[test]
    fn a_printed_key_is_read() {
        let key = shell("echo MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").load().expect("a key");
        assert_eq!(key.bytes(), b"0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn what_was_printed_and_is_no_key_is_not_shown() {
        let error = shell("echo hunter2!").load().expect_err("no key");
        assert_eq!(error.to_string(), "the key is neither hexadecimal nor base64 (from program `sh`)");
        let error = shell("echo hunter2; exit 1").load().expect_err("it failed");
        assert_eq!(error.to_string(), "program `sh` gave no key: it ended with exit code 1");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
