//! Constraints, of columns and of tables.

use super::{
    cursor::{Cursor, Parsed, Written},
    index::{key, parameters},
    schema::Schema,
    table::edit,
};
use crate::{Build, Constraint, ConstraintKind, Index, IndexKey, Method, Relkind};

/// Whether an element of `CREATE TABLE` is a constraint and no column.
pub(super) fn begins(element: &Cursor<'_>) -> bool {
    ["constraint", "primary key", "unique (", "unique nulls", "foreign key", "check (", "exclude", "not null", "like"]
        .iter()
        .any(|words| element.sees(words))
        && !element.sees_quoted()
        && !(element.sees("exclude") && !element.sees("exclude using") && !element.sees("exclude ("))
}

/// What may follow a column's type, in any order.
pub(super) fn of_column(schema: &mut Schema, cursor: &mut Cursor<'_>, table: &Written, column: &str) -> Parsed<()> {
    let mut name = None;
    let columns = || vec![column.to_owned()];
    while !cursor.is_at_end() {
        if cursor.eat("constraint") {
            name = Some(cursor.name()?);
            continue;
        }
        if cursor.eat("not null") {
            not_null(schema, table, column, true);
        } else if cursor.eat("primary key") {
            index_constraint(schema, cursor, table, name.take(), columns(), true)?;
        } else if cursor.eat("unique") {
            index_constraint(schema, cursor, table, name.take(), columns(), false)?;
        } else if cursor.eat("references") {
            foreign_key(schema, cursor, table, name.take(), columns())?;
        } else if cursor.eat("check") {
            check(schema, cursor, table, name.take())?;
        } else if cursor.eat("collate") {
            let (_, collation) = cursor.qualified()?;
            let collation = Some(collation).filter(|name| name != "default");
            with_column(schema, table, column, |column| column.collation = collation);
        } else if cursor.eat("generated") {
            generated(schema, cursor, table, column)?;
        } else if cursor.eat("default") {
            // An expression has one token at least; `NULL` may be it.
            cursor.skip();
            cursor.until(begins_column_constraint);
        } else if cursor.sees("(") {
            cursor.group()?;
        } else {
            cursor.skip();
        }
        name = None;
    }
    Ok(())
}

fn begins_column_constraint(cursor: &Cursor<'_>) -> bool {
    const WORDS: [&str; 11] = [
        "constraint",
        "not null",
        "null",
        "check",
        "unique",
        "primary key",
        "references",
        "generated",
        "collate",
        "deferrable",
        "not deferrable",
    ];
    WORDS.iter().any(|words| cursor.sees(words))
}

fn generated(schema: &mut Schema, cursor: &mut Cursor<'_>, table: &Written, column: &str) -> Parsed<()> {
    let _ = cursor.eat("always") || cursor.eat("by default");
    cursor.expect("as")?;
    if cursor.eat("identity") {
        not_null(schema, table, column, true);
    } else {
        cursor.group()?;
        let stored = cursor.eat("stored");
        with_column(schema, table, column, |column| column.generated = stored);
    }
    Ok(())
}

/// A constraint of a table. With `only` it does not reach the partitions that the table has.
pub(super) fn of_table(schema: &mut Schema, cursor: &mut Cursor<'_>, table: &Written, only: bool) -> Parsed<()> {
    let name = if cursor.eat("constraint") { Some(cursor.name()?) } else { None };
    let index = if cursor.eat("primary key") {
        Some(table_index(schema, cursor, table, name, true)?)
    } else if cursor.eat("unique") {
        Some(table_index(schema, cursor, table, name, false)?)
    } else if cursor.eat("foreign key") {
        let columns = names(cursor.group()?)?;
        foreign_key(schema, cursor, table, name, columns)?;
        None
    } else if cursor.eat("check") {
        check(schema, cursor, table, name)?;
        None
    } else if cursor.eat("exclude") {
        Some(exclude(schema, cursor, table, name)?)
    } else if cursor.eat("not null") {
        let column = cursor.name()?;
        not_null(schema, table, &column, true);
        None
    } else {
        return cursor.fault("no constraint is known by this name");
    };
    if let Some(index) = index.filter(|_| only) {
        schema.only.insert((table.0.clone().unwrap_or_default(), index));
    }
    Ok(())
}

