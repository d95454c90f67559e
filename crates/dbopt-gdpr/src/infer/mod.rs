//! What a database seems to hold of persons, by names and types, and a first policy of it. All of it is a proposal: a person confirms.
//!
//! The steps: [`infer`] finds who the persons are and what refers to what although no foreign key says so; [`sample`] asks a server
//! for counts that speak for or against it; [`Draft`] settles whose the rows are and writes the policy.
//!
//! Every guess has a [`Confidence`] by rules that are written down in `docs/gdpr-init.md` and a reason in words. Rules are of names
//! because names are what there is: of the `_id` columns of large applications, whole schemas declare hardly any as a foreign key.

mod class;
mod draft;
mod identifier;
mod mask;
mod name;
mod pair;
mod personal;
mod reference;
mod role;
mod rule;
mod sample;
mod subject;
mod tables;
mod toml;

use std::collections::BTreeSet;

use dbopt_catalog::Catalog;

pub use draft::{ClassCount, Draft};
pub use personal::personal;
pub use reference::ReferenceGuess;
pub use sample::{SampleOptions, Sampled, Unsampled, sample};
pub use subject::{IdentifierGuess, SubjectGuess};

use crate::{
    graph::{Graph, NodeId},
    policy::{GdprPolicy, TableName},
};

/// How sure a guess is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// It may be, and as well may not.
    Low,
    /// More likely than not.
    #[default]
    Medium,
    /// It would be a surprise if not.
    High,
}

impl Confidence {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The next lower one.
    pub(crate) fn lower(self) -> Self {
        match self {
            Self::High => Self::Medium,
            _ => Self::Low,
        }
    }
}

/// What was found by names and types.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The tables, and the references that foreign keys declare.
    pub graph: Graph,
    /// Who the persons are, the most likely first.
    pub subjects: Vec<SubjectGuess>,
    /// References that no foreign key declares, in the order of the tables and columns that refer.
    pub references: Vec<ReferenceGuess>,
    /// Columns that sampled values say something about, in the order of tables and columns.
    pub sampled: Vec<Sampled>,
    /// All tables that look like ones of persons.
    persons: BTreeSet<NodeId>,
}

/// Why nothing can be inferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// No table looks like one of persons.
    #[error("no table looks like one of persons")]
    NoSubject,
    /// A table that was said to be of persons is not there.
    #[error("there is no table `{0}`")]
    UnknownSubject(TableName),
    /// A table that was said to be of persons has no key.
    #[error("no unique key tells the persons of `{0}` apart")]
    NoKey(TableName),
}

/// Finds who the persons are and what refers to what, by names and types alone. Nothing is asked of a server. With `subjects`, these
/// are the tables of persons; otherwise they are guessed.
///
/// # Errors
/// When no table looks like one of persons, or one that was given cannot be.
pub fn infer(catalog: &Catalog, subjects: &[TableName]) -> Result<Inferred, InferError> {
    let graph = Graph::new(catalog.clone(), &empty());
    let tables = tables::Tables::new(&graph);
    let named = reference::by_name(&tables);
    let likely = subject::subjects(&tables, &named);
    let given = subject::given(&tables, subjects)?;
    let roots: Vec<_> = if given.is_empty() { &likely } else { &given }.iter().map(|subject| subject.node).collect();
    let strong = likely.iter().filter(|subject| subject.is_strong).map(|subject| subject.node);
    let persons = strong.chain(given.iter().map(|subject| subject.node)).collect();
    let mut references = reference::all(&tables, named, &roots);
    references.extend(pair::pairs(&tables, &roots));
    let mut subjects = if given.is_empty() { subject::apart(&graph, likely, &references) } else { given };
    if subjects.is_empty() {
        return Err(InferError::NoSubject);
    }
    subject::name(&mut subjects);
    references.extend(identifier::identifiers(&graph, &subjects, &persons, &references));
    references.sort_by_key(ReferenceGuess::order);
    Ok(Inferred { graph, subjects, references, sampled: Vec::new(), persons })
}

/// The references that names and types alone speak for, whoever the persons are: what [`infer`] makes of them before it looks for
/// persons. For measuring how many declared foreign keys would be found if they were not declared.
#[must_use]
pub fn references(catalog: &Catalog) -> Vec<ReferenceGuess> {
    let graph = Graph::new(catalog.clone(), &empty());
    let tables = tables::Tables::new(&graph);
    let named = reference::by_name(&tables);
    let roots = subject::subjects(&tables, &named);
    reference::all(&tables, named, &roots.iter().map(|subject| subject.node).collect::<Vec<_>>())
}

/// A policy that says nothing.
fn empty() -> GdprPolicy {
    dbopt_policy::parse::<GdprPolicy>("policy = \"gdpr\"\nversion = 1\n", "gdpr.toml")
        .expect("a policy may say nothing")
        .policy
}
