//! How careful a run is: by the policy file, and by the flags, which win.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dbopt_policy::Windows;
use dbopt_run::{Options, RunPolicy};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{cli::Apply, commands::Context, exit::Exit, failure::Failure};

/// The options of a run that may begin now.
///
/// # Errors
/// When the policy cannot be used, or its windows are closed.
pub(super) fn options(context: &Context, args: &Apply) -> Result<Options, Failure> {
    let mut options = match &args.policy {
        None => Options::default(),
        Some(file) => {
            let policy = load(context, file)?;
            let mut options = policy.options;
            options.stop.until = closes(&policy.windows, Timestamp::now())?;
            options
        }
    };
    options.stop.flag = Arc::clone(context.interrupt.flag());
    if args.stop_file.is_some() {
        options.stop.file.clone_from(&args.stop_file);
    }
    if let Some(seconds) = args.old_transaction {
        options.oldest_transaction = Duration::from_secs(seconds);
    }
    if let Some(seconds) = args.longest_wait {
        options.longest_wait = Duration::from_secs(seconds);
    }
    if let Some(seconds) = args.patience {
        options.limits.patience = Duration::from_secs(seconds);
    }
    Ok(options)
}

fn load(context: &Context, file: &Path) -> Result<RunPolicy, Failure> {
    match dbopt_policy::load::<RunPolicy>(file) {
        Ok(loaded) => {
            context.stderr.findings(&loaded.findings);
            Ok(loaded.policy)
        }
        Err(refused) => {
            Err(Failure::usage(format!("the policy `{}` cannot be used, and nothing was done", file.display()))
                .findings(refused.findings))
        }
    }
}

/// When the windows close; an instant so far away that it cannot be told counts as never.
fn closes(windows: &Windows, now: Timestamp) -> Result<Option<Instant>, Failure> {
    let Some(end) = windows.ends(now) else {
        let failure = Failure::new(Exit::Deferred, "no window of the policy is open, and nothing was done");
        return Err(match windows.next(now) {
            Some(next) => failure.hint(format!("the next one opens at {next}")),
            None => failure,
        });
    };
    let left = Duration::try_from(end.duration_since(now)).ok();
    Ok(left.and_then(|left| Instant::now().checked_add(left)))
}
