//! Columns that are encrypted, and blind indexes beside them.

use std::collections::BTreeSet;

use dbopt_policy::{Fault, FromValue, Shape, Table, TableSelector, Value};

use super::KeyRule;
use crate::{BlindIndex, Cell, Form, KeyId, KeyKind};

/// A column whose values are sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRule {
    /// Schema of the table.
    pub schema: String,
    /// Name of the table.
    pub table: String,
    /// The column of the sealed values, of type `bytea`.
    pub column: String,
    /// The column that holds the values in plain until they are sealed, and is emptied then. Without one, plain values are in
    /// the column itself, as bytes.
    pub plain: Option<String>,
    /// Which keys seal.
    pub purpose: KeyId,
    /// The columns whose values a sealed value is bound to, in their order: the primary key.
    pub row: Vec<String>,
    /// The column that says whose a row's values are, by its text. They are sealed by a key of that person then, which the keys of the
    /// purpose wrap.
    pub subject: Option<String>,
    /// About how many different values there are.
    pub distinct: Option<u64>,
    /// Blind indexes over the values.
    pub indexes: Vec<IndexRule>,
}

/// A column of terms that sealed values are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRule {
    /// The column of the terms, of type `bytea`.
    pub column: String,
    /// Which keys make the terms.
    pub purpose: KeyId,
    /// How terms are made.
    pub written: IndexVersion,
    /// How terms were made that may still be there, and are looked for, too.
    pub previous: Vec<IndexVersion>,
}

/// One way to make terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexVersion {
    /// The first byte of each term, and the generation of the key.
    pub version: u8,
    /// What of the values is compared.
    pub form: Form,
    /// Bits of a term.
    pub bits: u16,
}

impl IndexRule {
    /// All ways in which terms are looked for, the one that is written first.
    pub fn versions(&self) -> impl Iterator<Item = IndexVersion> + '_ {
        std::iter::once(self.written).chain(self.previous.iter().copied())
    }
}

impl ColumnRule {
    /// The table's name as it is bound to values: quoted where PostgreSQL asks for it, such as `public.customer`.
    #[must_use]
    pub fn table_name(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// The column's name in messages, such as `public.customer.email`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.table_name(), quoted(&self.column))
    }

