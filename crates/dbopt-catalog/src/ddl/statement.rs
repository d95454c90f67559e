//! Which statement is which.

use super::{
    alter,
    cursor::{Cursor, Parsed},
    index,
    schema::{Schema, default_path},
    table, view,
};

/// First words of statements that say nothing of tables, or nothing that matters here.
const IGNORED: [&str; 41] = [
    "ABORT",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DISCARD",
    "DO",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "IMPORT",
    "INSERT",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "START",
    "UPDATE",
    "VACUUM",
];

/// What `CREATE` makes that is no table, index, view or type.
const OTHER_OBJECTS: [&str; 37] = [
    "ACCESS",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONSTRAINT",
    "CONVERSION",
    "DATABASE",
    "DEFAULT",
    "EVENT",
    "EXTENSION",
    "FOREIGN",
    "FUNCTION",
    "GROUP",
    "LANGUAGE",
    "LARGE",
    "OPERATOR",
    "POLICY",
    "PROCEDURAL",
    "PROCEDURE",
    "PUBLICATION",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "SYSTEM",
    "TABLESPACE",
    "TEXT",
    "TRANSFORM",
    "TRIGGER",
    "TRUSTED",
    "USER",
    "OWNED",
    "TEMPORARY",
];

pub(super) fn read(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.eat("create") {
        create(schema, cursor)
    } else if cursor.eat("alter") {
        change(schema, cursor)
    } else if cursor.eat("drop") {
        drop(schema, cursor)
    } else if cursor.eat("set") {
        set(schema, cursor)
    } else if ["select", "with", "values", "table", "show", "truncate", "unlisten"].iter().any(|word| cursor.sees(word))
    {
        set_config(schema, cursor);
        Ok(())
    } else if IGNORED.iter().any(|word| cursor.sees(word)) {
        Ok(())
    } else {
        cursor.fault(format!("`{}` does not begin a statement of PostgreSQL", shortened(cursor.peek())))
    }
}

fn create(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.eat("or replace");
    let _ = cursor.eat("global") || cursor.eat("local");
    let temporary = cursor.eat("temporary") || cursor.eat("temp");
    let _ = cursor.eat("unlogged") || cursor.eat("recursive");
    if cursor.eat("table") {
        // Temporary tables are gone when the session ends.
        if temporary { Ok(()) } else { table::create(schema, cursor, false) }
    } else if cursor.eat("foreign table") {
        table::create(schema, cursor, true)
    } else if cursor.sees("unique index") || cursor.sees("index") {
        index::create(schema, cursor)
    } else if cursor.eat("materialized view") {
        view::create(schema, cursor, true)
    } else if cursor.eat("view") {
        if temporary { Ok(()) } else { view::create(schema, cursor, false) }
    } else if cursor.eat("type") {
        create_type(schema, cursor)
    } else if cursor.eat("domain") {
        create_domain(schema, cursor)
    } else if temporary || OTHER_OBJECTS.iter().any(|word| cursor.sees(word)) {
        Ok(())
    } else {
        cursor.fault(format!("CREATE of `{}` is not known", shortened(cursor.peek())))
    }
}

fn create_type(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    let written = cursor.qualified()?;
    let (of, name) = schema.place_of(written);
    let (length, align, category) = if cursor.eat("as enum") {
        (4, 4, 'E')
    } else if cursor.eat("as range") {
        (-1, 8, 'R')
    } else if cursor.eat("as") {
        (-1, 8, 'C')
    } else {
        (-1, 4, 'U')
    };
    schema.types.add(&of, &name, length, align, category);
    Ok(())
}

fn create_domain(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    let written = cursor.qualified()?;
    let (of, name) = schema.place_of(written);
    cursor.eat("as");
    let over = schema.types.read(cursor, &schema.search_path)?.kind;
    schema.types.add_domain(&of, &name, over);
    Ok(())
}

fn change(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.eat("table") || cursor.eat("foreign table") || cursor.eat("materialized view") {
        alter::table(schema, cursor)
    } else if cursor.eat("index") {
        alter::index(schema, cursor)
    } else if cursor.eat("database") {
        cursor.name()?;
        if cursor.eat("set search_path") {
            schema.database_path = Some(path(cursor));
        }
        Ok(())
    } else {
        Ok(())
    }
}

fn drop(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    let what = if cursor.eat("index") {
        cursor.eat("concurrently");
        Dropped::Index
    } else if cursor.eat("table")
        || cursor.eat("foreign table")
        || cursor.eat("materialized view")
        || cursor.eat("view")
    {
        Dropped::Table
    } else if cursor.eat("schema") {
        Dropped::Schema
    } else {
        return Ok(());
    };
    cursor.eat("if exists");
    loop {
        let written = cursor.qualified()?;
        match what {
            Dropped::Index => {
                if let Some((table, index)) = schema.index_mut(&written) {
                    table.indexes.remove(index);
                }
            }
            Dropped::Table => {
                let (of, name) = schema.resolve(written);
                schema.catalog.remove(&of, &name);
                // What was a part of it is dropped with it.
                let parent = Some((of, name));
                schema.catalog.tables.retain(|table| table.parent != parent);
            }
            Dropped::Schema => schema.catalog.tables.retain(|table| table.schema != written.1),
        }
        if !cursor.eat(",") {
            return Ok(());
        }
    }
}

#[derive(Clone, Copy)]
enum Dropped {
    Table,
    Index,
    Schema,
}

fn set(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    let _ = cursor.eat("session") || cursor.eat("local");
    if cursor.eat("search_path") {
        schema.search_path = path(cursor);
    } else if cursor.eat("schema")
        && let Some(name) = cursor.string()
    {
        schema.search_path = vec![name];
    }
    Ok(())
}

/// `SELECT pg_catalog.set_config('search_path', '', false)`, with which pg_dump begins.
fn set_config(schema: &mut Schema, cursor: &mut Cursor<'_>) {
    if (cursor.eat("select pg_catalog . set_config (") || cursor.eat("select set_config ("))
        && cursor.string().is_some_and(|name| name == "search_path")
        && cursor.eat(",")
        && let Some(value) = cursor.string()
    {
        schema.search_path = path(&mut Cursor::new(&value, 0));
    }
}

/// The schemas behind `SET search_path`.
fn path(cursor: &mut Cursor<'_>) -> Vec<String> {
    let _ = cursor.eat("to") || cursor.eat("=");
    if cursor.eat("default") {
        return default_path();
    }
    let mut path = Vec::new();
    while !cursor.is_at_end() {
        let name = cursor.string().map_or_else(|| cursor.name().ok(), Some);
        path.extend(name.filter(|name| !name.is_empty() && name != "$user"));
        if !cursor.eat(",") {
            break;
        }
    }
    path
}

/// A token as it may stand in a message.
fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}
