//! The dbopt command line: flags to settings, settings to libraries, results to documents, documents to exit codes.

mod cli;
mod commands;
mod doctor;
mod document;
mod exit;
mod failure;
mod file;
mod output;
mod policies;
mod sql;
mod view;

use clap::Parser;

use crate::{cli::Cli, exit::Exit, failure::Failure};

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error).into(),
    };
    let stderr = output::Stderr::new(&cli.global).redacting(cli.command.redacts()).logging(cli.command.log());
    let outcome = std::panic::catch_unwind(|| commands::run(cli, stderr));
    let exit = match outcome {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            stderr.failure(&failure);
            failure.exit
        }
        // The panic hook has printed what happened and where.
        Err(_) => {
            stderr.failure(&Failure::internal());
            Exit::Internal
        }
    };
    exit.into()
}