    /// The cell of a row, for the table's name of [`ColumnRule::table_name`] and the text of the row's key.
    #[must_use]
    pub fn cell<'a>(&'a self, table_name: &'a str, row: &'a [&'a str]) -> Cell<'a> {
        Cell::new(table_name, &self.column, row)
    }

    pub(super) fn read(table: &Table<'_>, keys: &[KeyRule]) -> Option<Self> {
        let selector: Option<TableSelector> = table.required("table", "The table, by its full name.");
        let column: Option<Name> = table.required("column", "The column of the sealed values, of type `bytea`.");
        let plain: Option<Name> = table
            .optional("plain", "The column that has the values in plain until they are sealed, and is emptied then.");
        let purpose = purpose(table, keys, |kind| matches!(kind, KeyKind::Encrypt(_)), "encrypt");
        let row: Option<Vec<Name>> =
            table.required("row", "The columns of the primary key, which a sealed value is bound to.");
        let subject: Option<Name> = table.optional(
            "subject",
            "The column that says whose the values are, such as the customer's number. Each person has a key of their own then.",
        );
        let distinct: Option<u64> = table.optional("distinct", "About how many different values there are.");
        let indexes = table.sections("index", "A column of terms that sealed values are found by.", |index| {
            IndexRule::read(index, keys, distinct)
        });
        let (selector, column, row) = (selector?, column?.0, row?);
        let Some((schema, name)) = selector.exact() else {
            let fault = Fault::new("bad-table", format!("`{selector}` is not one table"));
            table.reject("table", fault.help("Name it: values are bound to their table."));
            return None;
        };
        let rule = Self {
            schema: schema.to_owned(),
            table: name.to_owned(),
            plain: plain.map(|plain| plain.0),
            purpose: purpose?,
            row: row.into_iter().map(|name| name.0).collect(),
            column,
            subject: subject.map(|subject| subject.0),
            distinct,
            indexes,
        };
        if rule.row.is_empty() {
            let fault = Fault::new("bad-value", "values are bound to no row, and could be exchanged");
            table.reject("row", fault.help("Name the columns of the primary key."));
        }
        if !rule.indexes.is_empty() && !table.contains("distinct") {
            let fault = Fault::new("unknown-cardinality", "it is not said how many values the index tells apart");
            table.warn("index", fault.help("Write `distinct`: of few values, an index gives all away."));
        }
        rule.collisions(table);
        Some(rule)
    }

    /// Refuses a column that would have two meanings.
    fn collisions(&self, table: &Table<'_>) {
        let mut seen: Vec<(&str, &'static str)> = vec![(&self.column, "column")];
        let others = self.row.iter().map(|name| (name.as_str(), "row"));
        if let Some(subject) = &self.subject {
            let mut written = [&self.column].into_iter().chain(&self.plain);
            if written.any(|name| name == subject) || self.indexes.iter().any(|index| index.column == *subject) {
                let message = format!("`{subject}` of `{}` has two meanings", self.table_name());
                let help = "Name the column of a number or a name that stays as it is, such as `customer_id`.";
                table.reject("subject", Fault::new("doubled-column", message).help(help));
            }
        }
        let others = others.chain(self.plain.iter().map(|name| (name.as_str(), "plain")));
        for (name, key) in others.chain(self.indexes.iter().map(|index| (index.column.as_str(), "index"))) {
            if seen.iter().any(|(other, _)| *other == name) {
                let fault =
                    Fault::new("doubled-column", format!("`{name}` of `{}` has two meanings", self.table_name()));
                table.reject(
                    key,
                    fault.help("Sealed values, plain values, terms and the row's key each have columns of their own."),
                );
            }
            seen.push((name, key));
        }
    }
}

impl IndexRule {
    fn read(table: &Table<'_>, keys: &[KeyRule], distinct: Option<u64>) -> Option<Self> {
        let column: Option<Name> = table.required("column", "The column of the terms, of type `bytea`.");
        let purpose = purpose(table, keys, |kind| kind == KeyKind::Index, "make terms");
        let written = IndexVersion::read(table, distinct);
        let previous = table.sections(
            "previous",
            "How terms were made that may still be there, and are looked for, too.",
            |previous| IndexVersion::read(previous, None),
        );
        let rule = Self { column: column?.0, purpose: purpose?, written: written?, previous };
        let versions: Vec<_> = rule.versions().map(|version| version.version).collect();
        for (at, version) in versions.iter().enumerate().skip(1) {
            if versions[..at].contains(version) || *version > rule.written.version {
                let fault = Fault::new(
                    "bad-value",
                    format!("version {version} is not older than the one that is written, or there twice"),
                );
                table.reject(
                    "previous",
                    fault.help("A new version has the next number, and the next key of its purpose."),
                );
            }
        }
        Some(rule)
    }
}

impl IndexVersion {
    fn read(table: &Table<'_>, distinct: Option<u64>) -> Option<Self> {
        let version: Option<u8> =
            table.required("version", "The generation of the key, and the first byte of each term; 1 is the first.");
        let kind = table.required_choice(
            "form",
            "What of the values is compared: all, all but case and spaces, digits alone, or the beginning.",
            &[("exact", Form::Exact), ("folded", Form::Folded), ("digits", Form::Digits), ("prefix", Form::Prefix(0))],
        );
        let length: Option<u8> = table.optional("length", "Characters of a prefix.");
        let bits: Option<u16> = table.required("bits", "Bits of a term; values share terms when there are fewer.");
        let form = match (kind?, length) {
            (Form::Prefix(_), None) => {
                if !table.contains("length") {
                    let fault = Fault::new("missing-key", "`length` is missing, which a prefix needs");
                    table.reject("form", fault.help("Write the number of characters, such as `length = 4`."));
                }
                return None;
            }
            (Form::Prefix(_), Some(0)) => {
                table.reject("length", Fault::new("out-of-range", "a prefix has at least one character"));
                return None;
            }
            (Form::Prefix(_), Some(length)) => Form::Prefix(length),
            (form, None) => form,
            (_, Some(_)) => {
                table.reject("length", Fault::new("bad-value", "`length` is for a prefix only"));
                return None;
            }
        };
        let read = Self { version: version?, form, bits: bits? };
        if read.version == 0 {
            let fault = Fault::new("out-of-range", "`version` cannot be 0");
            table.reject("version", fault.help("The first key of a purpose is version 1."));
        }
        if !(1..=BlindIndex::MOST_BITS).contains(&read.bits) {
            let fault = Fault::new("out-of-range", format!("`bits` cannot be {}", read.bits));
            table.reject("bits", fault.help(format!("It is from 1 to {}.", BlindIndex::MOST_BITS)));
        } else if let Some((fault, key)) = weakness(read, distinct) {
            table.warn(key, fault);
        }
        Some(read)
    }
}

/// Fewer different values than this can be told by how often each occurs.
const FEW: u64 = 10_000;
/// Values that should share a term where they are few.
const SHARING: u64 = 4;
/// Shortest prefix that is not told at once by how often it occurs.
const SHORT_PREFIX: u8 = 3;

/// What an index over so many different values gives away, and the key that says so.
pub(super) fn weakness(index: IndexVersion, distinct: Option<u64>) -> Option<(Fault, &'static str)> {
    if let Form::Prefix(length) = index.form
        && length < SHORT_PREFIX
    {
        let message = format!("a prefix of {length} is shared by so many values that its frequency tells it");
        let fault = Fault::new("short-prefix", message);
        return Some((fault.help(format!("Write `length = {SHORT_PREFIX}` or more.")), "length"));
    }
    let distinct = distinct.filter(|distinct| *distinct < FEW)?;
    let most = (distinct / SHARING).checked_ilog2().unwrap_or(0);
    if u32::from(index.bits) <= most {
        return None;
    }
    let message = format!("the index tells {distinct} values apart, which their frequencies give away");
    let fault = Fault::new("low-cardinality-index", message);
    let help = match most {
        0 => "Leave the index out: values so few cannot be hidden.".to_owned(),
        _ => format!("Write `bits = {most}`, so that values share terms, and open the rows that are found."),
    };
    Some((fault.help(help), "bits"))
}

/// The purpose that a rule names.
fn purpose(table: &Table<'_>, keys: &[KeyRule], is_right: impl Fn(KeyKind) -> bool, what: &str) -> Option<KeyId> {
    let purpose: KeyId = table.required("key", "Which keys, by the name of their purpose.")?;
    match keys.iter().find(|key| key.purpose == purpose) {
        Some(key) if is_right(key.kind) => return Some(purpose),
        Some(_) => {
            let fault = Fault::new("wrong-key", format!("keys of purpose `{purpose}` do not {what}"));
            table.reject("key", fault.help("Use one key for one thing; see `algorithm` of the purpose."));
        }
        None => {
            let fault = Fault::new("unknown-purpose", format!("there is no purpose `{purpose}`"));
            let names = keys.iter().map(|key| key.purpose.as_str());
            let help = match dbopt_policy::suggest(purpose.as_str(), names) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => format!("Begin one with `[key.{purpose}]`."),
            };
            table.reject("key", fault.help(help));
        }
    }
    None
}

/// Refuses two rules for one column, and two uses of one column of terms.
pub(super) fn twice(table: &Table<'_>, rules: &[ColumnRule]) {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for rule in rules {
        let columns = [&rule.column].into_iter().chain(&rule.plain);
        // Twice within a rule is another fault.
        let columns: BTreeSet<_> = columns.chain(rule.indexes.iter().map(|index| &index.column)).collect();
        for column in columns {
            let name = format!("{}.{}", rule.table_name(), quoted(column));
            if !seen.insert((&rule.schema, &rule.table, column)) && twice.insert(name.clone()) {
                let fault = Fault::new("doubled-rule", format!("two rules are about `{name}`"));
                table.reject("column", fault.help("Keep one of them."));
            }
        }
    }
}

/// A column's name, as it is, without quotes.
struct Name(String);

impl FromValue for Name {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let text = value.text(&Self::shape())?;
        // Longest identifier of PostgreSQL, in bytes.
        if text.is_empty() || text.len() > 63 || text.contains('\0') {
            value.reject(Fault::new("bad-column", format!("`{}` is no name of a column", value.path())));
            return None;
        }
        Some(Self(text.to_owned()))
    }

    fn shape() -> Shape {
        Shape::Text { what: "a name of a column", pattern: Some("^.{1,63}$"), examples: &["email"] }
    }
}

/// An identifier as PostgreSQL's `quote_ident` writes it, but for key words.
pub(super) fn quoted(name: &str) -> String {
    let first = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let is_plain =
        name.starts_with(first) && name.chars().all(|letter| first(letter) || letter.is_ascii_digit() || letter == '$');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
