//! What was found of a person's identifiers, and where erased values may still be, as documents.

use dbopt_report::{Document, Style, Table, Text};

use crate::view::gdpr_verify::{ResidueView, VerifyReportView};

/// What was found.
pub(crate) fn verify(view: &VerifyReportView) -> Document {
    let mut document = Document::default();
    let rows: u64 = view.scanned.iter().map(|scanned| scanned.rows).sum();
    document.paragraph(match (view.clean, view.complete) {
        (true, true) => Text::from(format!("Nothing was found in {rows} rows of {} places.", view.scanned.len())),
        (true, false) => {
            Text::styled(Style::Bad, format!("Nothing was found in {rows} rows, but not all could be searched."))
        }
        (false, _) => Text::styled(Style::Bad, format!("Something was found, of {rows} rows that were searched.")),
    });
    if !view.hits.is_empty() {
        let mut table = Table::new(["place", "column", "identifier", "how", "rows", "in longer words", "kept", "keys"])
            .right(4)
            .right(5);
        for hit in &view.hits {
            let keys: Vec<_> = hit.keys.iter().map(|key| key.join(", ")).collect();
            table.push([
                Text::from(hit.place.clone()),
                Text::from(hit.column.clone()),
                Text::from(hit.identifier.clone()),
                Text::from(hit.variant.clone()),
                Text::from(hit.rows.to_string()),
                Text::from(hit.within.to_string()),
                Text::from(hit.kept.clone().unwrap_or_default()),
                Text::from(keys.join("; ")),
            ]);
        }
        document.heading(2, "Found").table(table);
    }
    if !view.skipped.is_empty() {
        let mut table = Table::new(["place", "why"]);
        for skipped in &view.skipped {
            let style = if skipped.expected { Style::Plain } else { Style::Bad };
            table.push([Text::from(skipped.place.clone()), Text::styled(style, skipped.why.clone())]);
        }
        document.heading(2, "Not searched").table(table);
    }
    let mut table = Table::new(["place", "columns", "rows", "bytes"]).right(2).right(3);
    for scanned in &view.scanned {
        table.push([
            Text::from(scanned.place.clone()),
            Text::from(scanned.columns.join(", ")),
            Text::from(scanned.rows.to_string()),
            Text::from(scanned.bytes.to_string()),
        ]);
    }
    document.heading(2, "Searched").table(table);
    document
}

/// Where something may still be.
pub(crate) fn residue(view: &ResidueView) -> Document {
    let mut document = Document::default();
    let mut table = Table::new(["place", "stays", "why"]);
    for place in &view.places {
        let style = if place.stays == "gone" { Style::Plain } else { Style::Bad };
        table.push([
            Text::from(place.place.clone()),
            Text::styled(style, place.stays.clone()),
            Text::from(place.why.clone()),
        ]);
    }
    document.table(table);
    let mends: String =
        view.places.iter().filter_map(|place| place.mend.as_ref()).map(|mend| format!("{mend}\n")).collect();
    if !mends.is_empty() {
        document.heading(2, "What mends it").code("sql", mends);
    }
    document
}
