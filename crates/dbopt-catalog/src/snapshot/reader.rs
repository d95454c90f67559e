//! Reading a snapshot file, and saying what is wrong with one that cannot be read.

use dbopt_finding::{Finding, LineIndex, Place};
use serde::Deserialize;
use serde_json::error::Category;

use super::{FORMAT, VERSION, decode, wire};
use crate::Catalog;

/// Reads a snapshot; `name` is the file's name for findings. Keys that this version does not know are ignored.
///
/// # Errors
/// Findings, when the text is not a snapshot, is one of a newer version, or is damaged.
pub fn read(name: &str, text: &str) -> Result<Catalog, Vec<Finding>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(finding) = not_readable(name, text) {
        return Err(vec![finding]);
    }
    let document = serde_json::from_str::<wire::Document>(text);
    let document = document.map_err(|error| vec![damaged(name, text, &error)])?;
    let catalog = decode::catalog(document);
    let twice: Vec<Finding> = catalog
        .tables
        .windows(2)
        .filter(|pair| (&pair[0].schema, &pair[0].name) == (&pair[1].schema, &pair[1].name))
        .map(|pair| {
            let message = format!("table `{}.{}` is described twice", pair[0].schema, pair[0].name);
            Finding::error("snapshot-damaged", message).at(Place::file(name))
        })
        .collect();
    if twice.is_empty() { Ok(catalog) } else { Err(twice) }
}

/// The two keys that say whether the rest can be read at all.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: serde_json::Value,
    #[serde(default)]
    version: serde_json::Value,
}

/// Why a text is no snapshot that can be read here, as far as its beginning and its first keys tell.
fn not_readable(name: &str, text: &str) -> Option<Finding> {
    let not_one = |message: String| Finding::error("snapshot-not-one", message).at(Place::file(name));
    let make_one = "Make a snapshot with `dbopt snapshot -d DB -o FILE`.";
    if text.trim().is_empty() {
        return Some(not_one("the file is empty".to_owned()).help(make_one));
    }
    if !text.trim_start().starts_with('{') {
        let finding = not_one("this is not a snapshot, which is a JSON object".to_owned());
        return Some(if looks_like_sql(text) {
            finding.help("This looks like SQL; a file of DDL is given with --ddl.")
        } else if text.starts_with("\u{1f}") || text.contains("\u{fffd}") {
            finding.help("It looks packed: unpack it first, as by `gzip -d`.")
        } else if text.starts_with("PGDMP") {
            finding.help("This is a pg_dump archive; give the output of `pg_dump --schema-only` with --ddl.")
        } else {
            finding.help(make_one)
        });
    }
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(error) => return Some(damaged(name, text, &error)),
    };
    if head.format.as_str() != Some(FORMAT) {
        let message = format!("this JSON file is not a snapshot: it has no key `format` that says `{FORMAT}`");
        return Some(not_one(message).help(make_one));
    }
    match head.version.as_u64() {
        Some(version) if version > u64::from(VERSION) => {
            let message =
                format!("the snapshot has version {version} of the format, newer than {VERSION}, which is read here");
            let finding = Finding::error("snapshot-too-new", message).at(Place::file(name));
            Some(finding.help("Update dbopt, or make the snapshot with this version of it."))
        }
        Some(1..) => None,
        _ => Some(not_one("the key `version` is not a number from 1 upwards".to_owned()).help(make_one)),
    }
}

/// Whether the first words of a text are those of an SQL file.
fn looks_like_sql(text: &str) -> bool {
    const WORDS: [&str; 8] = ["--", "/*", "CREATE", "ALTER", "SET", "BEGIN", "DROP", "\\"];
    let start = text.trim_start();
    WORDS.iter().any(|word| start.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word)))
}

/// What serde_json says, at its place. The message never quotes a value: it may be one of a row.
fn damaged(name: &str, text: &str, error: &serde_json::Error) -> Finding {
    let lines = LineIndex::new(text);
    // serde_json counts bytes from 1 within the line, and says 0 for a place before its first byte.
    let start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let position = lines.position(start + error.column().saturating_sub(1));
    let place = Place { position: Some(position), ..Place::file(name) };
    let finding = match error.classify() {
        Category::Eof => Finding::error("snapshot-damaged", "the snapshot ends in the middle; the file is truncated"),
        Category::Syntax | Category::Io => {
            Finding::error("snapshot-damaged", format!("the snapshot is not JSON here: {}", reason(error)))
        }
        Category::Data => {
            Finding::error("snapshot-damaged", format!("the snapshot does not fit its format here: {}", reason(error)))
        }
    };
    finding.at(place).help("Make the snapshot again with `dbopt snapshot -d DB -o FILE`.")
}

/// The error's text without the place, which the finding has, and without a value that it quotes.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(&*text, |at| &text[..at]);
    // serde writes `invalid type: string "secret", expected u64`.
    match (text.find('"'), text.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}…{}", &text[..from], &text[to + 1..]),
        _ => text.to_owned(),
    }
}

/// Fuzz body: any text gives a catalogue or findings, and what was read is written so that it reads the same.
#[doc(hidden)]
pub fn fuzz_snapshot(text: &str) {
    match read("fuzz", text) {
        Ok(catalog) => {
            let mut bytes = Vec::new();
            super::write(&catalog, &mut bytes).expect("a vector takes all bytes");
            let again = read("fuzz", std::str::from_utf8(&bytes).expect("JSON is UTF-8"));
            assert_eq!(again.as_ref(), Ok(&catalog));
        }
        Err(findings) => assert!(!findings.is_empty()),
    }
}
