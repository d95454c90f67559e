//! Migrations as documents.

use dbopt_report::{Document, Style, Table, Text};

use crate::view::migrate::{MigrateView, StateView};

/// The migrations as a document to read.
pub(crate) fn document(view: &MigrateView) -> Document {
    let mut document = Document::default();
    let mut table = Table::new(["number", "name", "state", "applied"]).right(0);
    for migration in &view.migrations {
        let state = match migration.state {
            StateView::Applied if view.applied_now.contains(&migration.number) => {
                Text::styled(Style::Good, "applied now")
            }
            StateView::Applied => Text::from("applied"),
            StateView::Pending => Text::styled(Style::Strong, "pending"),
            StateView::Unrecorded => Text::styled(Style::Bad, "not recorded, but its tables are there"),
            StateView::Changed => Text::styled(Style::Bad, "changed since it was applied"),
            StateView::Unknown => Text::styled(Style::Bad, "unknown to this dbopt"),
        };
        table.push([
            Text::from(format!("{:04}", migration.number)),
            Text::from(migration.name.clone()),
            state,
            Text::from(migration.applied_at.clone().unwrap_or_default()),
        ]);
    }
    document.heading(1, "Migrations of schema dbopt").table(table);
    let pending = view.migrations.iter().filter(|migration| migration.state == StateView::Pending).count();
    if pending > 0 {
        let (noun, them) = if pending == 1 { ("migration is", "it") } else { ("migrations are", "them") };
        let role = view.role.as_ref().map(|role| format!(", connected as `{role}`,")).unwrap_or_default();
        document.paragraph(format!("{pending} {noun} pending; `dbopt migrate up`{role} applies {them}."));
    }
    document
}
