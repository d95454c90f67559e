//! `dbopt gdpr`

mod erase;
mod lint;
mod plan;
mod replay;

use std::path::Path;

use dbopt_gdpr::GdprPolicy;
use dbopt_policy::Options;

use super::Context;
use crate::{cli::gdpr::Gdpr, exit::Exit, failure::Failure};

/// Runs one of its commands.
pub(crate) fn run(context: &Context, command: &Gdpr) -> Result<Exit, Failure> {
    match command {
        Gdpr::Lint(args) => lint::run(context, args),
        Gdpr::Plan(args) => plan::run(context, args),
        Gdpr::Erase(args) => erase::run(context, args),
        Gdpr::Replay(args) => replay::run(context, args),
    }
}

/// Loads the policy. A machine that only checks has no secrets.
fn policy(context: &Context, file: &Path, secrets: bool) -> Result<GdprPolicy, Failure> {
    match dbopt_policy::load_with::<GdprPolicy>(file, Options { secrets }) {
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
