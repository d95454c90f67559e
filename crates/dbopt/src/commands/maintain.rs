//! `dbopt maintain`

pub(super) mod gather;
pub(super) mod log;
mod notify;
mod plan;
pub(super) mod run;
mod status;

use dbopt_maintain::MaintenancePolicy;

use super::{Context, load};
use crate::{
    cli::{Connection, Maintain, Maintained},
    exit::Exit,
    failure::Failure,
};

/// Plans maintenance, does it, or says how it stands.
pub(crate) fn run(context: &Context, command: &Maintain) -> Result<Exit, Failure> {
    match command {
        Maintain::Plan(args) => plan::run(context, args),
        Maintain::Run(args) => run::run(context, args),
        Maintain::Status(args) => status::run(context, args),
    }
}

/// The policy that a file says, or what holds without one.
fn policy(context: &Context, of: &Maintained) -> Result<MaintenancePolicy, Failure> {
    let Some(file) = &of.policy else { return Ok(MaintenancePolicy::default()) };
    load::policy(context, file, true)
}

/// A connection for each database: those of the policy, or the one that the command line names.
fn targets(of: &Maintained, policy: &MaintenancePolicy) -> Vec<Connection> {
    if of.connection.dbname.is_some() || policy.databases.is_empty() {
        return vec![of.connection.clone()];
    }
    let target = |name: &String| {
        // A name alone would be taken for a connection string if it looked like one.
        let dbname = format!("dbname='{}'", name.replace('\\', r"\\").replace('\'', r"\'"));
        Connection { dbname: Some(dbname), ..of.connection.clone() }
    };
    policy.databases.iter().map(target).collect()
}

/// Refuses a database that the policy is not for.
fn refuse_other(policy: &MaintenancePolicy, database: &str) -> Result<(), Failure> {
    if policy.databases.is_empty() || policy.databases.iter().any(|own| own == database) {
        return Ok(());
    }
    let failure = Failure::usage(format!("the policy is not for the database `{database}`, and nothing was done"));
    Err(failure.hint("add it to `databases` of the policy, or leave `databases` out"))
}

/// The worse of two ends: what a person has to see to first.
fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Findings => 1,
        Exit::Deferred => 2,
        Exit::Blocked => 3,
        Exit::Locked => 4,
        Exit::Partial => 5,
        Exit::Connection => 6,
        Exit::Usage => 7,
        Exit::Interrupted => 8,
        Exit::Internal => 9,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// Looks at one database after the other. One that cannot be looked at is told of, and keeps nobody from the others.
fn each<T>(
    context: &Context,
    targets: &[Connection],
    mut look: impl FnMut(&Connection) -> Result<T, Failure>,
) -> Result<(Vec<T>, Exit), Failure> {
    let (mut seen, mut worst) = (Vec::new(), Exit::Done);
    for target in targets {
        match look(target) {
            Ok(one) => seen.push(one),
            Err(failure) if targets.len() == 1 || failure.exit == Exit::Interrupted => return Err(failure),
            Err(failure) => {
                context.stderr.failure(&failure);
                worst = worse(worst, failure.exit);
            }
        }
    }
    Ok((seen, worst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_databases_are_no_connection_strings() {
        let policy = MaintenancePolicy { databases: vec!["it's".to_owned(), "a=b".to_owned()], ..Default::default() };
        let of = Maintained {
            connection: Connection { port: Some("5433".to_owned()), ..Connection::default() },
            policy: None,
        };
        let names: Vec<_> = targets(&of, &policy).into_iter().map(|target| (target.dbname, target.port)).collect();
        let port = Some("5433".to_owned());
        let expected = [r"dbname='it\'s'", "dbname='a=b'"].map(|name| (Some(name.to_owned()), port.clone()));
        assert_eq!(names, expected);
        let named =
            Maintained { connection: Connection { dbname: Some("x".to_owned()), ..of.connection }, policy: None };
        assert_eq!(targets(&named, &policy)[0].dbname.as_deref(), Some("x"));
        assert!(refuse_other(&policy, "x").is_err() && refuse_other(&policy, "it's").is_ok());
    }
}
