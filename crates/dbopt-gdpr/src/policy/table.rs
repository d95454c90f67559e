//! Tables: whose rows they have, what is in their columns, and what becomes of both.

use dbopt_policy::{Duration, Fault, Table, TableSelector};
use jiff::civil::Date;

use super::name::columns;

/// Whose a row is, seen from a person; of a table, whose its rows are as a rule. In the order of how much of a row is the person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nobody's: countries, products.
    Lookup,
    /// Somebody else's, of whom the reference says nothing.
    Foreign,
    /// Somebody else's, who wrote it about the person.
    About,
    /// The person's and others': a message to somebody.
    Shared,
    /// The person's alone.
    Owned,
}

impl Class {
    pub(super) const NAMES: &[(&str, Self)] = &[
        ("owned", Self::Owned),
        ("shared", Self::Shared),
        ("about", Self::About),
        ("foreign", Self::Foreign),
        ("lookup", Self::Lookup),
    ];

    /// Its name in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, class)| *class == self).map_or("", |(name, _)| name)
    }

    /// Whether a reference of it leads to rows that are at least in part the person's.
    #[must_use]
    pub fn is_followed(self) -> bool {
        self >= Self::About
    }
}

/// What the policy says of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRule {
    /// The table, or for tables without data of persons maybe many.
    pub table: TableSelector,
    /// Whose its rows are.
    pub class: Class,
    /// What it is, in words for the person.
    pub about: Option<String>,
    /// What it is for: a name of [`super::GdprPolicy::purposes`].
    pub purpose: Option<String>,
    /// What becomes of rows that are owned.
    pub erase: RowErase,
    /// The reference that says whose a row is, by its columns: a row that refers to another person there is that
    /// person's, whatever else leads to it.
    pub owner: Vec<String>,
    /// Columns with data of persons, and what becomes of them.
    pub columns: Vec<(String, ColumnRule)>,
    /// Columns without.
    pub plain: Vec<String>,
    /// When rows go by themselves.
    pub retention: Option<Retention>,
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowErase {
    /// It is deleted.
    Delete,
    /// It stays, and its columns with data of persons are changed as they say.
    Mask,
    /// It stays as it is, for a time.
    Keep(Keep),
}

/// Why, and until when, something stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The obligation, in words.
    pub basis: String,
    /// Kept for so long after the time in a column of the row.
    pub after: Option<(String, Duration)>,
    /// Kept until this day.
    pub until: Option<Date>,
}

/// What the policy says of a column with data of persons.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnRule {
    /// What it is, in words for the person.
    pub about: Option<String>,
    /// What it is for, when not for what the table is.
    pub purpose: Option<String>,
    /// What becomes of it where the row stays.
    pub erase: ColumnErase,
    /// Whether the person gave it (Article 20), other than what was found out about the person.
    pub provided: bool,
}

/// What becomes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnErase {
    /// NULL.
    Null,
    /// A fixed text, with something added where it has to be unique.
    Redact(String),
    /// SHA-256 of it in hexadecimal. Whoever can guess the value can confirm it.
    Hash,
    /// HMAC-SHA-256 of it under the policy's key, in hexadecimal.
    Hmac,
    /// What stands for the person under the policy's key, the same in all tables.
    Pseudonym,
    /// 32 random hexadecimal digits.
    Random,
    /// It is sealed already by a key of the person's own (`dbopt keys`), and that key is destroyed.
    Encrypt,
    /// It stays.
    Keep(Keep),
}

impl ColumnErase {
    /// Its name in a policy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Redact(_) => "redact",
            Self::Hash => "hash",
            Self::Hmac => "hmac",
            Self::Pseudonym => "pseudonym",
            Self::Random => "random",
            Self::Encrypt => "encrypt",
            Self::Keep(_) => "keep",
        }
    }
}

/// When rows go by themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// The column with the time.
    pub column: String,
    /// How long a row stays after it.
    pub keep: Duration,
    /// When more rows than this would go at once, none does.
    pub most_rows: u64,
    /// When more than this share of the rows would go at once, none does.
    pub most_share: f64,
    /// Names of triggers that may fire.
    pub triggers: Vec<String>,
}

