//! What a database holds of a person: which rows, whose they are, and what an erasure would do.
//!
//! A [`GdprPolicy`] says who the persons are and what is theirs. [`Graph`] puts it together with what a database says of
//! its tables, and [`Graph::uncovered`] finds what the policy does not speak of. [`walk`] finds the rows of one person, as full keys
//! table by table ([`Found`]), and [`plan()`] says what an erasure would do with them, in which order, and what that would do to the
//! rows of others.
//!
//! [`Erasure::erase`] does what such a plan says, once somebody has approved it.
//!
//! All functions that ask a server take a session of the caller, as of a service's own pool. No value of a person is in what they print.
#![warn(missing_docs)]

mod erase;
pub mod export;
mod graph;
pub mod infer;
mod plan;
mod policy;
pub mod processing;
pub mod request;
pub mod residue;
pub mod retain;
pub mod verify;
mod walk;

pub use erase::{
    ACTION, Approval, EraseError, Erased, Erasure, ParseApprovalError, PersonKey, Recorded, destroy_again, find_again,
    find_keys_again,
};
pub use graph::{By, Edge, EdgeId, ForeignKey, Graph, Identity, KeyColumn, Node, NodeColumn, NodeId, OnDelete};

pub use plan::{
    Apart, Effect, Kept, LargeObjects, Lock, MissingIndex, Part, Plan, SUBJECT_CONTEXT, Sealed, SealedBy, Statement,
    StatementKind, TablePlan, Value, Whose, plan, pseudonym,
};
pub use policy::{
    Basis, Class, ColumnErase, ColumnRule, ControllerRule, Detach, EraseRule, GdprPolicy, Hash, HoldRule, HoldSource,
    Holiday, IdentifierRule, Keep, Match, PseudonymError, PseudonymKey, Purpose, ReferenceErase, ReferenceKind,
    ReferenceRule, RequestRule, Retention, RowErase, SubjectRule, TableName, TableRule, VerifyScope,
};
pub use walk::{Asked, Error, Found, Key, KeyArrays, Others, Row, Subject, Walked, walk};
