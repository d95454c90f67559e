//! `dbopt gdpr lint`

use dbopt_catalog::Catalog;
use dbopt_finding::{Finding, Severity};
use dbopt_gdpr::{GdprPolicy, Graph};

use crate::{
    cli::{Connection, gdpr::GdprLint},
    commands::{Context, catalogue, connect, load},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr::LintView,
};

/// Says what the policy does not speak of.
pub(super) fn run(context: &Context, args: &GdprLint) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.under.policy, false)?;
    let from = (&args.under.connection, args.snapshot.as_deref(), args.ddl.as_deref());
    let (catalog, unread) = read(context, from)?;
    context.stderr.findings(&unread);
    let graph = Graph::new(catalog, &policy);
    let findings = graph.uncovered(&policy);
    output::report(&context.global, args.format, None, &LintView::new(&graph, &findings), document::gdpr::lint)?;
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    // What was not read may be what is not covered.
    let fails = findings.iter().chain(&unread).any(is_error);
    Ok(if fails { Exit::Findings } else { Exit::Done })
}

/// The catalogue of a snapshot, a file of DDL, or else a database; and what could not be read.
pub(super) fn read(
    context: &Context,
    (connection, snapshot, ddl): (&Connection, Option<&str>, Option<&str>),
) -> Result<(Catalog, Vec<Finding>), Failure> {
    if let Some(file) = snapshot {
        return catalogue::snapshot(file);
    }
    if let Some(file) = ddl {
        return catalogue::ddl(file);
    }
    connect::block_on(async {
        let session = connect::open(context, connection).await?;
        let (catalog, findings) = catalogue::live(context, &session, &[]).await?;
        session.close().await;
        // Statistics are of no interest here.
        Ok((catalog, findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect()))
    })
}
