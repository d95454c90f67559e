//! What a database holds of a person: which rows, whose they are, and what an erasure would do.
//!
//! A [`GdprPolicy`] says who the persons are and what is theirs. [`Graph`] puts it together with what a database says of
//! its tables, and [`Graph::uncovered`] finds what the policy does not speak of. [`Walk`] finds the rows of one person, as full keys
//! table by table ([`Found`]), and [`Plan`] says what an erasure would do with them, in which order, and what
//! that would do to the rows of others. [`propose`](infer::propose) writes the first policy of a database.
//!
//! All functions that ask a server take a session of the caller, as of a service's own pool. None of them changes anything, and no
//! value of a person is in what they print.
#![warn(missing_docs)]

mod policy;

pub use policy::{
    Basis, Class, ColumnErase, ColumnRule, Detach, GdprPolicy, Hash, HoldRule, HoldSource, IdentifierRule, Keep, Match,
    PseudonymError, PseudonymKey, Purpose, ReferenceErase, ReferenceKind, ReferenceRule, Retention, RowErase,
    SubjectRule, TableName, TableRule, VerifyScope,
};
