//! Type names as DDL writes them.

use std::collections::HashMap;

use dbopt_sql::quote_ident;

use super::cursor::{Cursor, Parsed, Written};
use crate::TypeName;

/// Types that the file creates, by the name that `format_type` gives them.
#[derive(Default)]
pub(super) struct Types {
    known: HashMap<String, TypeName>,
}

/// A column's type as it is written, and whether it is one of the serial ones.
pub(super) struct ColumnType {
    pub(super) kind: TypeName,
    pub(super) serial: bool,
}

impl Types {
    pub(super) fn add(&mut self, schema: &str, name: &str, length: i16, align: u8, category: char) {
        let name = qualified(schema, name);
        let kind = TypeName { length, align, category, ..TypeName::of(&name) };
        self.known.insert(name, kind);
    }

    /// A domain is stored as what it is over.
    pub(super) fn add_domain(&mut self, schema: &str, name: &str, over: TypeName) {
        let name = qualified(schema, name);
        let kind = TypeName { name: name.clone(), base: Some(over.name), modifier: String::new(), ..over };
        self.known.insert(name, kind);
    }

    /// Reads a type.
    pub(super) fn read(&self, cursor: &mut Cursor<'_>, search_path: &[String]) -> Parsed<ColumnType> {
        let is_quoted = cursor.sees_quoted();
        let mut written = cursor.qualified()?;
        if is_quoted && written == (None, "char".to_owned()) {
            written = (Some("pg_catalog".to_owned()), "\"char\"".to_owned());
        }
        if !is_quoted {
            add_words(cursor, &mut written);
        }
        let mut modifier = String::new();
        if cursor.sees("(") {
            modifier = format!("({})", cursor.group()?.text().replace(' ', ""));
        }
        add_zone(cursor, &mut written);
        let (mut kind, serial) = self.resolve(&written, modifier, search_path);
        if is_array(cursor)? {
            let element = std::mem::take(&mut kind.modifier);
            let align = kind.align.max(4);
            let name = format!("{}[]", kind.name);
            kind = TypeName { name, length: -1, align, category: 'A', base: None, modifier: element };
        }
        Ok(ColumnType { kind, serial })
    }

    fn resolve(&self, (schema, name): &Written, modifier: String, search_path: &[String]) -> (TypeName, bool) {
        let serial = match &**name {
            "smallserial" | "serial2" => Some("smallint"),
            "serial" | "serial4" => Some("integer"),
            "bigserial" | "serial8" => Some("bigint"),
            _ => None,
        };
        if let Some(integer) = serial {
            return (TypeName::of(integer), true);
        }
        let of_catalog = schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        let canonical = canonical(name);
        if of_catalog && TypeName::is_built_in(canonical) {
            return (built_in(name, canonical, modifier), false);
        }
        let found = match schema {
            Some(schema) => self.known.get(&qualified(schema, name)),
            None => search_path.iter().find_map(|schema| self.known.get(&qualified(schema, name))),
        };
        let kind = found.cloned().unwrap_or_else(|| {
            let full = schema.as_ref().map_or_else(|| quote_ident(name).into_owned(), |schema| qualified(schema, name));
            // The one type of an extension that is a string, and common.
            let category = if name == "citext" { 'S' } else { 'U' };
            TypeName { category, ..TypeName::of(&full) }
        });
        (TypeName { modifier, ..kind }, false)
    }
}

/// The words that some types of the standard have after the first.
fn add_words(cursor: &mut Cursor<'_>, (schema, name): &mut Written) {
    if schema.is_some() {
        return;
    }
    match &**name {
        "double" if cursor.eat("precision") => name.push_str(" precision"),
        "national" => {
            if cursor.eat("character") || cursor.eat("char") {
                "character".clone_into(name);
            }
            if cursor.eat("varying") {
                name.push_str(" varying");
            }
        }
        "character" | "char" | "nchar" | "bit" if cursor.eat("varying") => name.push_str(" varying"),
        "interval" => {
            const FIELDS: [&str; 7] = ["year", "month", "day", "hour", "minute", "second", "to"];
            while FIELDS.iter().any(|field| cursor.eat(field)) {}
        }
        _ => {}
    }
}

/// `WITH TIME ZONE` behind the precision of a time.
fn add_zone(cursor: &mut Cursor<'_>, (_, name): &mut Written) {
    if matches!(&**name, "time" | "timestamp") {
        if cursor.eat("with time zone") {
            name.push_str("tz");
        } else {
            cursor.eat("without time zone");
        }
    }
}

fn is_array(cursor: &mut Cursor<'_>) -> Parsed<bool> {
    let mut array = cursor.eat("array");
    while cursor.eat("[") {
        if !cursor.sees("]") {
            cursor.skip();
        }
        cursor.expect("]")?;
        array = true;
    }
    Ok(array)
}

/// A built-in type with its modifier in the form of `format_type`.
fn built_in(written: &str, canonical: &str, modifier: String) -> TypeName {
    let plain = TypeName::of(canonical);
    let modifier = match (written, &*modifier) {
        ("float", "") => String::new(),
        ("float", bits) => {
            let bits: u32 = bits.trim_matches(['(', ')']).parse().unwrap_or(53);
            return TypeName::of(if bits < 25 { "real" } else { "double precision" });
        }
        // These are of length one, except under their internal names.
        ("char" | "character" | "nchar" | "bit", "") => "(1)".to_owned(),
        ("numeric" | "decimal" | "dec", precision) if !precision.is_empty() && !precision.contains(',') => {
            format!("{},0)", precision.trim_end_matches(')'))
        }
        _ => modifier,
    };
    TypeName { modifier, ..plain }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// `format_type`'s name of a built-in type that SQL also knows by another name; names are folded.
fn canonical(name: &str) -> &str {
    match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float" | "float8" => "double precision",
        "decimal" | "dec" => "numeric",
        "varchar" | "char varying" | "nchar varying" | "national character varying" | "national char varying" => {
            "character varying"
        }
        "char" | "bpchar" | "nchar" | "national character" | "national char" => "character",
        "varbit" => "bit varying",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: &str) {
        let read = Types::default().read(&mut Cursor::new(written, 0), &[]).expect("it is a type");
        assert_eq!(format!("{}{}", read.kind.name, read.kind.modifier), expected);
    }

    #[test]
    fn types_have_the_servers_names() {
        check("int", "integer");
        check("VARCHAR(20)", "character varying(20)");
        check("character varying", "character varying");
        check("char", "character(1)");
        check("bpchar", "character");
        check("\"char\"", "\"char\"");
        check("numeric(12, 2)", "numeric(12,2)");
        check("decimal(5)", "numeric(5,0)");
        check("float(10)", "real");
        check("double precision", "double precision");
        check("timestamp(3) with time zone", "timestamp with time zone(3)");
        check("timestamptz", "timestamp with time zone");
        check("time without time zone", "time without time zone");
        check("interval day to second", "interval");
        check("text[][]", "text[]");
        check("int array[4]", "integer[]");
        check("pg_catalog.int4", "integer");
        check("bigserial", "bigint");
        check("public.\"Odd\"", "public.\"Odd\"");
        check("citext", "citext");
    }
}
