//! What was done to erase a person, as a document.

use dbopt_report::Document;

use crate::view::gdpr_erase::GdprEraseView;

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
    if !view.died.is_empty() {
        let records: Vec<String> = view.died.iter().map(u64::to_string).collect();
        document
            .paragraph(format!("Tries that had died before, and had changed nothing: records {}.", records.join(", ")));
    }
    document
}
