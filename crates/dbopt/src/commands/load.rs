//! The policies that commands go by.

use std::path::Path;

use dbopt_policy::{Loaded, Options, Policy};

use super::Context;
use crate::failure::Failure;

/// The policy of a file; what is to be known of it is told. A machine that only checks has no secrets.
///
/// # Errors
/// When it cannot be used, with all that is wrong with it.
pub(super) fn policy<P: Policy>(context: &Context, file: &Path, secrets: bool) -> Result<P, Failure> {
    let loaded = quiet(file, secrets)?;
    context.stderr.findings(&loaded.findings);
    Ok(loaded.policy)
}

/// The policy of a file, with what is to be known of it.
///
/// # Errors
/// When it cannot be used, with all that is wrong with it.
pub(super) fn quiet<P: Policy>(file: &Path, secrets: bool) -> Result<Loaded<P>, Failure> {
    dbopt_policy::load_with(file, Options { secrets }).map_err(|refused| {
        Failure::usage(format!("the policy `{}` cannot be used, and nothing was done", file.display()))
            .findings(refused.findings)
    })
}
