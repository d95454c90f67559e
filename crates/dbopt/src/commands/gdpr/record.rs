//! `dbopt gdpr record`

use dbopt_finding::Severity;
use dbopt_gdpr::{GdprPolicy, Graph, processing};

use super::lint;
use crate::{
    cli::gdpr::GdprRecord,
    commands::{Context, load},
    document,
    exit::Exit,
    failure::Failure,
    output,
    view::gdpr_record::RecordView,
};

/// Makes the record of processing activities.
pub(super) fn run(context: &Context, args: &GdprRecord) -> Result<Exit, Failure> {
    let policy: GdprPolicy = load::policy(context, &args.under.policy, false)?;
    let record = processing::record(&policy);
    let from = (&args.under.connection, args.snapshot.as_deref(), args.ddl.as_deref());
    let uncovered = if args.under.connection.is_given() || args.snapshot.is_some() || args.ddl.is_some() {
        let (catalog, unread) = lint::read(context, from)?;
        context.stderr.findings(&unread);
        let findings = unread.into_iter().chain(Graph::new(catalog, &policy).uncovered(&policy));
        findings.filter(|finding| finding.severity == Severity::Error).collect()
    } else {
        Vec::new()
    };
    let view = RecordView::new(&record, &uncovered);
    output::report(&context.global, args.format, None, &view, document::gdpr_record::document)?;
    Ok(if args.check && !view.missing.is_empty() { Exit::Findings } else { Exit::Done })
}
