//! What was read and what was not, as a section of every report on logs.

use dbopt_report::{Document, Style, Table, Text, number};

use crate::view::input::InputView;

/// Appends the section on inputs.
pub(super) fn append(document: &mut Document, inputs: &[InputView]) {
    if inputs.is_empty() {
        return;
    }
    document.heading(2, "What was read");
    let mut table = Table::new(["input", "format", "size", "records", "recognised", "with duration", "not read"])
        .right(2)
        .right(3)
        .right(4)
        .right(5);
    for input in inputs {
        let mut format = input.format.clone().unwrap_or_else(|| "not recognised".to_owned());
        for wrapper in &input.wrappers {
            format.push_str(&format!(" in {wrapper}"));
        }
        if let Some(compression) = &input.compression {
            format.push_str(&format!(", {compression}"));
        }
        let skipped: Vec<String> = input
            .skipped
            .iter()
            .map(|skipped| {
                let from = skipped.first_line.map_or(String::new(), |line| format!(" (first in line {line})"));
                format!("{}: {}{from}", skipped.why, number::count(skipped.count as f64))
            })
            .collect();
        let mut unread = if skipped.is_empty() { Text::from("nothing") } else { Text::from(skipped.join("; ")) };
        if input.truncated {
            unread = unread.and(Style::Bad, "; ends in the middle of a record");
        }
        table.push([
            Text::from(input.name.as_str()),
            Text::from(format),
            Text::from(number::bytes(input.bytes as f64)),
            Text::from(number::count(input.records as f64)),
            Text::from(number::count(input.recognised as f64)),
            Text::from(number::count(input.with_duration as f64)),
            unread,
        ]);
    }
    document.table(table);
}