fn table_index(
    schema: &mut Schema,
    cursor: &mut Cursor<'_>,
    table: &Written,
    name: Option<String>,
    primary: bool,
) -> Parsed<String> {
    if cursor.eat("using index") {
        return adopt_index(schema, cursor, table, name, primary);
    }
    let nulls_not_distinct = cursor.eat("nulls not distinct");
    cursor.eat("nulls distinct");
    let columns = names(cursor.group()?)?;
    let name = index_constraint(schema, cursor, table, name, columns, primary)?;
    if nulls_not_distinct && let Some((table, at)) = schema.index_mut(&(table.0.clone(), name.clone())) {
        table.indexes[at].nulls_not_distinct = true;
    }
    Ok(name)
}

/// `UNIQUE USING INDEX name`: the index becomes the constraint's, under the constraint's name.
fn adopt_index(
    schema: &mut Schema,
    cursor: &mut Cursor<'_>,
    table: &Written,
    name: Option<String>,
    primary: bool,
) -> Parsed<String> {
    let index = cursor.name()?;
    let Some((of, at)) = schema.index_mut(&(table.0.clone(), index.clone())) else {
        return cursor.fault(format!("index `{index}` is not created before"));
    };
    let name = name.unwrap_or(index);
    let index = &mut of.indexes[at];
    index.name.clone_from(&name);
    index.constraint = Some(name.clone());
    index.primary = primary;
    let columns: Vec<String> = index.keys.iter().filter_map(|key| key.as_column().map(str::to_owned)).collect();
    let kind = if primary { ConstraintKind::Primary } else { ConstraintKind::Unique };
    of.indexes[at].definition = of.indexes[at].create_sql(of, Build::Plain);
    if primary {
        set_not_null(of, &columns);
    }
    of.constraints.push(Constraint { name: name.clone(), kind, columns });
    Ok(name)
}

/// A primary key or unique constraint, whose columns are read already; its index comes with it.
fn index_constraint(
    schema: &mut Schema,
    cursor: &mut Cursor<'_>,
    table: &Written,
    name: Option<String>,
    columns: Vec<String>,
    primary: bool,
) -> Parsed<String> {
    let of = table.0.clone().unwrap_or_default();
    let name = name.unwrap_or_else(|| {
        if primary {
            schema.free_name(&of, &table.1, "", "pkey")
        } else {
            schema.free_name(&of, &table.1, &columns.join("_"), "key")
        }
    });
    let mut index = Index {
        schema: of,
        name: name.clone(),
        keys: columns.iter().map(IndexKey::column).collect(),
        unique: true,
        primary,
        constraint: Some(name.clone()),
        ..Index::default()
    };
    if cursor.eat("nulls not distinct") {
        index.nulls_not_distinct = true;
    }
    if cursor.eat("include") {
        index.include = names(cursor.group()?)?;
    }
    if cursor.eat("with") {
        parameters(cursor.group()?, &mut index);
    }
    let kind = if primary { ConstraintKind::Primary } else { ConstraintKind::Unique };
    edit(schema, table, |table| {
        if primary {
            set_not_null(table, &columns);
        }
        let build = if table.kind == Relkind::Partitioned { Build::OnlyParent } else { Build::Plain };
        index.definition = index.create_sql(table, build);
        table.indexes.push(index);
        table.constraints.push(Constraint { name: name.clone(), kind, columns });
    });
    Ok(name)
}

