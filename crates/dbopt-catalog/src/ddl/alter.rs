//! `ALTER TABLE` and `ALTER INDEX`.

use super::{
    constraint::{self, with_column},
    cursor::{Cursor, Parsed, Written},
    schema::{Schema, known},
    table::{self, edit},
};
use crate::{Index, KeyPart, Table};

pub(super) fn table(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.eat("all in tablespace") {
        return Ok(());
    }
    let if_exists = cursor.eat("if exists");
    let only = cursor.eat("only");
    let written = cursor.qualified()?;
    cursor.eat("*");
    // Sequences and views are altered by ALTER TABLE too, in older dumps.
    let Some(found) = schema.table_mut(&written) else {
        let harmless =
            if_exists || ["owner to", "set", "enable", "disable", "rename"].iter().any(|words| cursor.sees(words));
        return if harmless { Ok(()) } else { known::<()>(None, &written, cursor) };
    };
    let full = (Some(found.schema.clone()), found.name.clone());
    for mut action in cursor.rest().split_at_commas() {
        act(schema, &mut action, &full, only)?;
    }
    Ok(())
}

fn act(schema: &mut Schema, cursor: &mut Cursor<'_>, full: &Written, only: bool) -> Parsed<()> {
    if cursor.eat("add") {
        if constraint::begins(cursor) {
            return constraint::of_table(schema, cursor, full, only);
        }
        cursor.eat("column");
        let if_not_exists = cursor.eat("if not exists");
        let name = cursor.clone().name()?;
        let exists = schema.table_mut(full).is_some_and(|table| table.column(&name).is_some());
        if exists {
            return if if_not_exists { Ok(()) } else { cursor.fault(format!("column `{name}` exists already")) };
        }
        let (name, mut rest) = table::column(schema, cursor, full)?;
        constraint::of_column(schema, &mut rest, full, &name)
    } else if cursor.eat("drop constraint") {
        cursor.eat("if exists");
        let name = cursor.name()?;
        edit(schema, full, |table| {
            table.constraints.retain(|constraint| constraint.name != name);
            table.indexes.retain(|index| index.constraint.as_ref() != Some(&name));
        });
        Ok(())
    } else if cursor.eat("drop") {
        cursor.eat("column");
        cursor.eat("if exists");
        let name = cursor.name()?;
        edit(schema, full, |table| drop_column(table, &name));
        Ok(())
    } else if cursor.eat("alter") {
        cursor.eat("column");
        let name = cursor.name()?;
        alter_column(schema, cursor, full, &name)
    } else if cursor.eat("rename") {
        rename(schema, cursor, full)
    } else if cursor.eat("attach partition") {
        let written = cursor.qualified()?;
        let bound = table::bound(cursor);
        let parent = (full.0.clone().unwrap_or_default(), full.1.clone());
        let child = known(schema.table_mut(&written), &written, cursor)?;
        child.parent = Some(parent);
        child.partition_bound = Some(bound);
        Ok(())
    } else if cursor.eat("detach partition") {
        let written = cursor.qualified()?;
        let child = known(schema.table_mut(&written), &written, cursor)?;
        child.parent = None;
        child.partition_bound = None;
        Ok(())
    } else if cursor.eat("inherit") {
        let written = cursor.qualified()?;
        table::inherit(schema, &written, full, cursor)
    } else if cursor.eat("no inherit") {
        edit(schema, full, |table| table.parent = None);
        Ok(())
    } else if cursor.eat("set schema") {
        let to = cursor.name()?;
        move_table(schema, full, (to, full.1.clone()));
        Ok(())
    } else if cursor.sees("set (") {
        cursor.skip();
        let percent = table::parameter(cursor.group()?, "fillfactor").and_then(|percent| percent.parse().ok());
        edit(schema, full, |table| table.fillfactor = percent.unwrap_or(table.fillfactor));
        Ok(())
    } else if cursor.eat("cluster on") || cursor.eat("replica identity using index") {
        let name = cursor.name()?;
        edit(schema, full, |table| {
            table.indexes.iter_mut().filter(|index| index.name == name).for_each(|index| index.identity = true);
        });
        Ok(())
    } else {
        // Owners, triggers, rules, row security and the like.
        Ok(())
    }
}

