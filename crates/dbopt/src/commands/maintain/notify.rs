//! Telling somebody about a run, by a command of the policy.

use std::process::Stdio;
use std::time::Duration;

use dbopt_finding::Finding;
use dbopt_maintain::policy::Notify;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::{exit::Exit, failure::Failure, view::maintain::RunsView};

/// Gives the report to the command of the policy; what went wrong with that, as a warning. The run is over by then, so
/// nothing of it depends on the command. `is_log` says that standard error is for JSON lines, where what the command says
/// has to be part of the warning.
pub(super) fn tell(notify: &Notify, view: &RunsView, exit: Exit, is_log: bool) -> Option<Finding> {
    if exit == Exit::Done && !notify.always {
        return None;
    }
    let text = serde_json::to_string(view).unwrap_or_default();
    let told = crate::commands::connect::block_on(async {
        Ok::<_, Failure>(give(notify, &text, view.exit_code, is_log).await)
    });
    let why = match told {
        Ok(Ok(())) => return None,
        Ok(Err(why)) => why,
        Err(failure) => failure.message,
    };
    let finding = Finding::warning("not-notified", format!("the notification command {why}"));
    Some(finding.help("try it by hand; it gets the report as JSON on its standard input"))
}

/// How much of what the command says on standard error is kept, in bytes.
const MOST_SAID: usize = 1000;

async fn give(notify: &Notify, text: &str, exit: u8, is_log: bool) -> Result<(), String> {
    let child = Command::new("sh")
        .args(["-c", &notify.command])
        .env("DBOPT_EXIT", exit.to_string())
        .stdin(Stdio::piped())
        // Its output must not be mixed with the data on standard output.
        .stdout(Stdio::null())
        .stderr(if is_log { Stdio::piped() } else { Stdio::inherit() })
        // A group of its own, so that what the shell starts can be ended with it.
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| format!("could not be started: {error}"))?;
    let (input, mut errors, mut said) = (child.stdin.take(), child.stderr.take(), Vec::new());
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    let work = async {
        if let Some(mut input) = input {
            // One that does not read its input may still have told somebody.
            let _ = input.write_all(text.as_bytes()).await;
        }
        // What it has started may hold standard error open longer than the command itself runs.
        let mut buffer = [0; 1024];
        loop {
            let Some(open) = &mut errors else { break child.wait().await };
            tokio::select! {
                biased;
                read = open.read(&mut buffer) => match read {
                    Ok(some @ 1..) => said.extend(buffer.iter().take(some.min(MOST_SAID.saturating_sub(said.len())))),
                    _ => errors = None,
                },
                ended = child.wait() => break ended,
            }
        }
    };
    match tokio::time::timeout(notify.longest.max(Duration::from_millis(1)), work).await {
        Err(_) => {
            // It may have ended this moment, which is as good.
            let _ = group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL));
            Err(format!("took longer than {} s, and was ended", notify.longest.as_secs_f64()))
        }
        Ok(Err(error)) => Err(format!("could not be waited for: {error}")),
        Ok(Ok(status)) if !status.success() => {
            let said = String::from_utf8_lossy(&said);
            let said = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
            Err(format!("ended with {status}{said}"))
        }
        Ok(Ok(_)) => Ok(()),
    }
}
