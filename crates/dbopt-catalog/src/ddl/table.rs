//! `CREATE TABLE` (<https://www.postgresql.org/docs/current/sql-createtable.html>).

use super::{
    constraint,
    cursor::{Cursor, Parsed, Written},
    schema::{Schema, known},
};
use crate::{Column, Relkind, Table};

pub(super) fn create(schema: &mut Schema, cursor: &mut Cursor<'_>, foreign: bool) -> Parsed<()> {
    let if_not_exists = cursor.eat("if not exists");
    let written = cursor.qualified()?;
    let (of, name) = schema.place_of(written.clone());
    if schema.catalog.find(Some(&of), &name).is_some() {
        return if if_not_exists { Ok(()) } else { cursor.fault(format!("`{of}.{name}` exists already")) };
    }
    let full = (Some(of.clone()), name.clone());
    let mut table = Table { schema: of, name, ..Table::default() };
    if foreign {
        table.kind = Relkind::Foreign;
    }
    if cursor.eat("of") {
        return cursor.fault("typed tables are not supported");
    }
    let mut parent = None;
    if cursor.eat("partition of") {
        let written = cursor.qualified()?;
        let above = known(schema.table_mut(&written), &written, cursor)?;
        table.columns.clone_from(&above.columns);
        table.parent = Some((above.schema.clone(), above.name.clone()));
        parent = Some(written);
    }
    let elements = if cursor.sees("(") { cursor.group()?.split_at_commas() } else { Vec::new() };
    schema.catalog.insert(table);
    let result = fill(schema, cursor, &full, elements, parent.is_some());
    if result.is_err() {
        // A table that is half understood would make advice that is wholly wrong.
        schema.catalog.remove(full.0.as_deref().unwrap_or_default(), &full.1);
    }
    result
}

fn fill(
    schema: &mut Schema,
    cursor: &mut Cursor<'_>,
    full: &Written,
    elements: Vec<Cursor<'_>>,
    partition: bool,
) -> Parsed<()> {
    let without_columns = elements.is_empty();
    // Constraints name columns that may come after them.
    let (constraints, columns): (Vec<_>, Vec<_>) =
        elements.into_iter().partition(|element| constraint::begins(element) && !element.sees("like"));
    let mut of_columns = Vec::new();
    for mut element in columns {
        if element.eat("like") {
            like(schema, &mut element, full)?;
        } else if partition {
            let name = element.name()?;
            element.eat("with options");
            of_columns.push((name, element));
        } else {
            of_columns.push(column(schema, &mut element, full)?);
        }
    }
    if cursor.eat("inherits") {
        for mut written in cursor.group()?.split_at_commas() {
            let written = written.qualified()?;
            inherit(schema, &written, full, cursor)?;
        }
    }
    for (name, mut element) in of_columns {
        constraint::of_column(schema, &mut element, full, &name)?;
    }
    for mut element in constraints {
        constraint::of_table(schema, &mut element, full, false)?;
    }
    tail(schema, cursor, full, without_columns)
}

/// What follows the columns.
fn tail(schema: &mut Schema, cursor: &mut Cursor<'_>, full: &Written, without_columns: bool) -> Parsed<()> {
    while !cursor.is_at_end() {
        if cursor.sees("for values") || cursor.sees("default") {
            let bound = bound(cursor);
            edit(schema, full, |table| table.partition_bound = Some(bound));
        } else if cursor.eat("partition by") {
            let strategy = cursor.name()?.to_uppercase();
            let keys = cursor.group()?.split_at_commas();
            let columns = keys.iter().filter(|key| key.peek_at(1) != "(" && key.peek() != "(").filter_map(|key| {
                let mut key = key.clone();
                key.name().ok()
            });
            let columns = columns.collect();
            edit(schema, full, |table| {
                table.kind = Relkind::Partitioned;
                table.partition_key = Some((strategy, columns));
            });
        } else if cursor.eat("with") {
            let mut group = cursor.clone();
            if let Ok(group) = cursor.group() {
                let percent = parameter(group, "fillfactor").and_then(|percent| percent.parse().ok());
                edit(schema, full, |table| table.fillfactor = percent.unwrap_or(100));
            } else {
                group.skip();
                *cursor = group;
            }
        } else if cursor.eat("as") {
            if without_columns {
                let message = "the columns of CREATE TABLE AS are not known";
                return cursor.fault(message);
            }
            cursor.rest();
        } else {
            cursor.skip();
        }
    }
    Ok(())
}

