//! Keys as documents.

use dbopt_finding::Finding;
use dbopt_report::{Document, Style, Table, Text};

use super::re_encrypt;
use crate::view::keys::{ErasedView, KeyView, KeysStatusView, KeysView, RingView};

/// The keys of a ring.
pub(crate) fn keys(view: &KeysView) -> Document {
    let mut document = Document::default();
    ring(&mut document, &view.ring, &view.changed);
    document
}

/// A person's key that is gone.
pub(crate) fn erased(view: &ErasedView) -> Document {
    let mut document = Document::default();
    document.paragraph(format!(
        "Key {} of a person, of purpose {}, is gone; {} values open nowhere any more, but in services that have used the key in the \
         last minute.",
        view.number, view.purpose, view.values
    ));
    if view.terms > 0 {
        document.paragraph(format!(
            "{} terms of blind indexes are left in the person's rows. `dbopt re-encrypt` removes them.",
            view.terms
        ));
    }
    document
}

/// How keys stand.
pub(crate) fn status(view: &KeysStatusView, findings: &[Finding]) -> Document {
    let mut document = Document::default();
    ring(&mut document, &view.ring, &[]);
    re_encrypt::counted(&mut document, &view.counted);
    if findings.is_empty() {
        document.paragraph("Nothing is due.");
    }
    document.findings(findings.to_vec());
    document
}

fn ring(document: &mut Document, ring: &RingView, changed: &[u32]) {
    document.heading(1, format!("Key ring {}", ring.name));
    if ring.keys.is_empty() {
        document.paragraph("It has no keys yet.");
        return;
    }
    let header =
        ["number", "purpose", "algorithm", "generation", "state", "made", "retired", "destroyed", "wrapped by"];
    let mut table = Table::new(header).right(0).right(3);
    for key in &ring.keys {
        let day = |time: &Option<String>| Text::from(time.as_deref().map(day).unwrap_or_default());
        table.push([
            Text::from(key.number.to_string()),
            Text::from(key.purpose.clone()),
            Text::from(key.algorithm.clone()),
            Text::from(key.generation.to_string()),
            state(key, changed),
            day(&Some(key.created.clone())),
            day(&key.retired),
            day(&key.destroyed),
            Text::from(key.kek.clone().unwrap_or_default()),
        ]);
    }
    document.table(table);
}

fn state(key: &KeyView, changed: &[u32]) -> Text {
    let style = match key.state.as_str() {
        "active" => Style::Good,
        "destroyed" => Style::Bad,
        _ => Style::Plain,
    };
    let text = Text::styled(style, key.state.clone());
    if changed.contains(&key.number) { text.and(Style::Strong, ", now") } else { text }
}

/// The day of a moment.
fn day(time: &str) -> String {
    time.chars().take("2026-11-21".len()).collect()
}
