//! The policy file, and following it as it changes.

use std::{path::Path, thread, time::Duration};

use anyhow::{Context as _, anyhow};
use dbopt_policy::{Event, Options, Watch};
use dbopt_ratelimit::LimitPolicy;

use crate::{say, service::Limits};

/// How soon a change is seen.
const PAUSE: Duration = Duration::from_millis(500);

/// Loads the policy that the service begins with. Without a good one it does not begin.
pub(crate) fn open(file: &Path) -> anyhow::Result<Watch<LimitPolicy>> {
    let (watch, findings) = Watch::open(file, Options::default()).map_err(|refused| {
        let findings: Vec<String> = refused.findings.iter().map(ToString::to_string).collect();
        anyhow!("{}", findings.join("\n")).context("the policy cannot be used")
    })?;
    findings.iter().for_each(say);
    Ok(watch)
}

/// Looks after the file from now on, in a thread of its own since reading a file waits.
pub(crate) fn follow(mut watch: Watch<LimitPolicy>, limits: Limits) -> anyhow::Result<()> {
    let follow = move || {
        loop {
            thread::sleep(PAUSE);
            watch.poll(|event| {
                let findings = match event {
                    Event::Reloaded { policy, findings } => {
                        limits.replace(policy.clone());
                        findings
                    }
                    Event::Kept { findings, .. } => {
                        say("the policy cannot be used, and the one from before stays:");
                        findings
                    }
                    _ => return,
                };
                findings.iter().for_each(say);
            });
        }
    };
    thread::Builder::new().name("policy".to_owned()).spawn(follow).context("cannot start a thread")?;
    Ok(())
}
