//! The file that `dbopt advise --format json` wrote, as far as it is applied.
//!
//! It is read value by value, so that all of its faults are told at once, each at its place.

use std::collections::BTreeMap;
use std::ops::Range;

use dbopt_finding::{Finding, LineIndex, Place};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{commands::read, failure::Failure, view::SCHEMA_VERSION};

/// The largest size in bytes and time in seconds that a file may predict, which no index reaches.
const MOST: f64 = 1e15;

/// The advice.
#[derive(Debug)]
pub(super) struct Advice {
    pub(super) create: Vec<Entry<Create>>,
    pub(super) drop: Vec<Entry<Drop>>,
}

/// An entry, and the bytes of the file that it takes.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) value: T,
    bytes: Range<usize>,
}

/// An index to create.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) keys: Vec<String>,
    pub(super) include: Vec<String>,
    pub(super) predicate: Option<String>,
    pub(super) method: String,
    pub(super) sql: Vec<String>,
    pub(super) rollback: Vec<String>,
    pub(super) bytes: f64,
    pub(super) build_seconds: Option<f64>,
    pub(super) replaces: Vec<String>,
}

/// An index to drop.
#[derive(Debug)]
pub(super) struct Drop {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) rollback: String,
    /// Why, by its code; that something else does what it does is looked at again.
    pub(super) reason: Option<String>,
}

/// A file with its name and text, to place findings in.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    text: String,
    pub(super) advice: Advice,
}

impl File {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(file: &str) -> Result<Self, Failure> {
        let (name, text) = read::text(file)?;
        match advice(&name, &text) {
            Ok(advice) => Ok(Self { advice, name, text }),
            Err(Refused::Version(version)) => {
                Err(Failure::usage(format!("`{name}` has format {version}, and this dbopt reads {SCHEMA_VERSION}"))
                    .hint("ask for the advice again with this version of dbopt"))
            }
            Err(Refused::Faults(findings)) => Err(Failure::usage(format!("`{name}` cannot be used as advice"))
                .findings(findings)
                .hint("give what `dbopt advise --format json` wrote")),
        }
    }

    /// The place of a string of an entry.
    pub(super) fn place<T>(&self, entry: &Entry<T>, string: &str) -> Place {
        let encoded = serde_json::to_string(string).unwrap_or_default();
        let found = self.text.get(entry.bytes.clone()).and_then(|text| text.find(&encoded)).unwrap_or(0);
        place(&LineIndex::new(&self.text), &self.name, entry.bytes.start + found)
    }
}

/// Why a text is no advice.
#[derive(Debug)]
enum Refused {
    Version(u32),
    Faults(Vec<Finding>),
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn advice(name: &str, text: &str) -> Result<Advice, Refused> {
    let mut reader = Reader { name, text, lines: LineIndex::new(text), findings: Vec::new() };
    let whole: Option<&RawValue> = reader.parse(text);
    let advice = whole.and_then(|whole| {
        let fields = reader.fields(whole)?;
        let version = reader.required::<u32>(whole, &fields, "schema_version");
        if let Some(version) = version.filter(|version| *version != SCHEMA_VERSION) {
            return Some(Err(Refused::Version(version)));
        }
        let create = reader.entries(whole, &fields, "create", Reader::create);
        let drop = reader.entries(whole, &fields, "drop", Reader::drop);
        Some(Ok(Advice { create: create?, drop: drop? }))
    });
    match advice {
        Some(Err(refused)) => Err(refused),
        Some(Ok(advice)) if reader.findings.is_empty() => Ok(advice),
        _ => Err(Refused::Faults(reader.findings)),
    }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    lines: LineIndex<'a>,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    fn create(&mut self, entry: &'a RawValue, fields: &Fields<'a>) -> Option<Create> {
        // All fields are read before any of them is missed.
        let (schema, table, name) = self.names(entry, fields);
        let keys = self.required(entry, fields, "keys");
        let include = self.required(entry, fields, "include");
        let predicate = self.optional(fields, "predicate");
        let method = self.required(entry, fields, "method");
        let sql = self.required(entry, fields, "sql");
        let rollback = self.required(entry, fields, "rollback");
        let bytes = self.required(entry, fields, "bytes");
        let build_seconds = self.optional(fields, "build_seconds");
        for (key, value) in [("bytes", bytes), ("build_seconds", build_seconds)] {
            if let (Some(raw), Some(_)) = (fields.get(key), value.filter(|value| !(0.0..=MOST).contains(value))) {
                self.fault(self.offset(raw.get()), format!("`{key}` is not from 0 to {MOST:e}"));
            }
        }
        let replaces = self.required(entry, fields, "replaces");
        Some(Create {
            schema: schema?,
            table: table?,
            name: name?,
            keys: keys?,
            include: include?,
            predicate,
            method: method?,
            sql: sql?,
            rollback: rollback?,
            bytes: bytes?,
            build_seconds,
            replaces: replaces?,
        })
    }

    fn drop(&mut self, entry: &'a RawValue, fields: &Fields<'a>) -> Option<Drop> {
        let (schema, table, name) = self.names(entry, fields);
        let sql = self.required(entry, fields, "sql");
        let rollback = self.required(entry, fields, "rollback");
        let reason = self.optional(fields, "reason");
        Some(Drop { schema: schema?, table: table?, name: name?, sql: sql?, rollback: rollback?, reason })
    }

