//! What must not be erased for now.

use std::collections::BTreeMap;

use dbopt_finding::Finding;
use dbopt_policy::TableSelector;
use dbopt_sql::quote_ident;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tokio_postgres::{Transaction, types::Type};

use crate::{
    graph::{Graph, Identity, NodeId},
    policy::{GdprPolicy, HoldSource, TableName},
    walk::{Error, Key, failed},
};

/// Largest file of holds, in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Rows and fields that are held.
#[derive(Debug, Default)]
pub(crate) struct Holds(BTreeMap<(NodeId, Key), Held>);

/// Why a row, or fields of it, are held. Reasons may name persons and are not kept; the hold is told by its name.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The hold of the whole row.
    pub(super) row: Option<Hold>,
    /// Fields, each with its hold.
    pub(super) fields: BTreeMap<String, Hold>,
}

/// What a hold is called, and the day on which it ends.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) name: String,
    pub(super) until: Option<Date>,
}

/// One hold as it is written down.
pub(crate) struct Written {
    pub(crate) relation: Option<String>,
    row: Option<Key>,
    field: Option<String>,
    until: Option<Date>,
}

impl Holds {
    pub(super) fn get(&self, table: NodeId, key: &Key) -> Option<&Held> {
        if self.0.is_empty() { None } else { self.0.get(&(table, key.clone())) }
    }

    /// Reads all holds that are in force. One that cannot be read is an error: it may be of the person.
    pub(crate) async fn load(
        transaction: &Transaction<'_>,
        graph: &Graph,
        policy: &GdprPolicy,
        as_of: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, Error> {
        let mut holds = Self::default();
        for rule in &policy.holds {
            let written = match &rule.source {
                HoldSource::Table { table, relation, row, field, until, .. } => {
                    let field =
                        field.as_ref().map_or("NULL".to_owned(), |name| format!("h.{}::text", quote_ident(name)));
                    let until = until
                        .as_ref()
                        .map_or("NULL::timestamptz".to_owned(), |name| format!("h.{}::timestamptz", quote_ident(name)));
                    let sql = format!(
                        "SELECT h.{}::text, h.{}::text, {field}, to_char({until} AT TIME ZONE 'UTC', 'YYYY-MM-DD') \
                         FROM {table} AS h WHERE {until} IS NULL OR {until} > $1::text::timestamptz",
                        quote_ident(relation),
                        quote_ident(row)
                    );
                    let now = as_of.to_string();
                    let rows = transaction.query_typed(&sql, &[(&now, Type::TEXT)]).await;
                    let rows = rows.map_err(|error| failed(format!("the holds in `{table}`"), &error))?;
                    rows.iter()
                        .map(|row| Written {
                            relation: row.get(0),
                            row: row.get::<_, Option<&str>>(1).map(key),
                            field: row.get(2),
                            // A day beyond all calendars, such as `infinity`, is none.
                            until: row.get::<_, Option<&str>>(3).and_then(|day| day.parse().ok()),
                        })
                        .collect()
                }
                HoldSource::File(path) => match file(path, as_of) {
                    Ok(written) => written,
                    Err(why) => {
                        let message = format!("the file of hold `{}` {why}", rule.name);
                        findings.push(Finding::error("unreadable-hold", message));
                        continue;
                    }
                },
            };
            let bad = written.into_iter().filter_map(|written| holds.put(graph, written, &rule.name)).count();
            if bad > 0 {
                let message = format!("hold `{}` has {bad} entries that name no row of a table with a key", rule.name);
                let help = "Each has a table as `schema.table` and the full key of a row.";
                findings.push(Finding::error("unreadable-hold", message).help(help));
            }
        }
        Ok(holds)
    }

    /// Puts one hold; gives it back when it names no row.
    fn put(&mut self, graph: &Graph, written: Written, name: &str) -> Option<Written> {
        let table = written.relation.as_deref().and_then(|text| table(graph, text));
        let width = |id: NodeId| match &graph.node(id).identity {
            Identity::Key(columns) => Some(columns.len()),
            Identity::Place => None,
        };
        let (Some(table), Some(key)) = (table, written.row.clone()) else { return Some(written) };
        if width(table) != Some(key.len())
            || written.field.as_ref().is_some_and(|field| graph.node(table).column(field).is_none())
        {
            return Some(written);
        }
        let held = self.0.entry((table, key)).or_default();
        let hold = Hold { name: name.to_owned(), until: written.until };
        match written.field {
            Some(field) => {
                held.fields.insert(field, hold);
            }
            None => held.row = Some(hold),
        }
        None
    }
}

/// The table that a hold names.
pub(crate) fn table(graph: &Graph, text: &str) -> Option<NodeId> {
    let selector = TableSelector::parse(text).ok()?;
    let (schema, name) = selector.exact()?;
    graph.find(&TableName::new(schema, name))
}

/// A key as one text, or as a JSON array of texts.
fn key(text: &str) -> Key {
    let texts = serde_json::from_str::<Vec<String>>(text).unwrap_or_else(|_| vec![text.to_owned()]);
    texts.into_iter().map(Box::from).collect()
}

/// The holds of a file, or what is wrong with it.
pub(crate) fn file(path: &std::path::Path, as_of: Timestamp) -> Result<Vec<Written>, String> {
    use std::io::Read;
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("is larger than {} MB", MOST_BYTES / 1024 / 1024));
    }
    let mut written = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |what: &str| format!("{what} in line {}", at + 1);
        let value: serde_json::Value = serde_json::from_str(line).map_err(|_| bad("has no JSON"))?;
        let text = |name: &str| match value.get(name) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(bad(&format!("has no text as `{name}`"))),
        };
        let mut last = None;
        if let Some(until) = text("until")? {
            let until = until.parse::<Timestamp>().or_else(|_| {
                until.parse::<Date>().and_then(|day| day.tomorrow()?.to_zoned(TimeZone::UTC)).map(|day| day.timestamp())
            });
            let until = until.map_err(|_| bad("has no time as `until`"))?;
            if until <= as_of {
                continue;
            }
            last = Some(until.to_zoned(TimeZone::UTC).date());
        }
        let row = value.get("row").and_then(serde_json::Value::as_array);
        let row = row.and_then(|row| row.iter().map(|part| part.as_str().map(Box::from)).collect::<Option<Key>>());
        written.push(Written { relation: text("table")?, row, field: text("field")?, until: last });
    }
    Ok(written)
}
