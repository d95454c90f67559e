//! Roles and what they may do. Nobody may do anything that no role of theirs says.

mod decision;
mod matrix;
mod permission;
mod route;

pub use decision::{Decision, Denial};
pub use matrix::{InvalidRoles, Matrix, Role};
pub use permission::{InvalidPermission, Permission, is_permission};
pub use route::{Asks, InvalidRoute, Route, Routes};