impl TableRule {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let selector: Option<TableSelector> = table.required("name", "The table, by its full name.");
        let class = table.required_choice("class", "Whose its rows are.", Class::NAMES);
        let erase = table.choice(
            "erase",
            "What becomes of rows that are the person's: `delete` when not given.",
            &[("delete", Erase::Delete), ("mask", Erase::Mask), ("keep", Erase::Keep)],
        );
        let keep = table.optional_section("keep", "Why, and until when, rows stay.", Keep::read);
        let rule = Self {
            about: table.optional("about", "What it is, in words for the person."),
            purpose: table.optional("purpose", "What it is for: the name of a `[purpose.…]`."),
            owner: table.or(
                "owner",
                "Columns of the reference that says whose a row is, whatever else leads to it.",
                Vec::new(),
            ),
            columns: table.named("column", "Columns with data of persons.", |_, column| ColumnRule::read(column)),
            plain: table.or("plain", "Columns without data of persons.", Vec::new()),
            retention: table.optional_section("retention", "When rows go by themselves.", Retention::read),
            erase: match erase.unwrap_or(Erase::Delete) {
                Erase::Delete => RowErase::Delete,
                Erase::Mask => RowErase::Mask,
                Erase::Keep => RowErase::Keep(keep.clone().or_else(|| need_keep(table))?),
            },
            table: selector?,
            class: class?,
        };
        let named = rule.owner.iter().chain(&rule.plain).chain(rule.columns.iter().map(|(name, _)| name));
        columns(table, "column", named);
        rule.review(table, keep.is_some());
        Some(rule)
    }

    fn review(&self, table: &Table<'_>, has_keep: bool) {
        if self.class.is_followed() && self.table.exact().is_none() {
            let fault = Fault::new("bad-table", format!("`{}` is not one table", self.table));
            table.reject("name", fault.help("Name each table that has data of persons."));
        }
        if let Some(both) = self.plain.iter().find(|name| self.columns.iter().any(|(other, _)| other == *name)) {
            let message = format!("column `{both}` is said to have data of persons, and to have none");
            table.reject("plain", Fault::new("doubled-rule", message).help("Take it out of `plain`."));
        }
        if has_keep && !matches!(self.erase, RowErase::Keep(_)) {
            let fault = Fault::new("bad-value", "`keep` says why rows stay, but they do not");
            table.reject("keep", fault.help("Write `erase = \"keep\"`, or take it out."));
        }
        if self.class.is_followed() && self.purpose.is_none() {
            let message = format!("it is not said what table `{}` is for", self.table);
            table.warn(
                "name",
                Fault::new("no-purpose", message).help("Name a `purpose`; the record of processing lists it."),
            );
        }
        if matches!(self.erase, RowErase::Mask) && self.columns.is_empty() {
            let fault = Fault::new("masks-nothing", "rows are masked, but no column has data of persons");
            table.warn("erase", fault.help("Name the columns, or write another `erase`."));
        }
        for (name, column) in &self.columns {
            if column.erase == ColumnErase::Hash {
                let message = format!("the hash of column `{name}` can be confirmed by whoever guesses the value");
                table.warn("column", Fault::new("weak-hash", message).help("Write `erase = \"hmac\"`."));
            }
        }
    }
}

#[derive(Clone)]
enum Erase {
    Delete,
    Mask,
    Keep,
}

fn need_keep(table: &Table<'_>) -> Option<Keep> {
    if !table.contains("keep") {
        let fault = Fault::new("missing-key", "it is not said why, and until when, it stays");
        table.reject("erase", fault.help("Write `keep = { basis = \"…\", column = \"issued_at\", for = \"3653d\" }`."));
    }
    None
}

