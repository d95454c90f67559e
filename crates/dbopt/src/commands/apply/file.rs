//! The file that `dbopt advise --format json` wrote, as far as it is applied.

use dbopt_finding::{Finding, LineIndex, Place};
use serde::Deserialize;

use crate::{commands::read, failure::Failure, view::SCHEMA_VERSION};

/// The advice.
#[derive(Debug, Deserialize)]
pub(super) struct Advice {
    schema_version: u32,
    pub(super) create: Vec<Create>,
    pub(super) drop: Vec<Drop>,
}

/// An index to create.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
pub(super) struct Drop {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) rollback: String,
}

/// A file with its name and text, to place findings in.
pub(super) struct File {
    name: String,
    text: String,
    pub(super) advice: Advice,
}

impl File {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(file: &str) -> Result<Self, Failure> {
        let (name, text) = read::text(file)?;
        let hint = "give what `dbopt advise --format json` wrote";
        let advice: Advice = serde_json::from_str(&text).map_err(|error| {
            let column = u32::try_from(error.column()).unwrap_or(u32::MAX);
            let place = Place::at(&name, error.line() as u64, column.max(1));
            let finding = Finding::error("advice-format", error.to_string()).at(place);
            Failure::usage(format!("`{name}` cannot be used as advice")).findings(vec![finding]).hint(hint)
        })?;
        if advice.schema_version != SCHEMA_VERSION {
            let version = advice.schema_version;
            return Err(Failure::usage(format!(
                "`{name}` has format {version}, and this dbopt reads {SCHEMA_VERSION}"
            ))
            .hint("ask for the advice again with this version of dbopt"));
        }
        Ok(Self { name, text, advice })
    }

    /// The place of a string of the file.
    pub(super) fn place(&self, string: &str) -> Place {
        let encoded = serde_json::to_string(string).unwrap_or_default();
        match self.text.find(&encoded) {
            Some(offset) => LineIndex::new(&self.text).place(&self.name, offset),
            None => Place::file(&self.name),
        }
    }
}
