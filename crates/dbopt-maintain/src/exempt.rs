//! Rows that stay though their time is over: what is held, what the law wants kept, what other rows refer to.
//!
//! No policy file has such conditions: they are for programs that know more of rows than their time. They are part of each batch's
//! statement, so that they hold at the moment at which rows go, and not only when it was planned.

use crate::object::TableRef;

/// Which rows stay though their time is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exempt {
    /// The reasons. A row stays by each of them, and by one of which the server cannot tell.
    pub reasons: Vec<Exemption>,
    /// Whether by these every row stays that a foreign key refers to, so that nothing is ever changed along with what goes.
    pub is_unreferenced: bool,
}

/// A reason for which rows stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// It in words, after "rows stay that".
    pub why: String,
    /// The condition that such a row meets. [`Exemption::TABLE`] stands for the table, whose columns have to be named with it.
    pub condition: String,
}

impl Exemption {
    /// What stands for the table in a condition. No name or constant of PostgreSQL can have it.
    pub const TABLE: &'static str = "\0";
}

impl Exempt {
    /// The condition that a row does not stay, to follow another one.
    pub(crate) fn condition(&self, table: &TableRef) -> String {
        let table = table.to_string();
        let one = |reason: &Exemption| format!(" AND NOT ({})", reason.condition.replace(Exemption::TABLE, &table));
        self.reasons.iter().map(one).collect()
    }

    /// The reasons in words, to follow why others go; nothing when there are none.
    pub(crate) fn in_words(&self) -> String {
        let words: Vec<&str> = self.reasons.iter().map(|reason| reason.why.as_str()).collect();
        if words.is_empty() { String::new() } else { format!("; rows stay that {}", words.join(", or ")) }
    }
}
