//! `dbopt gdpr lint`

use dbopt_catalog::Catalog;
use dbopt_finding::{Finding, Severity};
use dbopt_gdpr::{GdprPolicy, Graph};

use crate::{
    cli::gdpr::GdprLint,
    commands::{Context, catalogue, connect, load},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr::LintView,
};

/// Says what the policy does not speak of.
pub(super) fn run(context: &Context, args: &GdprLint) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.policy, false)?;
    let (catalog, unread) = read(context, args)?;
    context.stderr.findings(&unread);
    let graph = Graph::new(catalog, &policy);
    let findings = graph.uncovered(&policy);
    output::report(&context.global, args.format, None, &LintView::new(&graph, &findings), document::gdpr::lint)?;
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    // What was not read may be what is not covered.
    let fails = findings.iter().chain(&unread).any(is_error);
    Ok(if fails { Exit::Findings } else { Exit::Done })
}

fn read(context: &Context, args: &GdprLint) -> Result<(Catalog, Vec<Finding>), Failure> {
    if let Some(file) = &args.snapshot {
        return catalogue::snapshot(file);
    }
    if let Some(file) = &args.ddl {
        return catalogue::ddl(file);
    }
    connect::block_on(async {
        let session = connect::open(context, &args.connection).await?;
        let (catalog, findings) = catalogue::live(context, &session, &[]).await?;
        session.close().await;
        // Statistics are of no interest here.
        Ok((catalog, findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect()))
    })
}
