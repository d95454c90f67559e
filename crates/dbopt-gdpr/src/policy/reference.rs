//! References between tables: what they mean, and those that no foreign key declares.

use std::fmt;

use dbopt_policy::{Fault, Table};
use dbopt_sql::quote_ident;

use super::{
    name::{TableName, columns},
    table::Class,
};

/// What the policy says of a reference. One with the columns of a foreign key is that foreign key; any other is made by this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceRule {
    /// The table that refers.
    pub from: TableName,
    /// The table that is referred to.
    pub to: TableName,
    /// The columns of [`Self::to`] that are referred to, in the order of those that refer. When empty, those that a foreign key
    /// over the same columns refers to, or else its primary key.
    pub key: Vec<String>,
    /// How.
    pub kind: ReferenceKind,
    /// Whose a row is that refers to a row of a person.
    pub class: Class,
    /// Whether the row that is referred to is the person's as well, when the row that refers is. As a rule it is not.
    pub parents: bool,
    /// What becomes of rows that are not the person's alone.
    pub erase: ReferenceErase,
}

/// How a table refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceKind {
    /// By columns, as a foreign key would.
    Columns(Vec<String>),
    /// By a pair of columns, of which one says to which table.
    Polymorphic {
        /// The columns with the key.
        columns: Vec<String>,
        /// The column that says to which table.
        type_column: String,
        /// What it says for this one.
        type_value: String,
    },
    /// By a value within a column of JSON.
    Json {
        /// The column.
        column: String,
        /// Keys that lead to the value; `*` is each item of an array.
        path: Vec<String>,
    },
    /// By the items of an array.
    Array(String),
    /// By a value that identifies a person.
    Identifier {
        /// The column.
        column: String,
        /// The identifier, by its name.
        name: String,
        /// Whether it is a hash of the value, in hexadecimal: `md5` or `sha256`.
        hash: Option<Hash>,
    },
}

/// A hash of a value in place of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// MD5, in hexadecimal.
    Md5,
    /// SHA-256, in hexadecimal.
    Sha256,
}

/// What becomes of rows that refer to a person and are not the person's alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceErase {
    /// What becomes of owned rows: the table's rule.
    AsTable,
    /// They are deleted.
    Delete,
    /// They stay, and the table's columns with data of persons are changed.
    Mask,
    /// They stay, and refer to nobody, or to somebody else.
    Detach(Detach),
    /// They stay as they are.
    Keep,
    /// They stand in the way: nothing is erased.
    Refuse,
}

/// What a reference becomes when its row stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detach {
    /// NULL in all its columns.
    Null,
    /// These values, such as the key of an account for all who are gone.
    Values(Vec<String>),
}

impl ReferenceErase {
    /// Its name in a policy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AsTable => "table",
            Self::Delete => "delete",
            Self::Mask => "mask",
            Self::Detach(_) => "detach",
            Self::Keep => "keep",
            Self::Refuse => "refuse",
        }
    }
}

impl ReferenceRule {
    /// The columns that hold the reference.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match &self.kind {
            ReferenceKind::Columns(columns) | ReferenceKind::Polymorphic { columns, .. } => columns,
            ReferenceKind::Json { column, .. }
            | ReferenceKind::Array(column)
            | ReferenceKind::Identifier { column, .. } => std::slice::from_ref(column),
        }
    }

    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        (&self.from, &self.to, &self.key, &self.kind) == (&other.from, &other.to, &other.key, &other.kind)
    }

    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let from = table.required("from", "The table that refers.");
        let to = table.required("to", "The table that is referred to.");
        let class = table.required_choice("class", "Whose a row is that refers to a row of a person.", Class::NAMES);
        let key: Vec<String> = table.or(
            "key",
            "The columns that are referred to; those of the foreign key, or the primary key, when not given.",
            Vec::new(),
        );
        let parents = table.or(
            "parents",
            "Whether the row that is referred to is the person's as well, when the row that refers is.",
            false,
        );
        let kind = kind(table);
        let erase = erase(table, class);
        let rule = Self { from: from?, to: to?, key, kind: kind?, class: class?, parents, erase: erase? };
        columns(table, "columns", rule.columns().iter().chain(&rule.key));
        rule.review(table);
        Some(rule)
    }

    fn review(&self, table: &Table<'_>) {
        let count = match &self.kind {
            ReferenceKind::Columns(columns) | ReferenceKind::Polymorphic { columns, .. } => columns.len(),
            _ => 1,
        };
        if count == 0 {
            table.reject("columns", Fault::new("bad-reference", "a reference has no column"));
        }
        if !self.key.is_empty() && self.key.len() != count {
            let message = format!("{count} columns refer to {}", self.key.len());
            table.reject("key", Fault::new("bad-reference", message).help("Name as many, in the same order."));
        }
        if self.parents && !matches!(self.kind, ReferenceKind::Columns(_)) {
            let fault = Fault::new("bad-value", "`parents` is for references by columns only");
            table.reject("parents", fault.help("Take it out."));
        }
        let not_by_columns = !matches!(self.kind, ReferenceKind::Columns(_) | ReferenceKind::Polymorphic { .. });
        match &self.erase {
            ReferenceErase::Detach(Detach::Values(values)) if values.len() != count => {
                let message = format!("{count} columns cannot become {} values", values.len());
                table.reject("become", Fault::new("bad-reference", message).help("Give one for each column."));
            }
            ReferenceErase::Detach(_) if not_by_columns => {
                let fault = Fault::new("bad-value", "a reference by a value inside of a column cannot be detached");
                table.reject("erase", fault.help("Write `mask`, and what becomes of the column in its table."));
            }
            _ => {}
        }
    }
}

