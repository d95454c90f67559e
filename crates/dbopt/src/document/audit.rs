//! What was found in an audit record, as a document.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::audit::VerifyView;

/// The report as a document to read.
pub(crate) fn document(view: &VerifyView) -> Document {
    let mut document = Document::default();
    document.heading(1, "Audit record");
    let verdict = if view.intact {
        Text::styled(Style::Good, "intact")
    } else if view.records == 0 {
        Text::styled(Style::Bad, "nothing to verify")
    } else {
        let faults = number::plural(view.fault_count as usize, "fault", "faults");
        Text::styled(Style::Bad, faults)
    };
    let mut facts = format!(": {} read", number::plural(view.records as usize, "record", "records"));
    if let Some(head) = &view.head {
        facts.push_str(&format!(", the head is {} with hash {}", head.sequence, head.hash));
    }
    facts.push_str(&match view.anchors_confirmed {
        0 => "; no anchor confirms that the end is complete and nothing was rewritten".to_owned(),
        anchors => format!("; anchors confirmed: {anchors}"),
    });
    document.paragraph(verdict.and(Style::Plain, facts));
    let mut table = Table::new(["at", "fault", "what"]).right(0);
    for fault in &view.faults {
        table.push([
            Text::from(fault.position.to_string()),
            Text::styled(Style::Bad, fault.kind),
            Text::from(fault.message.clone()),
        ]);
    }
    document.table(table);
    if view.fault_count > view.faults.len() as u64 {
        document.paragraph(format!("The first {} faults are listed.", view.faults.len()));
    }
    document
}
