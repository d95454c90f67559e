//! Tokens as documents.

use dbopt_report::{Document, Style, Table, Text};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::view::token::TokenView;

/// A token as a document to read.
pub(crate) fn document(view: &TokenView) -> Document {
    let mut document = Document::default();
    let why = view.message.as_deref().unwrap_or_default();
    document.paragraph(match view.verified {
        Some(true) => Text::styled(Style::Good, "The token is right."),
        Some(false) => Text::styled(Style::Bad, format!("The token is refused: {why}.")),
        None if view.message.is_some() => Text::styled(Style::Bad, format!("This is no token: {why}.")),
        None => Text::styled(Style::Strong, "Nothing of this was verified: anybody could have written it."),
    });
    if let Some(decision) = &view.decision {
        let of = decision.tenant.as_ref().map(|tenant| format!(" of tenant `{tenant}`")).unwrap_or_default();
        document.paragraph(format!("`{}`{of} is {}.", decision.permission, decision.why));
    }
    for (heading, part) in [("Header", &view.header), ("Claims", &view.claims)] {
        if let Some(part) = part {
            document.heading(2, heading).table(table(part));
        }
    }
    document
}

fn table(part: &Map<String, Value>) -> Table {
    let mut table = Table::new(["name", "value"]);
    for (name, value) in part {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let time = matches!(name.as_str(), "exp" | "iat" | "nbf").then(|| value.as_i64()).flatten();
        let time = time.and_then(|seconds| Timestamp::from_second(seconds).ok());
        table.push([name.clone(), time.map_or(shown.clone(), |time| format!("{shown} ({time})"))]);
    }
    table
}
