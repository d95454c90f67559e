//! `cargo xtask test`: sets up and runs the tests.

use std::process::ExitCode;

use anyhow::Context as _;
use dbopt_testkit::{BIN_VARIABLE, Binaries};

use crate::metadata::Metadata;
use crate::shell::{cargo, say, show};
use crate::{loom, npm_server, setup};

/// The major that the everyday server stands for in `--pg`.
const EVERYDAY_MAJOR: u32 = 15;

/// What to test.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Test what touches a server against these majors instead of everything against the everyday one
    #[arg(long, value_delimiter = ',', value_name = "MAJOR")]
    pg: Vec<u32>,
    /// Arguments for `cargo test`
    #[arg(last = true, value_name = "ARGS")]
    cargo: Vec<String>,
}

/// Runs the tests; the exit code is cargo's.
pub(crate) fn test(args: &Args) -> anyhow::Result<ExitCode> {
    let everyday = setup::server()?;
    setup::redis()?;
    if args.pg.is_empty() {
        let code = cargo_test(&everyday, &["--workspace".to_owned()], &args.cargo)?;
        // Arguments choose among the ordinary tests.
        if code == ExitCode::SUCCESS && args.cargo.is_empty() {
            loom::loom()?;
        }
        return Ok(code);
    }
    let packages = packages_on_a_server()?;
    let mut lines = Vec::new();
    let mut worst = ExitCode::SUCCESS;
    for &major in &args.pg {
        let server = if major == EVERYDAY_MAJOR { everyday.clone() } else { npm_server::server(major)? };
        let code = cargo_test(&server, &packages, &args.cargo)?;
        let passed = code == ExitCode::SUCCESS;
        lines.push(format!("PostgreSQL {}: {}", server.major()?, if passed { "passed" } else { "failed" }));
        if !passed {
            worst = code;
        }
    }
    for line in lines {
        say(line);
    }
    Ok(worst)
}

/// Plain `cargo test`, so that doc-tests are in it and nothing else needs installing.
fn cargo_test(server: &Binaries, packages: &[String], args: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = cargo();
    command.arg("test").args(packages).args(args).env(BIN_VARIABLE, server.folder());
    say(format_args!("PostgreSQL {} in {}: {}", server.major()?, server.folder().display(), show(&command)));
    let status = command.status().context("cannot run cargo test")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// `--package` arguments for the packages whose tests start servers.
fn packages_on_a_server() -> anyhow::Result<Vec<String>> {
    let on_a_server = |name: &str| name == "dbopt-testkit";
    let packages = Metadata::load()?.packages;
    let names = packages.into_iter().filter(|package| {
        on_a_server(&package.name) || package.dependencies.iter().any(|dependency| on_a_server(&dependency.name))
    });
    Ok(names.filter(|package| package.name != "xtask").map(|package| format!("--package={}", package.name)).collect())
}
