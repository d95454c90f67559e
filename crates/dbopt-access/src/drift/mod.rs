//! In what a database differs from a policy.

mod defaults;
mod functions;
mod keys;
mod rights;
mod roles;
mod rows;
mod views;

use crate::{actual::Actual, desired::Desired, difference::Difference};

/// All differences. Their statements, run in this order, leave none but those that have no statement.
#[must_use]
pub fn drift(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = roles::differences(desired, actual);
    found.extend(rights::differences(desired, actual));
    found.extend(defaults::differences(desired, actual));
    if desired.tenant.is_some() {
        found.extend(rows::differences(desired, actual));
        found.extend(views::differences(desired, actual));
        found.extend(keys::differences(desired, actual));
    }
    found.extend(functions::differences(desired, actual));
    found
}

/// A role that makes tables, to which what must not belong to somebody can go.
fn new_owner<'a>(desired: &'a Desired, actual: &Actual) -> Option<&'a str> {
    let is_fit = |name: &&String| actual.roles.get(*name).is_some_and(|role| !role.passes_rows());
    desired.creators.iter().find(is_fit).map(String::as_str)
}
