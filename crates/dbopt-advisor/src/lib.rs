//! Which indexes are worth creating and dropping, and why.
//!
//! The advisor takes a catalogue and weighted queries, thinks of candidate indexes, asks a [`WhatIf`] engine what each
//! query would cost with them, and searches for the set that saves most under a budget. It opens no session and knows
//! no report format: engines are given to it, and its [`Advice`] is data.
#![warn(missing_docs)]

mod advice;
mod advise;
mod candidates;
mod canonical;
pub mod cover;
pub mod expression;
pub mod hygiene;
mod input;
mod model;
mod naming;
mod query;
pub mod scope;
pub mod search;
pub mod size;
pub mod statements;
pub mod walk;
mod whatif;
pub mod write_cost;

pub use advice::{
    Advice, Benefit, Confidence, CreateIndex, DropIndex, DropReason, MissingForeignKey, Totals, Unhelped,
    UnhelpedReason, WriteCost,
};
pub use advise::{AdviseOptions, Budget, advise};
pub use input::{queries_from_workload, query_from_plan};
pub use model::ModelWhatIf;
pub use query::{Query, QueryId};
pub use whatif::{Answer, Candidate, CandidateId, Configuration, Engine, Question, UsedIndex, WhatIf, WhatIfError};
