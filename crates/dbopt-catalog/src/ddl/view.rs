//! Views: their names, their queries, and the names of their columns as far as the tokens tell them.

use super::{
    cursor::{Cursor, Parsed},
    schema::Schema,
};
use crate::{Column, Relkind, Table, TypeName};

pub(super) fn create(schema: &mut Schema, cursor: &mut Cursor<'_>, materialized: bool) -> Parsed<()> {
    cursor.eat("if not exists");
    let written = cursor.qualified()?;
    let (of, name) = schema.place_of(written);
    let mut names = Vec::new();
    if cursor.sees("(") {
        names = super::constraint::names(cursor.group()?)?;
    }
    cursor.until(|cursor| cursor.sees("as"));
    cursor.expect("as")?;
    let mut query = cursor.until(|cursor| cursor.sees("with no data") || cursor.sees("with data"));
    let definition = query.text();
    let mut columns = columns(schema, &mut query);
    for (column, name) in columns.iter_mut().zip(&names) {
        column.name.clone_from(name);
    }
    for name in names.into_iter().skip(columns.len()) {
        columns.push(Column { name, kind: TypeName::of("unknown"), ..Column::default() });
    }
    let kind = if materialized { Relkind::MaterializedView } else { Relkind::View };
    schema.catalog.insert(Table { schema: of, name, kind, columns, definition: Some(definition), ..Table::default() });
    Ok(())
}

/// The output columns of a query: `… AS name`, or the name that an item ends with. The type is that of a column of this
/// name in a table that the query names, and unknown otherwise.
fn columns(schema: &Schema, query: &mut Cursor<'_>) -> Vec<Column> {
    let words: Vec<String> = query.words().collect();
    if !query.eat("select") {
        return Vec::new();
    }
    query.eat("distinct");
    let items = query.until(|cursor| cursor.sees("from") && !cursor.sees("from ("));
    let tables: Vec<&Table> = schema.catalog.tables.iter().filter(|table| words.contains(&table.name)).collect();
    let of_name = |name: &str| tables.iter().find_map(|table| table.columns.get(table.column(name)?.0));
    let items = items.split_at_commas();
    let columns = items.iter().filter_map(|item| {
        let words: Vec<String> = item.words().collect();
        let name = words.last()?.clone();
        let is_alias = words.len() > 1 && words[words.len() - 2] == "as";
        // `column`, `table.column` and `table.column AS name` have a column's type.
        let source = if is_alias { words.len().checked_sub(3).map(|at| &words[at]) } else { Some(&name) };
        let is_plain = !item.text().contains(['(', ':', '+', '*', '|', '\'']);
        let kind = source.filter(|_| is_plain).and_then(|source| of_name(source)).map(|column| column.kind.clone());
        Some(Column { name, kind: kind.unwrap_or_else(|| TypeName::of("unknown")), ..Column::default() })
    });
    columns.collect()
}
