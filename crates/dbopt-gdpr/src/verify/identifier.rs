//! The values that are searched. They never leave this process: the server sends what it has, and the search is here.

use std::fmt;

use zeroize::Zeroizing;

use crate::policy::{Match, SubjectRule};

/// A value by which a person is recognised. It shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Its name, as the policy or the caller has it.
    pub name: String,
    /// The value.
    pub value: Zeroizing<String>,
    /// What does not make two values different.
    pub matching: Vec<Match>,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identifier").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a line names no identifier. It does not repeat the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not `name=value`")]
pub struct BadLine {
    /// Which, counted from one.
    pub line: usize,
}

impl Identifier {
    /// A value, matched as the subject's identifier of that name says; without one, regardless of case, white space around it and how
    /// its letters are composed.
    #[must_use]
    pub fn new(name: &str, value: impl Into<String>, subject: Option<&SubjectRule>) -> Self {
        let rule = subject.and_then(|subject| subject.identifiers.iter().find(|rule| rule.name == name));
        let usual = || vec![Match::Case, Match::Trim, Match::Nfc];
        let matching = rule.map_or_else(usual, |rule| rule.matching.clone());
        Self { name: name.to_owned(), value: Zeroizing::new(value.into()), matching }
    }

    /// Reads lines `name=value`; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// At the first line that is neither.
    pub fn lines(text: &str, subject: Option<&SubjectRule>) -> Result<Vec<Self>, BadLine> {
        let mut read = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
                    read.push(Self::new(name.trim(), value.trim(), subject));
                }
                _ => return Err(BadLine { line: at + 1 }),
            }
        }
        Ok(read)
    }

    /// Whether case makes no difference.
    pub(super) fn ignores(&self, what: Match) -> bool {
        self.matching.contains(&what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let read = Identifier::lines("# of the request\nemail=Ann <a=b@example.org>\n\n phone = +49 170\n", None);
        let read: Vec<_> = read.expect("all are").iter().map(|one| format!("{}:{}", one.name, *one.value)).collect();
        assert_eq!(read, ["email:Ann <a=b@example.org>", "phone:+49 170"]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_only() {
        for bad in ["email=a@b.c\nann@example.org\n", "email=a@b.c\nname= \n", "email=a@b.c\n=ann@example.org"] {
            let error = Identifier::lines(bad, None).expect_err("no identifier");
            assert_eq!(error.to_string(), "line 2 is not `name=value`");
        }
        assert!(!format!("{:?}", Identifier::new("email", "ann@example.org", None)).contains("ann"));
    }
}
