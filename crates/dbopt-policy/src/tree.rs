//! A document as an owned tree in which every key and value knows where it stands.

use std::collections::BTreeMap;

use dbopt_finding::Finding;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::log::{Log, Origin};

/// How deep tables and lists may be nested, more than any document means to.
const DEEPEST: usize = 64;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// A value of TOML.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    List(Vec<Node>),
    Table(Entries),
}

impl Value {
    /// What it is, with its article.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// The keys of a table in their alphabetic order.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// A key's place, and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Origin,
    pub(crate) node: Node,
}

/// The tree of one source's root table.
pub(crate) fn entries(table: &DeTable<'_>, file: usize, log: &mut Log) -> Entries {
    convert_table(table, file, 0, log)
}

fn convert_table(table: &DeTable<'_>, file: usize, depth: usize, log: &mut Log) -> Entries {
    let mut entries = Entries::new();
    for (key, value) in table.iter() {
        let key_origin = Origin { file, span: key.span() };
        if let Some(node) = convert(value, file, depth + 1, log) {
            entries.insert(key.get_ref().to_string(), Entry { key: key_origin, node });
        }
    }
    entries
}

fn convert(value: &Spanned<DeValue<'_>>, file: usize, depth: usize, log: &mut Log) -> Option<Node> {
    let origin = Origin { file, span: value.span() };
    if depth > DEEPEST {
        log.push_syntax(&origin, too_deep());
        return None;
    }
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => {
                log.push_syntax(&origin, Finding::error("bad-number", "whole number does not fit in 64 bits"));
                return None;
            }
        },
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(array) => {
            Value::List(array.iter().filter_map(|item| convert(item, file, depth + 1, log)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(table, file, depth, log)),
    };
    Some(Node { origin, value })
}

/// The finding for tables and lists nested too deep.
pub(crate) fn too_deep() -> Finding {
    Finding::error("nested-too-deep", format!("tables and lists are nested more than {DEEPEST} deep"))
}
