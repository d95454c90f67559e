//! The policy `gdpr`: who the persons are, what refers to them, whose the rows are, and what becomes of them.

mod controller;
mod erase;
mod hold;
mod name;
mod purpose;
mod reference;
mod request;
mod subject;
mod table;
mod verify;

use dbopt_crypto::{Key, KeyError, KeyId, Pseudonymizer};
use dbopt_policy::{Fault, Policy, SecretRef, Table};
use dbopt_run::RunPolicy;

pub use controller::ControllerRule;
pub use erase::EraseRule;
pub use hold::{HoldRule, HoldSource};
pub use name::TableName;
pub use purpose::{Basis, Purpose};
pub use reference::{Detach, Hash, ReferenceErase, ReferenceKind, ReferenceRule};
pub use request::{Holiday, RequestRule};
pub use subject::{IdentifierRule, Match, SubjectRule};
pub use table::{Class, ColumnErase, ColumnRule, Keep, Retention, RowErase, TableRule};
pub use verify::VerifyScope;

/// What the policy says.
#[derive(Clone, Debug)]
pub struct GdprPolicy {
    /// When an erasure may be begun, and how careful it is.
    pub run: RunPolicy,
    /// By which key persons are named in plans and records; needed for all but `init` and `lint`.
    pub pseudonym: Option<PseudonymKey>,
    /// Who the persons are.
    pub subjects: Vec<SubjectRule>,
    /// What data is processed for, by name.
    pub purposes: Vec<(String, Purpose)>,
    /// Tables and their columns.
    pub tables: Vec<TableRule>,
    /// What the references between tables mean, and references that the catalogue does not know.
    pub references: Vec<ReferenceRule>,
    /// What must not be erased for now.
    pub holds: Vec<HoldRule>,
    /// How an erasure is carried out.
    pub erase: EraseRule,
    /// What is searched after an erasure.
    pub verify: VerifyScope,
    /// Who is responsible for the processing.
    pub controller: ControllerRule,
    /// By which calendar requests of persons are due.
    pub requests: RequestRule,
}

/// The key by which persons are named where their own keys must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudonymKey {
    /// Its name, which is part of each pseudonym.
    pub id: KeyId,
    /// Where it is.
    pub key: SecretRef,
}