fn alter_column(schema: &mut Schema, cursor: &mut Cursor<'_>, full: &Written, name: &str) -> Parsed<()> {
    if cursor.eat("set not null") {
        constraint::not_null(schema, full, name, true);
    } else if cursor.eat("drop not null") {
        constraint::not_null(schema, full, name, false);
    } else if cursor.eat("set data type") || cursor.eat("type") {
        let kind = schema.types.read(cursor, &schema.search_path)?.kind;
        with_column(schema, full, name, |column| column.kind = kind);
        if cursor.eat("collate") {
            let (_, collation) = cursor.qualified()?;
            with_column(schema, full, name, |column| column.collation = Some(collation));
        }
    }
    Ok(())
}

fn drop_column(table: &mut Table, name: &str) {
    let uses = |index: &Index| {
        index.keys.iter().any(|key| key.as_column() == Some(name)) || index.include.iter().any(|column| column == name)
    };
    table.columns.retain(|column| column.name != name);
    table.indexes.retain(|index| !uses(index));
    table.constraints.retain(|constraint| !constraint.columns.iter().any(|column| column == name));
}

fn rename(schema: &mut Schema, cursor: &mut Cursor<'_>, full: &Written) -> Parsed<()> {
    if cursor.eat("to") {
        let to = (full.0.clone().unwrap_or_default(), cursor.name()?);
        move_table(schema, full, to);
        return Ok(());
    }
    if cursor.eat("constraint") {
        let from = cursor.name()?;
        cursor.expect("to")?;
        let to = cursor.name()?;
        edit(schema, full, |table| {
            for constraint in table.constraints.iter_mut().filter(|constraint| constraint.name == from) {
                constraint.name.clone_from(&to);
            }
            for index in table.indexes.iter_mut().filter(|index| index.constraint.as_ref() == Some(&from)) {
                index.name.clone_from(&to);
                index.constraint = Some(to.clone());
            }
        });
        return Ok(());
    }
    cursor.eat("column");
    let from = cursor.name()?;
    cursor.expect("to")?;
    let to = cursor.name()?;
    let new = |name: &mut String| {
        if *name == from {
            name.clone_from(&to);
        }
    };
    edit(schema, full, |table| {
        table.columns.iter_mut().for_each(|column| new(&mut column.name));
        table.constraints.iter_mut().flat_map(|constraint| &mut constraint.columns).for_each(new);
        for index in &mut table.indexes {
            index.include.iter_mut().for_each(new);
            for key in &mut index.keys {
                if let KeyPart::Column(name) = &mut key.part {
                    new(name);
                }
            }
        }
    });
    Ok(())
}

/// Gives a table another schema and name, also where others name it.
fn move_table(schema: &mut Schema, from: &Written, to: (String, String)) {
    let from = (from.0.clone().unwrap_or_default(), from.1.clone());
    let Some(mut moved) = schema.catalog.remove(&from.0, &from.1) else { return };
    (moved.schema, moved.name) = to.clone();
    moved.indexes.iter_mut().for_each(|index| index.schema.clone_from(&to.0));
    schema.catalog.insert(moved);
    for table in &mut schema.catalog.tables {
        if table.parent.as_ref() == Some(&from) {
            table.parent = Some(to.clone());
        }
        for constraint in &mut table.constraints {
            if let crate::ConstraintKind::Foreign { table, .. } = &mut constraint.kind
                && *table == from
            {
                *table = to.clone();
            }
        }
    }
}

pub(super) fn index(schema: &mut Schema, cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.eat("all in tablespace") {
        return Ok(());
    }
    let if_exists = cursor.eat("if exists");
    let written = cursor.qualified()?;
    let found = schema.index_mut(&written);
    if found.is_none() && if_exists {
        return Ok(());
    }
    let (table, at) = known(found, &written, cursor)?;
    if cursor.eat("attach partition") {
        let parent = (table.schema.clone(), table.indexes[at].name.clone());
        let written = cursor.qualified()?;
        let (child, at) = known(schema.index_mut(&written), &written, cursor)?;
        child.indexes[at].parent = Some(parent);
    } else if cursor.eat("rename to") {
        let name = cursor.name()?;
        let index = &mut table.indexes[at];
        if let Some(constraint) = index.constraint.replace(name.clone()) {
            table
                .constraints
                .iter_mut()
                .filter(|known| known.name == constraint)
                .for_each(|known| known.name.clone_from(&name));
        } else {
            index.constraint = None;
        }
        table.indexes[at].name = name;
    } else if cursor.sees("set (") {
        cursor.skip();
        super::index::parameters(cursor.group()?, &mut table.indexes[at]);
    }
    Ok(())
}
