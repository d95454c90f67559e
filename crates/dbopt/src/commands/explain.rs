//! `dbopt explain`

use dbopt_finding::Severity;

use super::{Context, read};
use crate::{cli::Explain, document, exit::Exit, failure::Failure, output, view::explain::ExplainView};

/// Reads EXPLAIN output and prints where its time goes.
pub(crate) fn run(context: &Context, args: &Explain) -> Result<Exit, Failure> {
    let (name, text) = read::text(&args.file)?;
    let (plans, findings) = dbopt_plan::parse(&name, &text);
    if plans.is_empty() {
        return Err(Failure::usage(format!("`{name}` holds no plan"))
            .findings(findings)
            .hint("give the output of EXPLAIN in text or JSON format, as psql or auto_explain prints it"));
    }
    context.stderr.findings(&findings);
    let view = ExplainView::new(&plans, &findings);
    let to = args.output.as_deref();
    output::report(&context.global, args.format, to, &view, document::explain::document)?;
    let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if broken { Exit::Partial } else { Exit::Done })
}
