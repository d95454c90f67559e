//! Columns, and which of them this role may not read.

use dbopt_finding::Finding;
use dbopt_sql::quote_ident;

use super::{
    error::Error,
    report::{counted, list},
    session::Session,
    tables::Tables,
};
use crate::{Column, Relkind, TypeName};

/// Columns whose statistics `pg_stats` does not show to this role.
#[derive(Default)]
pub(super) struct Hidden {
    /// Columns for want of `SELECT`, as `schema.table.column`.
    columns: Vec<String>,
    /// Their tables, as SQL names them.
    tables: Vec<String>,
    /// Tables with row-level security.
    secured: Vec<String>,
}

impl Hidden {
    /// What to tell the user.
    pub(super) fn findings(&self, role: &str) -> Vec<Finding> {
        /// So many tables fit a GRANT that someone types.
        const FEW: usize = 5;
        let mut findings = Vec::new();
        if !self.columns.is_empty() {
            let (count, few) = (counted(self.columns.len(), "column", "columns"), list(&self.columns));
            let message = format!("role `{role}` may not see the statistics of {count}: {few}");
            let grantee = quote_ident(role);
            let grant = if self.tables.len() <= FEW {
                format!("GRANT SELECT ON {} TO {grantee}", self.tables.join(", "))
            } else {
                format!("GRANT pg_read_all_data TO {grantee}")
            };
            let help = format!("Run {grant}; until then default statistics stand in for them.");
            findings.push(Finding::warning("catalog-statistics-hidden", message).help(help));
        }
        if !self.secured.is_empty() {
            let (count, few) = (counted(self.secured.len(), "table", "tables"), list(&self.secured));
            let message = format!("row-level security hides the statistics of {count} from role `{role}`: {few}");
            findings.push(Finding::warning("catalog-statistics-hidden", message).help(
                "Read as the owner or as a role with BYPASSRLS; until then default statistics stand in for them.",
            ));
        }
        findings
    }
}

pub(super) async fn read(session: &Session<'_>, tables: &mut Tables) -> Result<Hidden, Error> {
    let rows = session.about("columns", include_str!("../queries/columns.sql"), &tables.oids()).await?;
    let mut hidden = Hidden::default();
    for row in &rows {
        let Some(loaded) = tables.get_mut(row.get("relation")?) else { continue };
        let column = Column {
            name: row.get("name")?,
            kind: TypeName {
                name: row.get("type")?,
                length: row.get("length")?,
                align: match row.get("align")? {
                    "c" => 1,
                    "s" => 2,
                    "i" => 4,
                    _ => 8,
                },
                category: row.get::<&str>("category")?.chars().next().unwrap_or('U'),
                base: row.get("base")?,
                modifier: row.get::<Option<String>>("modifier")?.unwrap_or_default(),
            },
            not_null: row.get("not_null")?,
            collation: row.get("collation")?,
            generated: row.get("generated")?,
            statistics: None,
        };
        let table = &loaded.table;
        if table.kind != Relkind::View && !loaded.row_security && !row.get::<bool>("readable")? {
            hidden.columns.push(format!("{}.{}.{}", table.schema, table.name, column.name));
            let table = format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name));
            if hidden.tables.last() != Some(&table) {
                hidden.tables.push(table);
            }
        }
        loaded.attnums.push(row.get("attnum")?);
        loaded.table.columns.push(column);
    }
    let secured = tables.tables.iter().filter(|loaded| loaded.row_security);
    hidden.secured = secured.map(|loaded| format!("{}.{}", loaded.table.schema, loaded.table.name)).collect();
    Ok(hidden)
}
