//! What was done to erase persons, as documents.

use dbopt_report::{Document, Table, Text};

use crate::view::gdpr_erase::{GdprEraseView, GdprReplayView};

/// What was done, or would be.
pub(crate) fn erase(view: &GdprEraseView) -> Document {
    let GdprEraseView { rule, subject, deleted, changed, keys, .. } = view;
    let mut document = Document::default();
    document.heading(1, format!("Erasing a {rule}"));
    document.paragraph(format!("Who: {subject}."));
    match (view.outcome.as_str(), view.record) {
        ("planned", _) => {
            document.paragraph(format!("{deleted} rows would be deleted and {changed} changed. Nothing was done."));
            if !view.refused {
                document.paragraph(format!("To do exactly this: --confirm {}", view.approval));
            }
        }
        ("done", Some(record)) => {
            document.paragraph(format!(
                "{deleted} rows were deleted and {changed} changed, and {keys} keys destroyed; audit record {record}."
            ));
        }
        (_, record) => {
            let record = record.map(|record| format!(" by audit record {record}")).unwrap_or_default();
            document.paragraph(format!("This was done before{record}, and nothing was done now."));
        }
    }
    if let Some(record) = view.resumed {
        document.paragraph(format!("This has gone on with what had died between two transactions: record {record}."));
    }
    if !view.died.is_empty() {
        let records: Vec<String> = view.died.iter().map(u64::to_string).collect();
        document.paragraph(format!("Tries that had died before: records {}.", records.join(", ")));
    }
    document
}

/// Who was erased again, or would be.
pub(crate) fn replay(view: &GdprReplayView) -> Document {
    let mut document = Document::default();
    document.heading(1, format!("Erasing again since {}", view.since));
    document.paragraph(format!(
        "By a copy of the record up to {}, {} persons were erased since; {} of them are in the database, {} were not erased, and {} are \
         recorded under another key.",
        view.until,
        view.recorded,
        view.persons.len(),
        view.failed,
        view.other_keys
    ));
    if view.keys > 0 {
        document.paragraph(format!("{} destroyed keys of persons who are not there were there again.", view.keys));
    }
    if !view.persons.is_empty() {
        let mut table = Table::new(["who", "as", "outcome", "deleted", "changed"]).right(3).right(4);
        for person in &view.persons {
            table.push([
                Text::from(person.subject.clone()),
                Text::from(person.rule.clone()),
                Text::from(person.outcome.clone()),
                Text::from(person.deleted.to_string()),
                Text::from(person.changed.to_string()),
            ]);
        }
        document.table(table);
    }
    document
}
