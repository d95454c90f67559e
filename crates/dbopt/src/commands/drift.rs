//! `dbopt policy sql` and `dbopt policy drift`

use std::path::Path;

use dbopt_access::{Actual, Desired, Difference};
use dbopt_auth::AccessPolicy;
use dbopt_finding::{Finding, Place};
use dbopt_pg::SessionProfile;
use dbopt_report::sarif;

use super::{Context, connect, load};
use crate::{
    cli::{DriftFormat, PolicyDrift, PolicySql},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::drift::DriftView,
};

/// Writes what a policy asks of a database.
pub(crate) fn sql(args: &PolicySql) -> Result<Exit, Failure> {
    let desired = desired(&args.policy)?;
    output::data(args.output.as_deref(), &dbopt_access::script(&desired))?;
    Ok(Exit::Done)
}

/// Compares a database with a policy.
pub(crate) fn drift(context: &Context, args: &PolicyDrift) -> Result<Exit, Failure> {
    let desired = desired(&args.policy)?;
    let (actual, database) = connect::block_on(async {
        let mut session = connect::open_as(context, &args.connection, &SessionProfile::reading()).await?;
        let database = connect::settings(context, &args.connection)?.dbname().to_owned();
        let actual = connect::or_interrupted(context, Actual::read(&mut session, &desired)).await?;
        Ok((actual.map_err(connect::failure)?, database))
    })?;
    let differences = dbopt_access::drift(&desired, &actual);
    let view = DriftView::new(&database, &differences);
    let to = args.output.as_deref();
    match args.format {
        DriftFormat::Table => output::text(&context.global, to, &document::drift::document(&view))?,
        DriftFormat::Markdown => output::markdown(to, &document::drift::document(&view))?,
        DriftFormat::Json => output::json(to, &view)?,
        DriftFormat::Sql => output::data(to, &mending(&view))?,
        DriftFormat::Sarif => {
            let findings: Vec<Finding> = differences.iter().map(|it| finding(it, &args.policy)).collect();
            output::data(to, &sarif::print(&findings, env!("CARGO_PKG_VERSION")))?;
        }
    }
    Ok(if differences.iter().any(Difference::counts) { Exit::Findings } else { Exit::Done })
}

/// The policy's section about a database. What signs tokens is not needed for it, and so is not looked up.
fn desired(path: &Path) -> Result<Desired, Failure> {
    Desired::of(&load::quiet::<AccessPolicy>(path, false)?.policy).ok_or_else(|| {
        Failure::usage(format!("the policy `{}` says nothing of a database", path.display()))
            .hint("write a section `[database]`")
    })
}

/// The statements that mend what counts as a difference, each difference a comment above its own.
fn mending(view: &DriftView) -> String {
    let mut text = String::from("BEGIN;\nSET LOCAL search_path = pg_catalog;\nSET LOCAL lock_timeout = '5s';\n");
    for difference in view.differences.iter().filter(|it| it.severity != "note") {
        let line = format!("{}: {}", difference.object, difference.message).replace(['\n', '\r'], " ");
        text.push_str(&format!("\n-- {line} [{}]\n", difference.code));
        if difference.statements.is_empty() {
            text.push_str(&format!("-- No statement: {}\n", difference.why.replace(['\n', '\r'], " ")));
        }
        for statement in &difference.statements {
            text.push_str(statement);
            text.push('\n');
        }
    }
    text.push_str("\nCOMMIT;\n");
    text
}

fn finding(difference: &Difference, policy: &Path) -> Finding {
    let message = format!("{}: {}", difference.object, difference.message);
    let finding = Finding::new(difference.severity, difference.code, message);
    finding.help(difference.why.clone()).at(Place::file(policy.display().to_string()))
}
