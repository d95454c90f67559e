//! Development tasks, run as `cargo xtask NAME`.

use clap::Parser;

mod example;

/// Development tasks of dbopt.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Make the files of examples/shop again, from a server that really runs the workload
    Example(example::Args),
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Example(args) => example::run(&args),
    }
}
