//! Constraints.

use super::{error::Error, session::Session, tables::Tables};
use crate::{Constraint, ConstraintKind};

pub(super) async fn read(session: &Session<'_>, tables: &mut Tables) -> Result<(), Error> {
    let rows = session.about("constraints", include_str!("../queries/constraints.sql"), &tables.oids()).await?;
    for row in &rows {
        let Some(loaded) = tables.get_mut(row.get("relation")?) else { continue };
        let kind = match row.get("kind")? {
            "p" => ConstraintKind::Primary,
            "u" => ConstraintKind::Unique,
            "x" => ConstraintKind::Exclude,
            "c" => ConstraintKind::Check(row.get::<Option<String>>("expression")?.unwrap_or_default()),
            _ => {
                let Some(table) = row.qualified("foreign_schema", "foreign_table")? else { continue };
                let on_delete = match row.get("on_delete")? {
                    "r" => "RESTRICT",
                    "c" => "CASCADE",
                    "n" => "SET NULL",
                    "d" => "SET DEFAULT",
                    _ => "NO ACTION",
                };
                ConstraintKind::Foreign { table, columns: row.get("foreign_columns")?, on_delete: on_delete.to_owned() }
            }
        };
        loaded.table.constraints.push(Constraint { name: row.get("name")?, kind, columns: row.get("columns")? });
    }
    Ok(())
}
