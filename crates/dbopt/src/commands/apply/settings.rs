//! How careful a run is: by the policy file, and by the flags, which win.

use dbopt_run::Options;

use crate::{
    cli::Apply,
    commands::{Context, runner},
    failure::Failure,
};

/// The options of a run that may begin now.
///
/// # Errors
/// When the policy cannot be used, or its windows are closed.
pub(super) fn options(context: &Context, args: &Apply) -> Result<Options, Failure> {
    let mut options = runner::options(context, args.policy.as_deref(), args.stop_file.as_deref())?;
    if let Some(time) = args.old_transaction {
        options.oldest_transaction = time;
    }
    if let Some(time) = args.longest_wait {
        options.longest_wait = time;
    }
    if let Some(time) = args.patience {
        options.limits.patience = time;
    }
    Ok(options)
}
