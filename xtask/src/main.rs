//! Development tasks, run as `cargo xtask NAME`. A task is one module with one function, and one line below.

use std::process::ExitCode;

use clap::Parser;

mod bench;
mod ci;
mod deps;
mod example;
mod fuzz;
mod loom;
mod metadata;
mod npm_server;
mod schema;
mod setup;
mod shell;
mod test;
mod torture;

/// Development tasks of dbopt.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Find or install what the tests need
    Setup,
    /// Set up and run all tests
    Test(test::Args),
    /// Check everything that must hold before a change lands
    Ci,
    /// Check that the arrows between crates point down
    Deps,
    /// Measure dbopt
    Bench(bench::Args),
    /// Make the files of examples/shop again, from a server that really runs the workload
    Example(example::Args),
    /// Run the limiter's store under every order of its threads
    Loom,
    /// Run the fuzz targets of the parsers, each for a while
    Fuzz(fuzz::Args),
    /// End a command at many random moments, and look what the next run makes of it
    Torture(torture::Args),
    /// Write the JSON Schemas of docs/schemas
    Schema(schema::Args),
}

fn main() -> ExitCode {
    run(Task::parse()).unwrap_or_else(|error| {
        shell::say(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Setup => setup::setup()?,
        Task::Test(args) => return test::test(&args),
        Task::Ci => return ci::ci(),
        Task::Deps => deps::deps()?,
        Task::Example(args) => example::run(&args)?,
        Task::Loom => loom::loom()?,
        Task::Fuzz(args) => fuzz::fuzz(&args)?,
        Task::Torture(args) => return torture::torture(&args),
        Task::Schema(args) => schema::schema(&args)?,
        Task::Bench(args) => bench::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