impl Keep {
    fn read(table: &Table<'_>) -> Option<Self> {
        let basis = table.required("basis", "The obligation, in words.");
        let column: Option<String> = table.optional("column", "The column with the time from which on it counts.");
        let length: Option<Duration> = table.optional("for", "How long it stays after that.");
        let until: Option<String> = table.optional("until", "The day until which it stays, as `2031-12-31`.");
        columns(table, "column", &column);
        let until = match until.map(|text| text.parse::<Date>()) {
            Some(Err(_)) => {
                let fault = Fault::new("bad-date", "`until` is no day");
                table.reject("until", fault.help("Write it as `2031-12-31`."));
                return None;
            }
            Some(Ok(day)) => Some(day),
            None => None,
        };
        let after = match (column, length) {
            (Some(column), Some(length)) => Some((column, length)),
            (None, None) => None,
            (given, _) => {
                let (key, other) = if given.is_some() { ("column", "for") } else { ("for", "column") };
                table.reject(key, Fault::new("missing-key", format!("`{key}` says nothing without `{other}`")));
                return None;
            }
        };
        if after.is_none() && until.is_none() {
            let fault = Fault::new("missing-key", "it is not said until when it stays");
            table.reject("basis", fault.help("Write `until = \"2031-12-31\"`, or `column` and `for`."));
            return None;
        }
        Some(Self { basis: basis?, after, until })
    }
}

impl ColumnRule {
    fn read(table: &Table<'_>) -> Option<Self> {
        let about = table.optional("about", "What it is, in words for the person.");
        let purpose = table.optional("purpose", "What it is for, when not for what the table is.");
        let provided = table.or("provided", "Whether the person gave it, as Article 20 has it.", true);
        let redacted: Option<String> = table.optional("value", "The fixed text of `erase = \"redact\"`.");
        let keep = table.optional_section("keep", "Why, and until when, it stays.", Keep::read);
        let names = [
            ("null", ColumnErase::Null),
            ("redact", ColumnErase::Redact(redacted.clone().unwrap_or_else(|| REDACTED.to_owned()))),
            ("hash", ColumnErase::Hash),
            ("hmac", ColumnErase::Hmac),
            ("pseudonym", ColumnErase::Pseudonym),
            ("random", ColumnErase::Random),
            ("encrypt", ColumnErase::Encrypt),
            ("keep", KEEP),
        ];
        let erase = table.required_choice("erase", "What becomes of it where the row stays.", &names)?;
        if redacted.is_some() && !matches!(erase, ColumnErase::Redact(_)) {
            let fault = Fault::new("bad-value", "`value` is for `erase = \"redact\"` only");
            table.reject("value", fault.help("Take it out, or write `erase = \"redact\"`."));
        }
        if keep.is_some() && erase != KEEP {
            let fault = Fault::new("bad-value", "`keep` says why it stays, but it does not");
            table.reject("keep", fault.help("Write `erase = \"keep\"`, or take it out."));
        }
        let erase = match erase {
            ColumnErase::Keep(_) => ColumnErase::Keep(keep.or_else(|| need_keep(table))?),
            other => other,
        };
        Some(Self { about, purpose, erase, provided })
    }
}

impl Retention {
    fn read(table: &Table<'_>) -> Option<Self> {
        let column: Option<String> = table.required("column", "The column with the time.");
        let keep: Option<Duration> = table.required("keep", "How long a row stays after it.");
        columns(table, "column", &column);
        let about = "When more rows than this would go at once, none does.";
        let most_rows = table.or("most_rows", about, 10_000_000);
        let most_share =
            table.or("most_share", "When more than this share of the rows would go at once, none does.", 0.5);
        let triggers = table.or("triggers", "Names of triggers that may fire.", Vec::new());
        if !(0.0..=1.0).contains(&most_share) {
            let fault = Fault::new("out-of-range", "`most_share` is no share");
            table.reject("most_share", fault.help("Write a number from 0 to 1."));
        }
        if keep.is_some_and(|keep| keep.get().is_zero()) {
            table.reject(
                "keep",
                Fault::new("out-of-range", "nothing would be kept").help("Write a time such as `90d`."),
            );
        }
        Some(Self { column: column?, keep: keep?, most_rows, most_share, triggers })
    }
}

/// What redaction writes when nothing else is said.
const REDACTED: &str = "[erased]";

/// `keep` before it is known why.
const KEEP: ColumnErase = ColumnErase::Keep(Keep { basis: String::new(), after: None, until: None });