fn exclude(schema: &mut Schema, cursor: &mut Cursor<'_>, table: &Written, name: Option<String>) -> Parsed<String> {
    let method = if cursor.eat("using") { Method::named(&cursor.name()?) } else { Method::Gist };
    let mut keys = Vec::new();
    for mut element in cursor.group()?.split_at_commas() {
        let mut of_key = element.until(|cursor| cursor.sees("with"));
        keys.push(key(&mut of_key)?);
    }
    let of = table.0.clone().unwrap_or_default();
    let columns: Vec<String> = keys.iter().filter_map(|key| key.as_column().map(str::to_owned)).collect();
    let name = name.unwrap_or_else(|| schema.free_name(&of, &table.1, &columns.join("_"), "excl"));
    let mut index =
        Index { schema: of, name: name.clone(), method, keys, constraint: Some(name.clone()), ..Index::default() };
    if cursor.eat("where") {
        index.predicate = Some(format!("({})", cursor.group()?.text()));
    }
    edit(schema, table, |table| {
        index.definition = index.create_sql(table, Build::Plain);
        table.indexes.push(index);
        table.constraints.push(Constraint { name: name.clone(), kind: ConstraintKind::Exclude, columns });
    });
    Ok(name)
}

fn foreign_key(
    schema: &mut Schema,
    cursor: &mut Cursor<'_>,
    table: &Written,
    name: Option<String>,
    columns: Vec<String>,
) -> Parsed<()> {
    cursor.eat("references");
    let written = cursor.qualified()?;
    let referenced = schema.resolve(written);
    // Without columns it is the primary key, which may be made later.
    let foreign_columns = if cursor.sees("(") { names(cursor.group()?)? } else { Vec::new() };
    let mut on_delete = "NO ACTION";
    loop {
        if cursor.eat("on delete") {
            on_delete = action(cursor);
        } else if cursor.eat("on update") {
            action(cursor);
        } else if cursor.eat("match") {
            cursor.skip();
        } else {
            break;
        }
    }
    let of = table.0.clone().unwrap_or_default();
    let name = name.unwrap_or_else(|| schema.free_name(&of, &table.1, &columns.join("_"), "fkey"));
    let kind = ConstraintKind::Foreign { table: referenced, columns: foreign_columns, on_delete: on_delete.to_owned() };
    edit(schema, table, |table| table.constraints.push(Constraint { name, kind, columns }));
    Ok(())
}

fn action(cursor: &mut Cursor<'_>) -> &'static str {
    let action = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"];
    let action = action.into_iter().find(|action| cursor.eat(action));
    // `SET NULL (column)`, since PostgreSQL 15.
    if cursor.sees("(") {
        let _ = cursor.group();
    }
    action.unwrap_or("NO ACTION")
}

fn check(schema: &mut Schema, cursor: &mut Cursor<'_>, table: &Written, name: Option<String>) -> Parsed<()> {
    let expression = cursor.group()?;
    let mut columns: Vec<String> = Vec::new();
    edit(schema, table, |table| {
        for word in expression.words() {
            if table.column(&word).is_some() && !columns.contains(&word) {
                columns.push(word);
            }
        }
        // The server lists them in the order of the table.
        columns.sort_by_key(|name| table.column(name));
    });
    let of = table.0.clone().unwrap_or_default();
    let name = name.unwrap_or_else(|| {
        let keys = if let [column] = &*columns { column } else { "" };
        schema.free_name(&of, &table.1, keys, "check")
    });
    if cursor.eat("no inherit") {
        schema.no_inherit.insert((of, table.1.clone(), name.clone()));
    }
    let kind = ConstraintKind::Check(expression.text());
    edit(schema, table, |table| table.constraints.push(Constraint { name, kind, columns }));
    Ok(())
}

/// A list of names.
pub(super) fn names(group: Cursor<'_>) -> Parsed<Vec<String>> {
    group.split_at_commas().iter_mut().map(Cursor::name).collect()
}

pub(super) fn not_null(schema: &mut Schema, table: &Written, column: &str, not_null: bool) {
    with_column(schema, table, column, |column| column.not_null = not_null);
}

fn set_not_null(table: &mut crate::Table, columns: &[String]) {
    for column in &mut table.columns {
        column.not_null |= columns.contains(&column.name);
    }
}

pub(super) fn with_column(schema: &mut Schema, table: &Written, name: &str, change: impl FnOnce(&mut crate::Column)) {
    edit(schema, table, |table| {
        if let Some(at) = table.column(name) {
            change(&mut table.columns[at.0]);
        }
    });
}