/// The reference as it is told.
impl fmt::Display for ReferenceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.columns().iter().map(|name| quote_ident(name)).collect();
        write!(f, "{} ({}) → {}", self.from, names.join(", "), self.to)
    }
}

fn kind(table: &Table<'_>) -> Option<ReferenceKind> {
    let names: Option<Vec<String>> = table.optional("columns", "The columns that refer, as those of a foreign key.");
    let types = table.optional_section("type", "The column that says to which table, and what it says.", |pair| {
        let column: Option<String> = pair.required("column", "The column that says to which table.");
        let value: Option<String> = pair.required("value", "What it says for this one, such as `Post`.");
        Some((column?, value?))
    });
    let json = table.optional_section("json", "A column of JSON, and where in it the value is.", |place| {
        let column: Option<String> = place.required("column", "The column.");
        let path: Option<Vec<String>> =
            place.required("path", "Keys that lead to the value; `*` is each item of an array.");
        Some((column?, path?))
    });
    let array: Option<String> = table.optional("array", "A column with an array of keys.");
    let identifier = table.optional_section("identifier", "A column with values that identify a person.", |value| {
        let column: Option<String> = value.required("column", "The column.");
        let name: Option<String> = value.required("name", "The identifier, by its name.");
        let hash = value.choice(
            "hash",
            "The hash that the column has in place of the value, in hexadecimal.",
            &[("md5", Hash::Md5), ("sha256", Hash::Sha256)],
        );
        Some((column?, name?, hash))
    });
    let given: Vec<&str> =
        ["columns", "json", "array", "identifier"].into_iter().filter(|key| table.contains(key)).collect();
    if given.len() != 1 {
        let fault = Fault::new("bad-reference", "it is not said by what one thing the reference is");
        let key = given.get(1).unwrap_or(&"from");
        table.reject(key, fault.help("Write one of `columns`, `json`, `array` and `identifier`."));
        return None;
    }
    if table.contains("type") && names.is_none() {
        let fault = Fault::new("bad-reference", "`type` is for references by columns");
        table.reject("type", fault.help("Write the column with the key as `columns`."));
        return None;
    }
    if table.contains("type") && types.is_none() {
        return None;
    }
    Some(match (names, types, json, array, identifier) {
        (Some(columns), None, ..) => ReferenceKind::Columns(columns),
        (Some(columns), Some((type_column, type_value)), ..) => {
            ReferenceKind::Polymorphic { columns, type_column, type_value }
        }
        (_, _, Some((column, path)), ..) => {
            if path.is_empty() {
                table.reject("json", Fault::new("bad-reference", "`path` leads nowhere").help("Write its keys."));
                return None;
            }
            ReferenceKind::Json { column, path }
        }
        (_, _, _, Some(column), _) => ReferenceKind::Array(column),
        (_, _, _, _, Some((column, name, hash))) => ReferenceKind::Identifier { column, name, hash },
        _ => return None,
    })
}

fn erase(table: &Table<'_>, class: Option<Class>) -> Option<ReferenceErase> {
    let values: Option<Vec<String>> =
        table.optional("become", "What the columns become, such as the key of an account for all who are gone.");
    let detach = || ReferenceErase::Detach(values.clone().map_or(Detach::Null, Detach::Values));
    let chosen = table.choice(
        "erase",
        "What becomes of rows that refer to the person and are not the person's alone.",
        &[
            ("delete", ReferenceErase::Delete),
            ("mask", ReferenceErase::Mask),
            ("detach", detach()),
            ("keep", ReferenceErase::Keep),
            ("refuse", ReferenceErase::Refuse),
        ],
    );
    if values.is_some() && !matches!(chosen, Some(ReferenceErase::Detach(_))) {
        let fault = Fault::new("bad-value", "`become` is for `erase = \"detach\"` only");
        table.reject("become", fault.help("Write `erase = \"detach\"`, or take it out."));
    }
    let class = class?;
    match (class, &chosen) {
        (Class::Owned, Some(_)) => {
            let fault = Fault::new("bad-value", "what becomes of owned rows is said by their table");
            table.reject("erase", fault.help("Take it out, or write another `class`."));
            None
        }
        (Class::Owned, None) => Some(ReferenceErase::AsTable),
        (Class::Shared | Class::About, None) => {
            if !table.contains("erase") {
                let message = "it is not said what becomes of rows that are not the person's alone";
                let fault = Fault::new("missing-key", message);
                table.reject("class", fault.help("Write `erase`: `detach`, `mask`, `delete`, `keep` or `refuse`."));
            }
            None
        }
        (Class::Foreign | Class::Lookup, Some(ReferenceErase::Delete | ReferenceErase::Mask)) => {
            let fault = Fault::new("bad-value", "rows of others are not erased");
            table.reject("erase", fault.help("Write `detach`, `keep` or `refuse`, or another `class`."));
            None
        }
        (Class::Foreign | Class::Lookup, None) => Some(ReferenceErase::Refuse),
        (_, Some(_)) => chosen,
    }
}
