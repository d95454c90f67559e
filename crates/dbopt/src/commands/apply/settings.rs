//! How careful a run is: by the policy file, and by the flags, which win.

use std::sync::Arc;

use dbopt_run::Options;
use jiff::Timestamp;

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
    let mut options = match &args.policy {
        None => Options::default(),
        Some(file) => {
            let policy = runner::policy(context, file)?;
            let mut options = policy.options;
            options.stop.until = runner::closes(&policy.windows, Timestamp::now())?;
            options
        }
    };
    options.stop.flag = Arc::clone(context.interrupt.flag());
    if args.stop_file.is_some() {
        options.stop.file.clone_from(&args.stop_file);
    }
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
