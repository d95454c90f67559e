//! The typed plan tree.

pub(crate) mod condition;
pub(crate) mod kind;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod usage;
