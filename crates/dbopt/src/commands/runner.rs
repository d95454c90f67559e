//! What the commands share that change a database by the runner.

use std::{path::Path, sync::Arc, time::Duration};

use dbopt_finding::Finding;
use dbopt_policy::Windows;
use dbopt_run::{Error, Event, Fate, Options, Outcome, Repair, Report, RunPolicy, Unseen};
use indicatif::ProgressBar;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Context, connect, load, migrate};
use crate::{cli::Connection, exit::Exit, failure::Failure};

/// When the windows close; an instant so far away that it cannot be told counts as never.
///
/// # Errors
/// When none is open.
pub(super) fn closes(windows: &Windows, now: Timestamp) -> Result<Option<Instant>, Failure> {
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

/// How careful a run is that may begin now: by the policy of kind `run`, if there is one, and by a stop file beside it,
/// which wins.
///
/// # Errors
/// When the policy cannot be used, or its windows are closed.
pub(super) fn options(context: &Context, file: Option<&Path>, stop_file: Option<&Path>) -> Result<Options, Failure> {
    let mut options = match file {
        None => Options::default(),
        Some(file) => {
            let policy: RunPolicy = load::policy(context, file, true)?;
            let mut options = policy.options;
            options.stop.until = closes(&policy.windows, Timestamp::now())?;
            options
        }
    };
    options.stop.flag = Arc::clone(context.interrupt.flag());
    if let Some(file) = stop_file {
        options.stop.file = Some(file.to_owned());
    }
    Ok(options)
}

/// Whether something of earlier runs was left as it is.
pub(super) fn is_left(repairs: &[Repair]) -> bool {
    repairs.iter().any(|repair| matches!(repair.fate, Fate::Kept(_) | Fate::Foreign(_)))
}

/// Shows what happens on a terminal.
pub(super) fn show(bar: &ProgressBar, event: &Event<'_>) {
    match event {
        Event::Held(step, reason) => bar.set_message(format!("{}: waits, {reason}", step.object)),
        Event::Begun(step) => bar.set_message(format!("{} {}", step.kind, step.object)),
        Event::Progress(progress) => {
            let done = if progress.blocks_total > 0 {
                format!(" {}%", progress.blocks_done * 100 / progress.blocks_total)
            } else {
                String::new()
            };
            let waits = progress.waits_for.as_ref().map(|who| format!(", waits for {who}")).unwrap_or_default();
            bar.set_message(format!("{}{done}{waits}", progress.phase));
        }
        Event::Ended(_) => {}
    }
    bar.tick();
}

/// The worst of what happened to the objects.
pub(super) fn exit(reports: &[Report]) -> Exit {
    let any = |test: fn(&Outcome) -> bool| reports.iter().any(|report| test(&report.outcome));
    if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
        Exit::Partial
    } else if any(|outcome| matches!(outcome, Outcome::Blocked(_))) {
        Exit::Blocked
    } else if any(|outcome| matches!(outcome, Outcome::Deferred(_))) {
        Exit::Deferred
    } else {
        Exit::Done
    }
}

/// What a role needs of dbopt's schema, as docs/run.md says it.
fn grants(connection: &Connection) -> String {
    let role = dbopt_sql::quote_ident(connection.username.as_deref().unwrap_or("dbopt_runner"));
    format!(
        "a run needs: GRANT USAGE ON SCHEMA dbopt TO {role}; GRANT SELECT ON dbopt.migration TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON dbopt.run, dbopt.journal, dbopt.history TO {role}; \
         GRANT SELECT, INSERT ON dbopt.audit_record TO {role};"
    )
}

/// What a run should look at or write down, and cannot.
pub(super) fn unseen(unseen: Vec<Unseen>) -> Vec<Finding> {
    unseen.into_iter().map(|unseen| Finding::warning("unseen", unseen.what).help(unseen.help)).collect()
}

/// The failure of a run.
pub(super) fn failure(error: Error, connection: &Connection) -> Failure {
    let is_denied = matches!(error, Error::Session(dbopt_pg::Error::PermissionDenied { .. }));
    let hint = error.hint(&connection.to_paste()).or_else(|| is_denied.then(|| grants(connection)));
    let exit = match error {
        Error::Schema(error) => return migrate::failure(error, connection),
        Error::Session(dbopt_pg::Error::PermissionDenied { .. })
        | Error::Standby
        | Error::Pooled { .. }
        | Error::Probe { .. }
        | Error::Unaudited { .. } => Exit::Usage,
        Error::Session(error) | Error::Audit(dbopt_audit::Error::Session(error)) => return connect::failure(error),
        // Nothing is changed that cannot be recorded.
        Error::Audit(_) => Exit::Blocked,
        Error::Busy { .. } | Error::Orphan { .. } => Exit::Locked,
        _ => Exit::Connection,
    };
    let failure = Failure::new(exit, error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
