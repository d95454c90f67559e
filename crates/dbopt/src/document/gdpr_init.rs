//! What was guessed for a first policy, as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::gdpr_init::GdprInitView;

/// What was guessed.
pub(crate) fn init(view: &GdprInitView) -> Document {
    let mut document = Document::default();
    let classes: Vec<_> = view.classes.iter().map(|count| format!("{} {}", count.tables, count.class)).collect();
    document.paragraph(format!(
        "{} tables in {}: {}.",
        view.tables,
        number::milliseconds(view.seconds * 1e3),
        classes.join(", ")
    ));
    if let Some(output) = &view.output {
        document.paragraph(format!("The policy is in `{output}`. Every line with `confirm:` is a guess."));
    }
    let mut subjects = Table::new(["person", "table", "key", "confidence", "why"]);
    for subject in &view.subjects {
        subjects.push([
            Text::from(subject.name.clone()),
            Text::from(subject.table.clone()),
            Text::from(subject.key.join(", ")),
            Text::from(subject.confidence.clone()),
            Text::from(subject.reason.clone()),
        ]);
    }
    document.heading(2, "Persons").table(subjects);
    if !view.references.is_empty() {
        let mut table = Table::new(["from", "columns", "to", "by", "confidence", "in the policy", "why"]);
        for guess in &view.references {
            table.push([
                Text::from(guess.from.clone()),
                Text::from(guess.columns.join(", ")),
                Text::from(guess.to.clone()),
                Text::from(guess.by.clone()),
                Text::from(guess.confidence.clone()),
                Text::from(if guess.taken { "yes" } else { "no" }),
                Text::from(guess.reason.clone()),
            ]);
        }
        document.heading(2, "References that no foreign key declares").table(table);
    }
    if !view.sampled.is_empty() {
        let mut table = Table::new(["table", "column", "looks like", "values"]).right(3);
        for sampled in &view.sampled {
            table.push([
                Text::from(sampled.table.clone()),
                Text::from(sampled.column.clone()),
                Text::from(sampled.looks_like.clone()),
                Text::from(format!("{} of {}", sampled.found, sampled.of)),
            ]);
        }
        document.heading(2, "Sampled values").table(table);
    }
    if !view.unsampled.is_empty() {
        let mut table = Table::new(["table", "why"]);
        for unsampled in &view.unsampled {
            table.push([Text::from(unsampled.table.clone()), Text::from(unsampled.why.clone())]);
        }
        document.heading(2, "Not sampled").table(table);
    }
    if !view.left.is_empty() {
        let mut table = Table::new(["severity", "code", "what"]);
        for finding in &view.left {
            let style = if finding.severity == "error" { Style::Bad } else { Style::Plain };
            table.push([
                Text::styled(style, finding.severity.clone()),
                Text::from(finding.code.clone()),
                Text::from(finding.message.clone()),
            ]);
        }
        document.heading(2, "Left to say").table(table);
    }
    document
}