    fn names(&mut self, entry: &'a RawValue, fields: &Fields<'a>) -> (Option<String>, Option<String>, Option<String>) {
        (
            self.required(entry, fields, "schema"),
            self.required(entry, fields, "table"),
            self.required(entry, fields, "name"),
        )
    }

    /// A list of objects; none of those that have faults.
    fn entries<T>(
        &mut self,
        parent: &'a RawValue,
        fields: &Fields<'a>,
        key: &str,
        read: fn(&mut Self, &'a RawValue, &Fields<'a>) -> Option<T>,
    ) -> Option<Vec<Entry<T>>> {
        let list: Vec<&'a RawValue> = self.required(parent, fields, key)?;
        let mut entries = Vec::new();
        for raw in list {
            let start = self.offset(raw.get());
            if let Some(value) = self.fields(raw).and_then(|fields| read(self, raw, &fields)) {
                entries.push(Entry { value, bytes: start..start + raw.get().len() });
            }
        }
        Some(entries)
    }

    fn fields(&mut self, raw: &'a RawValue) -> Option<Fields<'a>> {
        self.parse(raw.get())
    }

    fn required<T: Deserialize<'a>>(&mut self, parent: &RawValue, fields: &Fields<'a>, key: &str) -> Option<T> {
        match fields.get(key) {
            Some(raw) => self.parse(raw.get()),
            None => {
                self.fault(self.offset(parent.get()), format!("missing field `{key}`"));
                None
            }
        }
    }

    /// A field that may be absent or null.
    fn optional<T: Deserialize<'a>>(&mut self, fields: &Fields<'a>, key: &str) -> Option<T> {
        fields.get(key).and_then(|raw| self.parse::<Option<T>>(raw.get())).flatten()
    }

    /// Reads a part of the text.
    fn parse<T: Deserialize<'a>>(&mut self, part: &'a str) -> Option<T> {
        match serde_json::from_str(part) {
            Ok(value) => Some(value),
            Err(error) => {
                let before: usize = part.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
                // Of a value that is no list or object the error is at its end.
                let is_plain = !part.trim_start().starts_with(['[', '{']);
                let offset = if is_plain { 0 } else { before + error.column().saturating_sub(1) };
                let text = error.to_string();
                // The place is told apart.
                let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
                self.fault(self.offset(part) + offset.min(part.len()), message);
                None
            }
        }
    }

    /// Where a part of the text begins: a raw value is a slice of what it was read from.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    fn fault(&mut self, offset: usize, message: String) {
        let place = place(&self.lines, self.name, offset);
        self.findings.push(Finding::error("advice-format", message).at(place));
    }
}

/// A place with its line, unless that is long: a file of one line would be shown whole.
fn place(lines: &LineIndex<'_>, name: &str, offset: usize) -> Place {
    let place = lines.place(name, offset);
    Place { snippet: place.snippet.filter(|line| line.len() <= 400), ..place }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        match advice("a.json", text) {
            Err(Refused::Faults(findings)) => findings.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn faults_are_located_and_all_told() {
        assert_eq!(shown("{\n  \"a\": ]"), ["a.json:2:8: expected value"]);
        assert_eq!(shown("[]"), ["a.json:1:1: invalid type: sequence, expected a map"]);
        let text = "{\"schema_version\": \"1\",\n\"create\": [{\"schema\": 1, \"table\": \"t\", \"name\": \"i\",\n\
                    \"keys\": [\"a\", 2], \"include\": [], \"method\": \"btree\", \"sql\": [], \"bytes\": null, \"build_seconds\": -5},\n7]}";
        assert_eq!(
            shown(text),
            [
                "a.json:1:20: invalid type: string \"1\", expected u32",
                "a.json:2:23: invalid type: integer `1`, expected a string",
                "a.json:3:15: invalid type: integer `2`, expected a string",
                "a.json:2:12: missing field `rollback`",
                "a.json:3:73: invalid type: null, expected f64",
                "a.json:3:96: `build_seconds` is not from 0 to 1e15",
                "a.json:2:12: missing field `replaces`",
                "a.json:4:1: invalid type: integer `7`, expected a map",
                "a.json:1:1: missing field `drop`",
            ]
        );
    }

    #[test]
    fn strings_are_found_in_their_own_entry() {
        let drop = |name: &str| {
            format!(r#"{{"schema": "public", "table": "t", "name": "{name}", "sql": "DROP", "rollback": "CREATE"}}"#)
        };
        let text = format!(
            "{{\"schema_version\": {SCHEMA_VERSION}, \"create\": [], \"drop\": [\n{},\n{}]}}",
            drop("i"),
            drop("j")
        );
        let advice = advice("a.json", &text).expect("it is advice");
        let file = File { name: "a.json".to_owned(), text, advice };
        let line = |at: usize, string: &str| file.place(&file.advice.drop[at], string).position.map(|place| place.line);
        assert_eq!((line(0, "DROP"), line(1, "DROP"), line(1, "nothing")), (Some(2), Some(3), Some(3)));
    }
}
