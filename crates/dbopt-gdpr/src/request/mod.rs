//! Requests of persons, and until when they are to be answered.
//!
//! A request is what the audit record says of it: records of the action `gdpr.request`, of which the first opens it and gives it its number.
//! Nothing else is stored, so nothing can be changed afterwards. What was done for it is in the same record: exports and
//! erasures of the same person since it came.

mod deadline;
mod ledger;

use jiff::{Timestamp, civil::Date};

pub use deadline::due;
pub use ledger::{Asked, REQUEST_ACTION, RequestError, close, extend, open, requests, today};

use crate::policy::RequestRule;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number: that of the audit record that opened it.
    pub id: u64,
    /// The person, as a pseudonym.
    pub subject: String,
    /// As what, by the rule's name.
    pub rule: String,
    /// What is asked for.
    pub right: Right,
    /// The day on which it came.
    pub received: Date,
    /// When the person was told that it takes longer, and why.
    pub extended: Option<(Timestamp, String)>,
    /// When and how it was closed.
    pub closed: Option<Closed>,
    /// What was done for the person since, in the order of the records.
    pub answers: Vec<Answer>,
}

impl Request {
    /// The last day for an answer.
    #[must_use]
    pub fn due(&self, calendar: &RequestRule) -> Date {
        due(self.received, self.extended.is_some(), calendar)
    }
}

/// The rights of Articles 15 to 22 (<https://eur-lex.europa.eu/eli/reg/2016/679/oj>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Right {
    /// Article 15.
    Access,
    /// Article 16.
    Rectification,
    /// Article 17.
    Erasure,
    /// Article 18.
    Restriction,
    /// Article 20.
    Portability,
    /// Article 21.
    Objection,
    /// Article 22.
    AutomatedDecision,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Access,
        Self::Rectification,
        Self::Erasure,
        Self::Restriction,
        Self::Portability,
        Self::Objection,
        Self::AutomatedDecision,
    ];

    /// Its name in the audit record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
            Self::Portability => "portability",
            Self::Objection => "objection",
            Self::AutomatedDecision => "automated-decision",
        }
    }

    /// The right of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }

    /// Whether something that dbopt records is an answer to it; none when dbopt does nothing for this right.
    #[must_use]
    pub fn is_answered_by(self, done: Done) -> Option<bool> {
        match self {
            Self::Access => Some(done == Done::Export { article: 15 }),
            Self::Portability => Some(done == Done::Export { article: 20 }),
            Self::Erasure => Some(done == Done::Erasure),
            _ => None,
        }
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Why, when it was said.
    pub reason: Option<String>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was complied with.
    Done,
    /// It was not, and the person was told why (Article 12(4)).
    Refused,
    /// The person took it back.
    Withdrawn,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Withdrawn];

    /// Its name in the audit record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// Something that was done for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of its audit record.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub done: Done,
}

/// What was done for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// A package was written by an article, 15 or 20.
    Export {
        /// The article.
        article: u64,
    },
    /// The person was erased.
    Erasure,
}
