//! What is wrong with the connection settings a user gave.

use std::fmt;

/// A fault in a connection string, service file, environment variable or option.
///
/// The text never repeats a piece of a connection string that might belong to a password; it gives the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    message: String,
    origin: Option<String>,
    position: Option<usize>,
    hint: Option<String>,
}

impl SettingsError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), origin: None, position: None, hint: None }
    }

    /// Says where the value came from, unless that is known already.
    pub(crate) fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin.get_or_insert_with(|| origin.into());
        self
    }

    /// Names the parameter whose value is at fault.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.message = format!("{} of `{name}`", self.message);
        self
    }

    /// Gives the place in `text` by a byte offset.
    pub(crate) fn at(mut self, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        self.position = Some(before.chars().count() + 1);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The 1-based character of the connection string at which the fault is, when it is in one.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// What to do about it.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(position) = self.position {
            write!(f, " at character {position}")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, " (from {origin})")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}
