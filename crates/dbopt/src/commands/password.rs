//! `dbopt password`

use std::{
    num::NonZeroUsize,
    path::Path,
    time::{Duration, Instant},
};

use dbopt_auth::{Cost, PasswordConfig, PasswordError, PasswordPolicy, Passwords, Verdict, calibrate};
use dbopt_finding::Finding;

use super::{Context, load, read, secret};
use crate::{
    cli::{Password, PasswordCalibrate, PasswordHash, PasswordVerify},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::password::CalibrateView,
};

/// How often a hash is timed; the shortest counts, because what else the machine does only adds.
const RUNS: usize = 3;

/// Hashes or verifies a password, or measures hashes.
pub(crate) fn run(context: &Context, command: &Password) -> Result<Exit, Failure> {
    match command {
        Password::Calibrate(args) => measure(context, args),
        Password::Hash(args) => hash(context, args),
        Password::Verify(args) => verify(context, args),
    }
}

fn measure(context: &Context, args: &PasswordCalibrate) -> Result<Exit, Failure> {
    let most = u32::try_from(args.memory / 1024).unwrap_or(u32::MAX);
    let mut failed = None;
    let found = calibrate(args.target, most, |cost| {
        time(cost).unwrap_or_else(|error| {
            failed = Some(error);
            Duration::MAX
        })
    });
    if let Some(error) = failed {
        return Err(failure(error));
    }
    if found.proposals.is_empty() {
        return Err(Failure::usage("so little memory is not enough for any hash").hint("give `--memory` 7MB or more"));
    }
    let view = CalibrateView::new(args.target, args.memory, &found);
    output::report(&context.global, args.format, args.output.as_deref(), &view, document::password::calibration)?;
    Ok(if found.best.is_some() { Exit::Done } else { Exit::Findings })
}

fn time(cost: Cost) -> Result<Duration, PasswordError> {
    let config = PasswordConfig { cost, at_once: NonZeroUsize::MIN, ..PasswordConfig::default() };
    let passwords = Passwords::new(config)?;
    // The first has to get its memory from the operating system.
    passwords.hash(b"calibration")?;
    let run = || {
        let start = Instant::now();
        passwords.hash(b"calibration").map(|_| start.elapsed())
    };
    (0..RUNS).map(|_| run()).try_fold(Duration::MAX, |least, time| Ok(least.min(time?)))
}

fn hash(context: &Context, args: &PasswordHash) -> Result<Exit, Failure> {
    let passwords = passwords(context, args.policy.as_deref())?;
    let password = secret::read("Password: ")?;
    if secret::is_typed() && *secret::read("Again: ")? != *password {
        return Err(Failure::usage("the passwords are not the same"));
    }
    let hash = passwords.hash(&password).map_err(failure)?;
    output::data(None, &format!("{hash}\n"))?;
    Ok(Exit::Done)
}

fn verify(context: &Context, args: &PasswordVerify) -> Result<Exit, Failure> {
    let passwords = passwords(context, args.policy.as_deref())?;
    let stored = match (&args.hash, &args.hash_file) {
        (Some(hash), _) => hash.clone(),
        (None, Some(file)) if file == "-" => {
            return Err(Failure::usage("the hash cannot come from standard input, where the password does"));
        }
        (None, Some(file)) => read::text(file)?.1,
        (None, None) => return Err(Failure::usage("there is no hash")),
    };
    let password = secret::read("Password: ")?;
    match passwords.verify(&password, Some(stored.trim())).map_err(failure)? {
        Verdict::Right { replacement } => {
            output::data(None, "right\n")?;
            if replacement.is_some() {
                let finding = Finding::warning("outdated-hash", "the hash is not what the policy asks for");
                context.stderr.findings(&[finding.help("A service replaces it when its owner logs in.")]);
            }
            Ok(Exit::Done)
        }
        Verdict::Wrong => {
            output::data(None, "wrong\n")?;
            Ok(Exit::Findings)
        }
    }
}

fn passwords(context: &Context, policy: Option<&Path>) -> Result<Passwords, Failure> {
    let Some(path) = policy else { return Passwords::new(PasswordConfig::default()).map_err(failure) };
    let policy: PasswordPolicy = load::policy(context, path, true)?;
    policy.passwords().map_err(Failure::fault)
}

fn failure(error: PasswordError) -> Failure {
    match error {
        PasswordError::Random | PasswordError::Busy => Failure::new(Exit::Internal, error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}