/// `FOR VALUES …` or `DEFAULT`, up to what else a table may have.
pub(super) fn bound(cursor: &mut Cursor<'_>) -> String {
    let stop = |cursor: &Cursor<'_>| {
        ["partition by", "server", "using", "tablespace"].iter().any(|words| cursor.sees(words))
            // The remainder of a hash partition is behind WITH too.
            || (cursor.sees("with (") && !cursor.sees("with ( modulus"))
    };
    cursor.until(stop).text()
}

/// The value of a storage parameter in `(name = value, …)`.
pub(super) fn parameter(group: Cursor<'_>, name: &str) -> Option<String> {
    group.split_at_commas().into_iter().find_map(|mut part| {
        part.name().ok().filter(|known| known == name)?;
        part.eat("=");
        Some(part.string().unwrap_or_else(|| part.text()))
    })
}

/// Reads a column and adds it; what is said behind its type is returned with its name.
pub(super) fn column<'a>(
    schema: &mut Schema,
    element: &mut Cursor<'a>,
    full: &Written,
) -> Parsed<(String, Cursor<'a>)> {
    let name = element.name()?;
    let kind = schema.types.read(element, &schema.search_path)?;
    let column = Column { name: name.clone(), kind: kind.kind, not_null: kind.serial, ..Column::default() };
    edit(schema, full, |table| table.columns.push(column));
    Ok((name, element.rest()))
}

/// Adds the columns of an inheritance parent before the table's own.
pub(super) fn inherit(schema: &mut Schema, parent: &Written, full: &Written, cursor: &Cursor<'_>) -> Parsed<()> {
    let above = known(schema.table_mut(parent), parent, cursor)?;
    let (columns, name) = (above.columns.clone(), (above.schema.clone(), above.name.clone()));
    edit(schema, full, |table| {
        let own = std::mem::take(&mut table.columns);
        let inherited = columns.into_iter().map(|mut column| {
            // A column of both is one column.
            column.not_null |= own.iter().any(|own| own.name == column.name && own.not_null);
            column
        });
        table.columns = inherited.collect();
        for column in own {
            if table.column(&column.name).is_none() {
                table.columns.push(column);
            }
        }
        table.parent.get_or_insert(name);
    });
    Ok(())
}

/// `LIKE other INCLUDING …`: the columns, and the checks and indexes when they are asked for.
fn like(schema: &mut Schema, element: &mut Cursor<'_>, full: &Written) -> Parsed<()> {
    let written = element.qualified()?;
    let other = known(schema.table_mut(&written), &written, element)?.clone();
    let options = element.text().to_lowercase();
    let wants = |what: &str| {
        let included = options.contains("including all") || options.contains(&format!("including {what}"));
        included && !options.contains(&format!("excluding {what}"))
    };
    let with_indexes = wants("indexes");
    let checks = other.constraints.iter().filter(|known| matches!(known.kind, crate::ConstraintKind::Check(_)));
    let checks: Vec<_> = checks.filter(|_| wants("constraints")).cloned().collect();
    edit(schema, full, |table| {
        table.columns.extend(other.columns);
        table.constraints.extend(checks);
    });
    for index in other.indexes.iter().filter(|_| with_indexes) {
        let mut copy = index.clone();
        let (of, name) = (full.0.clone().unwrap_or_default(), full.1.clone());
        let keys: Vec<_> = copy.keys.iter().filter_map(|key| key.as_column()).collect();
        copy.name = match (copy.primary, &copy.constraint) {
            (true, _) => schema.free_name(&of, &name, "", "pkey"),
            (false, Some(_)) => schema.free_name(&of, &name, &keys.join("_"), "key"),
            (false, None) => schema.free_name(&of, &name, &keys.join("_"), "idx"),
        };
        copy.schema = of;
        copy.constraint = index.constraint.as_ref().map(|_| copy.name.clone());
        copy.parent = None;
        let constraint =
            other.constraints.iter().find(|constraint| index.constraint.as_ref() == Some(&constraint.name));
        let constraint =
            constraint.map(|constraint| crate::Constraint { name: copy.name.clone(), ..constraint.clone() });
        edit(schema, full, |table| {
            copy.definition = copy.create_sql(table, crate::Build::Plain);
            table.indexes.push(copy);
            table.constraints.extend(constraint);
        });
    }
    Ok(())
}

/// Changes the table that a statement is about, which exists.
pub(super) fn edit(schema: &mut Schema, full: &Written, change: impl FnOnce(&mut Table)) {
    if let Some(table) = schema.table_mut(full) {
        change(table);
    }
}
