//! The record of processing activities, as a document.

use dbopt_report::{Document, Style, Table, Text};

use crate::view::gdpr_record::{ActivityView, DataView, RecordView};

/// The record.
pub(crate) fn document(view: &RecordView) -> Document {
    let mut document = Document::default();
    document.heading(1, "Record of processing activities (Article 30)");
    let controller = &view.controller;
    let mut who: Vec<Text> = Vec::new();
    let lines = [
        ("Controller", controller.name.as_ref()),
        ("Contact", controller.contact.as_ref()),
        ("Representative", controller.representative.as_ref()),
        ("Data protection officer", controller.dpo.as_ref()),
    ];
    who.extend(lines.iter().filter_map(|(what, value)| Some(format!("{what}: {}", value.as_ref()?).into())));
    who.extend(controller.joint.iter().map(|joint| format!("Joint controller: {joint}").into()));
    document.list(who);
    for activity in &view.activities {
        add(&mut document, activity);
    }
    if !view.measures.is_empty() {
        document.heading(2, "Measures of security").list(view.measures.iter().cloned().map(Text::from).collect());
    }
    if !view.missing.is_empty() {
        let mut table = Table::new(["point", "what", "to do"]);
        for missing in &view.missing {
            table.push([
                Text::from(format!("({})", missing.point)),
                Text::styled(Style::Bad, missing.what.clone()),
                Text::from(missing.help.clone().unwrap_or_default()),
            ]);
        }
        document.heading(2, "Missing, by the points of Article 30(1)").table(table);
    }
    document
}

fn add(document: &mut Document, activity: &ActivityView) {
    document.heading(2, activity.purpose.clone());
    document.paragraph(activity.about.clone());
    let or = |list: &[String], none: &str| if list.is_empty() { none.to_owned() } else { list.join("; ") };
    let recipients = activity.recipients.as_deref().map_or_else(|| "not said".to_owned(), |list| or(list, "nobody"));
    document.list(vec![
        format!("Legal basis, by Article 6(1): {}", activity.basis).into(),
        format!("Persons: {}", or(&activity.persons, "not said")).into(),
        format!("Given to: {recipients}").into(),
        format!("Given outside of the European Union to: {}", or(&activity.transfers, "nobody")).into(),
        format!("Kept: {}", or(&activity.limits, "not said")).into(),
    ]);
    let mut table = Table::new(["table", "column", "what it is"]);
    for data in &activity.data {
        rows(&mut table, data);
    }
    document.table(table);
}

fn rows(table: &mut Table, data: &DataView) {
    let about = |about: &Option<String>| Text::from(about.clone().unwrap_or_else(|| "not said".to_owned()));
    if data.about.is_some() || data.columns.is_empty() {
        table.push([Text::from(data.table.clone()), Text::from(String::new()), about(&data.about)]);
    }
    for column in &data.columns {
        table.push([Text::from(data.table.clone()), Text::from(column.name.clone()), about(&column.about)]);
    }
}
