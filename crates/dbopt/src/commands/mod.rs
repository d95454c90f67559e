//! The commands: each turns its flags into settings, asks the libraries, and prints the answer.

mod advise;
mod apply;
mod audit;
pub(crate) mod budget;
mod catalogue;
mod connect;
mod doctor;
mod drift;
mod explain;
mod gdpr;
mod generate;
mod interrupt;
mod keys;
mod limits;
mod load;
mod logs;
mod maintain;
mod migrate;
mod password;
mod policy;
mod progress;
mod re_encrypt;
mod read;
mod runner;
mod secret;
mod snapshot;
mod statistics;
mod token;

use crate::{
    cli::{Cli, Command, Global},
    exit::Exit,
    failure::Failure,
    file,
    output::Stderr,
};

/// What every command is given.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) stderr: Stderr,
    pub(crate) interrupt: interrupt::Interrupt,
}

/// Runs the command of a command line.
pub(crate) fn run(cli: Cli, stderr: Stderr) -> Result<Exit, Failure> {
    let files = cli.command.files();
    file::refuse_inputs(&files.outputs, &files.inputs)?;
    let context = Context { global: cli.global, stderr, interrupt: interrupt::Interrupt::listen() };
    match cli.command {
        Command::Advise(args) => advise::run(&context, &args),
        Command::Logs(args) => logs::run(&context, &args),
        Command::Explain(args) => explain::run(&context, &args),
        Command::Snapshot(args) => snapshot::run(&context, &args),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Apply(args) => apply::run(&context, &args),
        Command::Maintain(args) => maintain::run(&context, &args),
        Command::Migrate(args) => migrate::run(&context, &args),
        Command::Audit(args) => audit::run(&context, &args),
        Command::Keys(args) => keys::run(&context, &args),
        Command::ReEncrypt(args) => re_encrypt::run(&context, &args),
        Command::Gdpr(args) => gdpr::run(&context, &args),
        Command::Limits(args) => limits::run(&context, &args),
        Command::Password(args) => password::run(&context, &args),
        Command::Policy(args) => policy::run(&context, &args),
        Command::Token(args) => token::run(&context, &args),
        Command::Schema { of } => generate::schema(of),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { folder } => generate::man(&folder),
    }
}
