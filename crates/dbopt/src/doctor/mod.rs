//! What a machine and a database can and cannot do for dbopt, and what to install or grant.
//!
//! [`read()`] asks the server for [`facts::Facts`]; each other module turns them into [`Check`]s, so that the checks are
//! functions of plain data.

mod extensions;
mod facts;
mod logging;
mod machine;
mod read;
mod replication;
mod rights;
mod server;
mod statistics;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use facts::Facts;
pub(crate) use read::read;

/// One thing that was looked at.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "Check")]
pub(crate) struct Check {
    /// What it is about.
    pub(crate) area: Area,
    /// Its name, which does not change between versions.
    pub(crate) name: &'static str,
    /// How good it is.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// The commands that it matters to.
    pub(crate) commands: Vec<&'static str>,
    /// What could be done about it.
    pub(crate) help: Option<String>,
    /// Statements or shell commands that do it, to paste.
    pub(crate) fix: Vec<String>,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Area {
    /// This machine.
    Machine,
    /// The server and the connection to it.
    Server,
    /// What the user may do.
    Rights,
    /// Extensions.
    Extensions,
    /// What the server logs.
    Logging,
    /// What the planner knows of the tables.
    Statistics,
    /// Replicas, slots and open transactions.
    Replication,
}

/// How good a thing is.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// Works, and could be better.
    Limited,
    /// The commands that it matters to cannot work, or not safely.
    Missing,
}

impl Check {
    fn new(area: Area, name: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { area, name, verdict, found: found.into(), commands: Vec::new(), help: None, fix: Vec::new() }
    }

    fn commands(mut self, commands: &[&'static str]) -> Self {
        self.commands = commands.to_vec();
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn fix(mut self, fix: impl IntoIterator<Item = String>) -> Self {
        self.fix.extend(fix);
        self
    }
}

/// All checks: of the machine, and of a database where there is one.
pub(crate) fn check(machine: &machine::Machine, facts: Option<&Facts>) -> Vec<Check> {
    let mut checks = machine::check(machine);
    if let Some(facts) = facts {
        checks.extend(server::check(facts));
        checks.extend(rights::check(facts));
        checks.extend(extensions::check(facts));
        checks.extend(logging::check(facts));
        checks.extend(statistics::check(facts));
        checks.extend(replication::check(facts));
    }
    checks
}

pub(crate) use machine::Machine;
