//! `CREATE INDEX` (<https://www.postgresql.org/docs/current/sql-createindex.html>).

use std::collections::BTreeSet;

use super::{
    cursor::{Cursor, Parsed},
    schema::{Schema, known},
    table::parameter,
};
use crate::{Index, IndexKey, KeyPart, Method, index_name, text::is_off};

pub(super) fn create(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    let statement = cursor.clone();
    let mut index = Index { unique: cursor.eat("unique"), ..Index::default() };
    cursor.expect("index")?;
    cursor.eat("concurrently");
    let if_not_exists = cursor.eat("if not exists");
    if !cursor.sees("on") {
        index.name = cursor.qualified()?.1;
    }
    cursor.expect("on")?;
    let only = cursor.eat("only");
    let written = cursor.qualified()?;
    let table = known(schema.table_mut(&written), &written, cursor)?;
    index.schema.clone_from(&table.schema);
    if cursor.eat("using") {
        index.method = Method::named(&cursor.name()?);
    }
    for mut element in cursor.group()?.split_at_commas() {
        index.keys.push(key(&mut element)?);
    }
    if cursor.eat("include") {
        index.include = super::constraint::names(cursor.group()?)?;
    }
    index.nulls_not_distinct = cursor.eat("nulls not distinct");
    cursor.eat("nulls distinct");
    if cursor.eat("with") {
        parameters(cursor.group()?, &mut index);
    }
    if cursor.eat("tablespace") {
        cursor.name()?;
    }
    if cursor.eat("where") {
        index.predicate = Some(cursor.rest().text());
    }
    if !cursor.is_at_end() {
        return cursor.fault("the end of CREATE INDEX was expected here");
    }
    add(schema, index, &written, only, if_not_exists, &statement)
}

fn add(
    schema: &mut Schema,
    mut index: Index,
    written: &super::cursor::Written,
    only: bool,
    if_not_exists: bool,
    statement: &Cursor<'_>,
) -> Parsed<()> {
    let of = index.schema.clone();
    if index.name.is_empty() {
        let table = known(schema.table_mut(written), written, statement)?.clone();
        index.name = index_name(&schema.catalog, &table, &index.keys, &BTreeSet::new());
        index.definition = index.create_sql(&table, crate::Build::Plain);
    } else {
        index.definition = format!("CREATE {}", statement.text());
        if schema.index_mut(&(Some(of.clone()), index.name.clone())).is_some() {
            let message = format!("index `{of}.{}` exists already", index.name);
            return if if_not_exists { Ok(()) } else { statement.fault(message) };
        }
    }
    if only {
        schema.only.insert((of, index.name.clone()));
    }
    known(schema.table_mut(written), written, statement)?.indexes.push(index);
    Ok(())
}

/// One key: a column, a call or an expression in parentheses, then collation, operator class and order.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Parsed<IndexKey> {
    let part = if cursor.sees("(") {
        let text = cursor.group()?.text();
        KeyPart::Expression(crate::text::without_parentheses(&text).to_owned())
    } else {
        let mut ahead = cursor.clone();
        ahead.qualified()?;
        if ahead.sees("(") {
            // The tokens up to the end of the call's parentheses.
            let call = ahead.group().map(|_| ahead)?;
            let length = cursor.remaining() - call.remaining();
            let text = cursor.take(length).text();
            KeyPart::Expression(text)
        } else {
            KeyPart::Column(cursor.name()?)
        }
    };
    let mut key = IndexKey { part, ..IndexKey::column("") };
    if cursor.eat("collate") {
        key.collation = Some(cursor.qualified()?.1);
    }
    let is_order = |cursor: &Cursor<'_>| ["asc", "desc", "nulls"].iter().any(|word| cursor.sees(word));
    if !cursor.is_at_end() && !is_order(cursor) {
        key.opclass = Some(cursor.qualified()?.1);
        if cursor.sees("(") {
            cursor.group()?;
        }
    }
    cursor.eat("asc");
    key.descending = cursor.eat("desc");
    key.nulls_first = cursor.eat("nulls first") || (key.descending && !cursor.eat("nulls last"));
    cursor.eat("nulls last");
    if cursor.is_at_end() { Ok(key) } else { cursor.fault("the end of an index key was expected here") }
}

/// `WITH (…)` of an index.
pub(super) fn parameters(group: Cursor<'_>, index: &mut Index) {
    index.fillfactor = parameter(group.clone(), "fillfactor").and_then(|percent| percent.parse().ok());
    index.deduplicate = !parameter(group, "deduplicate_items").is_some_and(|value| is_off(&value));
}
