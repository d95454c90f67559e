//! Who the persons are, and by what they are recognised.

use dbopt_policy::{Fault, FromValue, Shape, Table, Value};

use super::name::{TableName, columns};

/// A kind of person: customers, employees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRule {
    /// Its name.
    pub name: String,
    /// The table with a row for each.
    pub table: TableName,
    /// Columns of a unique key of it, by which a person is named to dbopt.
    pub key: Vec<String>,
    /// By what else a person is recognised.
    pub identifiers: Vec<IdentifierRule>,
}

/// A value by which a person is recognised where no key is, such as an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierRule {
    /// Its name.
    pub name: String,
    /// The table with the values: the subject's own, or one whose rows belong to it.
    pub table: TableName,
    /// The column with the value.
    pub column: String,
    /// What does not make two values different.
    pub matching: Vec<Match>,
}

/// What does not make two values different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Match {
    /// Upper and lower case.
    Case,
    /// White space before and after.
    Trim,
    /// Unicode's composed and decomposed letters.
    Nfc,
    /// A name before an address in angle brackets.
    DisplayName,
    /// `%40`, `%2B` and the like, as in URLs.
    UrlEncoding,
    /// `+tag` before an address's `@`.
    PlusTag,
    /// Dots before an address's `@`.
    Dots,
}

impl Match {
    const NAMES: &[(&str, Self)] = &[
        ("case", Self::Case),
        ("trim", Self::Trim),
        ("nfc", Self::Nfc),
        ("display-name", Self::DisplayName),
        ("url-encoding", Self::UrlEncoding),
        ("plus-tag", Self::PlusTag),
        ("dots", Self::Dots),
    ];

    /// Its name in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }
}

impl FromValue for Match {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.choice(Self::NAMES)
    }

    fn shape() -> Shape {
        Shape::OneOf(Self::NAMES.iter().map(|(name, _)| *name).collect())
    }
}

impl SubjectRule {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let name = table.required("name", "What such a person is called, such as `customer`.");
        let root: Option<TableName> = table.required("table", "The table with a row for each person.");
        let key: Option<Vec<String>> = table.required("key", "Columns of a unique key, by which a person is named.");
        let identifiers = table.sections("identifier", "By what else a person is recognised.", |rule| {
            IdentifierRule::read(rule, root.as_ref())
        });
        let rule = Self { name: name?, table: root?, key: key?, identifiers };
        columns(table, "key", &rule.key);
        if rule.key.is_empty() {
            table
                .reject("key", Fault::new("bad-key", "a person is named by no column").help("Write `key = [\"id\"]`."));
        }
        Some(rule)
    }
}

impl IdentifierRule {
    fn read(table: &Table<'_>, root: Option<&TableName>) -> Option<Self> {
        let name = table.required("name", "Its name, such as `email`.");
        let own = table.optional("table", "The table with the values; the subject's own when not given.");
        let column = table.required("column", "The column with the value.");
        let usual = vec![Match::Case, Match::Trim, Match::Nfc];
        let mut matching: Vec<Match> = table.or("match", "What does not make two values different.", usual);
        matching.sort_unstable();
        matching.dedup();
        let rule = Self { name: name?, table: own.or_else(|| root.cloned())?, column: column?, matching };
        columns(table, "column", [&rule.column]);
        Some(rule)
    }
}
