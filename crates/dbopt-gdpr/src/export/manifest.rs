//! What a package says of itself, in `manifest.json`.

use serde::{Deserialize, Serialize};

use crate::graph::Node;

/// The version of the manifest's form. It grows when a reader of the one before would go wrong.
pub const MANIFEST_VERSION: u32 = 1;

/// What a package has, what it means, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manifest {
    /// Version of this form.
    pub schema_version: u32,
    /// The article of the General Data Protection Regulation that the package answers: 15 (access) or 20 (portability).
    pub article: u8,
    /// The moment that the package is dated with.
    pub as_of: String,
    /// What such a person is called in the policy.
    pub subject: String,
    /// The files, other than this one, in the order of their names.
    pub files: Vec<File>,
    /// Tables with rows of the person.
    pub tables: Vec<Table>,
    /// What the data is processed for.
    pub purposes: Vec<Purpose>,
    /// What is not in the package, and why.
    pub missing: Vec<Missing>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct File {
    /// Its name in the package.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is, in the words of the policy.
    pub about: Option<String>,
    /// What the database says of it (`COMMENT ON TABLE`).
    pub comment: Option<String>,
    /// Its rows in the package.
    pub rows: u64,
    /// Those that are the person's alone.
    pub owned: u64,
    /// Those that are the person's and others'.
    pub shared: u64,
    /// Those that others wrote about the person.
    pub others: u64,
    /// What it is for: a name in `purposes`.
    pub purpose: Option<String>,
    /// When rows go by themselves, or why they stay.
    pub retention: Option<String>,
    /// Its file of JSON Lines.
    pub json: String,
    /// Its file of CSV.
    pub csv: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in the database.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in the words of the policy.
    pub about: Option<String>,
    /// What the database says of it (`COMMENT ON COLUMN`).
    pub comment: Option<String>,
    /// What it is for, when not for what the table is.
    pub purpose: Option<String>,
    /// Whether the person gave it; nothing where the policy does not say that it has data of persons.
    pub provided: Option<bool>,
    /// Until when it is kept, and why, where the policy says so.
    pub retention: Option<String>,
}

/// What data is processed for (Article 15(1)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Purpose {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// The legal basis, by Article 6(1).
    pub basis: String,
    /// To whom the data is given.
    pub recipients: Vec<String>,
    /// Recipients outside of the union, each with the ground.
    pub transfers: Vec<String>,
    /// How long data is kept for it.
    pub retention: Option<String>,
}

/// Something that is not in the package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Missing {
    /// The table, as `schema.name` with its real names; nothing when it is about the whole package.
    pub table: Option<String>,
    /// The column; nothing when it is about whole rows.
    pub column: Option<String>,
    /// How many rows it is about, when not all.
    pub rows: Option<u64>,
    /// Why it is not there.
    pub why: String,
}

impl Missing {
    pub(super) fn package(why: &str) -> Self {
        Self { table: None, column: None, rows: None, why: why.to_owned() }
    }

    pub(super) fn table(node: &Node, rows: impl Into<Option<usize>>, why: &str) -> Self {
        let rows = rows.into().map(|rows| rows as u64);
        Self { table: Some(label(node)), column: None, rows, why: why.to_owned() }
    }

    pub(super) fn column(node: &Node, column: &str, rows: Option<usize>, why: &str) -> Self {
        let rows = rows.map(|rows| rows as u64);
        Self { table: Some(label(node)), column: Some(column.to_owned()), rows, why: why.to_owned() }
    }

    pub(super) fn is_of(&self, node: &Node) -> bool {
        self.table.as_ref() == Some(&label(node))
    }
}

pub(super) fn label(node: &Node) -> String {
    format!("{}.{}", node.table.schema, node.table.name)
}
