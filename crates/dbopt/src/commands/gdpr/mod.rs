//! `dbopt gdpr`

mod erase;
mod export;
mod init;
mod lint;
mod package;
mod plan;
mod record;
mod replay;
mod request;
mod residue;
mod retain;
mod status;
mod verify;

use std::io::BufRead as _;

use dbopt_crypto::Pseudonymizer;
use dbopt_gdpr::{Error, GdprPolicy, SubjectRule};
use tokio_postgres::error::SqlState;

use super::Context;
use crate::{cli::gdpr::Gdpr, exit::Exit, failure::Failure};

/// Runs one of its commands.
pub(crate) fn run(context: &Context, command: &Gdpr) -> Result<Exit, Failure> {
    match command {
        Gdpr::Init(args) => init::run(context, args),
        Gdpr::Lint(args) => lint::run(context, args),
        Gdpr::Plan(args) => plan::run(context, args),
        Gdpr::Erase(args) => erase::run(context, args),
        Gdpr::Replay(args) => replay::run(context, args),
        Gdpr::Export(args) => export::run(context, args),
        Gdpr::Verify(args) => verify::run(context, args),
        Gdpr::Residue(args) => residue::run(context, args),
        Gdpr::Record(args) => record::run(context, args),
        Gdpr::Request(command) => request::run(context, command),
        Gdpr::Retain(command) => retain::run(context, command),
        Gdpr::Status(args) => status::run(context, args),
    }
}

/// What makes pseudonyms of persons.
fn pseudonymizer(policy: &GdprPolicy) -> Result<Pseudonymizer, Failure> {
    policy.pseudonymizer().map_err(|error| {
        let hint = "give the policy a `[pseudonym]` with the `id` of a key and where the `key` is";
        Failure::usage(error.to_string()).hint(hint)
    })
}

/// The subject of a name, or the only one.
fn subject<'a>(policy: &'a GdprPolicy, name: Option<&str>) -> Result<&'a SubjectRule, Failure> {
    policy.subject(name).ok_or_else(|| {
        let names: Vec<_> = policy.subjects.iter().map(|subject| subject.name.as_str()).collect();
        let failure = Failure::usage("the policy has no such subject, or several");
        failure.hint(format!("write `--as` and one of: {}", names.join(", ")))
    })
}

/// The person's key, of the command line or of standard input.
fn key(given: &[String]) -> Result<Vec<String>, Failure> {
    if given != ["-"] {
        return Ok(given.to_vec());
    }
    let lines = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>();
    lines.map_err(|error| Failure::file("read", "<stdin>", &error))
}

/// The failure of looking for a person. It names nobody.
fn failure(error: Error) -> Failure {
    match &error {
        Error::BadKey(_) => Failure::usage(error.to_string())
            .hint("give `--subject` once for each column of the subject's key, or a line for each to `--subject -`"),
        Error::NoSubject(_) | Error::ManyPersons(_) => Failure::usage(error.to_string()),
        // Asking for somebody who is not there is an answer.
        Error::NoPerson(_) => Failure::new(Exit::Findings, error.to_string()),
        Error::Hidden(_) => {
            Failure::usage(error.to_string()).hint("use a role with BYPASSRLS, or the owner of the tables")
        }
        Error::Query { code: None, .. } => Failure::new(Exit::Connection, error.to_string()),
        Error::Query { code: Some(code), .. } if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Failure::new(Exit::Partial, error.to_string())
                .hint("grant the role SELECT on the tables that the policy names, and USAGE on their schemas")
        }
        _ => Failure::new(Exit::Partial, error.to_string()),
    }
}
