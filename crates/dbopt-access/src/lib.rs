//! Roles, rights and row-level security of a database from an access policy, and how a live one differs.
//!
//! [`Desired`] is what a policy asks of a database; it knows no server. [`script`] writes it as SQL that may be run again and
//! again. [`Actual`] is what a server's catalogue says, and [`drift`] compares the two: each [`Difference`] says why it matters and
//! which statements mend it. Nothing here changes a database.
//!
//! Tenants are kept apart by one permissive policy per table, for everybody and for all commands: the tenant of a row is what the
//! transaction says in a setting. One policy and not a restrictive one beside a permissive one that lets everybody in: whoever
//! drops it closes the table, where a dropped restrictive one would open it. What opens a table is another permissive policy, and drift tells of
//! those. Roles for all tenants have policies of their own, each for the one command that they may give.
#![warn(missing_docs)]

mod actual;
mod desired;
mod difference;
mod drift;
mod isolation;
mod script;

pub use actual::Actual;
pub use desired::{Desired, Object, Right, Subject};
pub use difference::Difference;
pub use drift::drift;
pub use script::script;
