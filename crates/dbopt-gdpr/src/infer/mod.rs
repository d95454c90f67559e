//! What a database seems to hold of persons, by names and types. All of it is a proposal: a person confirms.

mod personal;

pub use personal::personal;