/// Why no pseudonyms can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PseudonymError {
    /// The policy names no key.
    #[error("the policy has no `[pseudonym]`")]
    None,
    /// The key cannot be fetched.
    #[error(transparent)]
    Secret(#[from] Fault),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl GdprPolicy {
    /// The rule of a subject by its name; the only one when none is named.
    #[must_use]
    pub fn subject(&self, name: Option<&str>) -> Option<&SubjectRule> {
        match (name, &*self.subjects) {
            (Some(name), subjects) => subjects.iter().find(|subject| subject.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The rule of a table: the one that names it, or else the first whose selector covers it.
    #[must_use]
    pub fn table(&self, table: &TableName) -> Option<&TableRule> {
        let exact = |rule: &&TableRule| rule.table.exact() == Some((&table.schema, &table.name));
        let covers = |rule: &&TableRule| rule.table.matches(&table.schema, &table.name);
        self.tables.iter().find(exact).or_else(|| self.tables.iter().find(covers))
    }

    /// What makes pseudonyms of persons.
    ///
    /// # Errors
    /// When there is no key, or it cannot be had.
    pub fn pseudonymizer(&self) -> Result<Pseudonymizer, PseudonymError> {
        let rule = self.pseudonym.as_ref().ok_or(PseudonymError::None)?;
        Ok(Pseudonymizer::new(rule.id.clone(), &Key::parse(rule.key.resolve()?.expose())?))
    }
}

impl Policy for GdprPolicy {
    const KIND: &'static str = "gdpr";
    const ABOUT: &'static str = "Which data of persons a database holds, why, and what becomes of it.";

    fn read(table: &Table<'_>) -> Option<Self> {
        let run = RunPolicy::read(table);
        let policy = Self {
            pseudonym: table.optional_section(
                "pseudonym",
                "The key by which persons are named in plans and records, instead of their own keys.",
                pseudonym,
            ),
            subjects: table.sections("subject", "Who the persons are.", SubjectRule::read),
            purposes: table.named("purpose", "What data is processed for, and on what legal basis.", |_, purpose| {
                Purpose::read(purpose)
            }),
            tables: table.sections("table", "A table: whose rows it has, and what becomes of them.", TableRule::read),
            references: table.sections(
                "reference",
                "What a reference from one table to another means; foreign keys are known, others are made by this.",
                ReferenceRule::read,
            ),
            holds: table.sections("hold", "What must not be erased for now.", HoldRule::read),
            erase: table.section("erase", "How an erasure is carried out.", EraseRule::read),
            verify: table.section("verify", "What is searched after an erasure.", VerifyScope::read),
            controller: table.section(
                "controller",
                "Who is responsible for the processing, for the record of processing activities.",
                ControllerRule::read,
            ),
            requests: table.section("requests", "By which calendar requests of persons are due.", RequestRule::read),
            run: run?,
        };
        policy.review(table);
        Some(policy)
    }
}

impl GdprPolicy {
    /// What only several parts of the policy together show.
    fn review(&self, table: &Table<'_>) {
        for (at, rule) in self.tables.iter().enumerate() {
            if self.tables[..at].iter().any(|other| other.table == rule.table) {
                let message = format!("two rules are for table `{}`", rule.table);
                table.reject("table", Fault::new("doubled-rule", message).help("Make one of them."));
            }
            let purposes = rule.columns.iter().filter_map(|(_, column)| column.purpose.as_ref()).chain(&rule.purpose);
            for purpose in purposes {
                if !self.purposes.iter().any(|(name, _)| name == purpose) {
                    let message = format!("table `{}` is for the unknown purpose `{purpose}`", rule.table);
                    let known = self.purposes.iter().map(|(name, _)| name.as_str());
                    let help = dbopt_policy::suggest(purpose, known).map_or_else(
                        || format!("Write a section `[purpose.{purpose}]`."),
                        |meant| format!("Did you mean `{meant}`?"),
                    );
                    table.reject("table", Fault::new("unknown-purpose", message).help(help));
                }
            }
        }
        for (at, subject) in self.subjects.iter().enumerate() {
            if self.subjects[..at].iter().any(|other| other.name == subject.name) {
                let message = format!("two subjects are named `{}`", subject.name);
                table.reject("subject", Fault::new("doubled-rule", message).help("Rename one of them."));
            }
        }
        for (at, rule) in self.references.iter().enumerate() {
            if self.references[..at].iter().any(|other| other.is_same_place(rule)) {
                let message = format!("two rules are for the reference `{rule}`");
                table.reject("reference", Fault::new("doubled-rule", message).help("Make one of them."));
            }
            let ReferenceKind::Identifier { name, .. } = &rule.kind else { continue };
            let known = || self.subjects.iter().flat_map(|subject| &subject.identifiers);
            if !known().any(|identifier| identifier.name == *name) {
                let message = format!("the reference `{rule}` is by the unknown identifier `{name}`");
                let help = dbopt_policy::suggest(name, known().map(|identifier| identifier.name.as_str())).map_or_else(
                    || "Write a `[[subject.identifier]]` of that name.".to_owned(),
                    |meant| format!("Did you mean `{meant}`?"),
                );
                table.reject("reference", Fault::new("unknown-identifier", message).help(help));
            }
        }
    }
}

fn pseudonym(table: &Table<'_>) -> Option<PseudonymKey> {
    let id: Option<String> = table.required("id", "The key's name, such as `gdpr-2026`.");
    let key = table.required("key", "Where the key is.");
    match KeyId::new(&id?) {
        Ok(id) => Some(PseudonymKey { id, key: key? }),
        Err(error) => {
            table.reject("id", Fault::new("bad-key-name", error.to_string()));
            None
        }
    }
}

#[cfg(test)]
mod tests;
