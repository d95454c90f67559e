//! Costs of hashes as documents.

use dbopt_report::{Document, Style, Table, Text};

use crate::view::password::CalibrateView;

/// What was found as a document to read.
pub(crate) fn calibration(view: &CalibrateView) -> Document {
    let mut document = Document::default();
    let mut table = Table::new(["memory", "passes", "time", ""]).right(0).right(1).right(2);
    for proposal in &view.proposals {
        let mark = if view.best == Some(*proposal) {
            Text::styled(Style::Good, "best")
        } else if proposal.time_ms > view.target_ms {
            Text::styled(Style::Bad, "too slow")
        } else {
            Text::from("")
        };
        table.push([
            Text::from(format!("{} kB", proposal.memory_kb)),
            Text::from(proposal.passes.to_string()),
            Text::from(format!("{:.1} ms", proposal.time_ms)),
            mark,
        ]);
    }
    document.heading(1, "What a hash of argon2id may cost here").table(table);
    match view.best {
        Some(best) => {
            document.paragraph("For a policy of kind `passwords`:");
            let memory = dbopt_policy::Bytes(u64::from(best.memory_kb) * 1024);
            let lines =
                format!("[argon2id]\nmemory = \"{memory}\"\npasses = {}\nlanes = {}\n", best.passes, best.lanes);
            document.code("toml", lines);
            document.paragraph("Measured with one hash at a time; with more at once, each takes longer.");
        }
        None => {
            document.paragraph(
                "Even the least that OWASP asks for takes longer than that here. Allow more time; a hash that costs less is weak.",
            );
        }
    }
    document
}
