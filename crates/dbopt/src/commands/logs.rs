//! `dbopt logs`

use super::{Context, read};
use crate::{cli::Logs, document, exit::Exit, failure::Failure, output, view::logs::LogsView};

/// Reads logs and prints what they hold.
pub(crate) fn run(context: &Context, args: &Logs) -> Result<Exit, Failure> {
    let workload = read::workload(context, &args.logs, Vec::new(), &args.reading)?;
    context.stderr.findings(&workload.findings);
    let view = LogsView::new(&workload, args.top, args.redact);
    let to = args.output.as_deref();
    output::report(&context.global, args.format, to, &view, document::logs::document)?;
    Ok(read::exit(context, &workload))
}
