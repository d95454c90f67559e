//! Names of PostgreSQL as a policy writes them.

use dbopt_policy::{Fault, FromValue, Shape, TableSelector, Value};

use super::{Privilege, Signature};

/// The name of a role, schema or column, taken as it is: nothing is folded.
#[derive(Debug)]
pub(super) struct Name(pub(super) String);

impl Name {
    /// Takes a text that can be a name.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |why: &str| Err(Fault::new("bad-name", format!("a name of PostgreSQL {why}")));
        match text {
            "" => bad("is not empty"),
            _ if text.len() > 63 => bad("has at most 63 bytes"),
            _ if text.contains(char::is_control) => bad("has no control characters"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl FromValue for Name {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), Self::parse)
    }

    fn shape() -> Shape {
        Shape::Text { what: "a name", pattern: None, examples: &["shop"] }
    }
}

/// The name of a role that a policy may make.
pub(super) fn check_role(name: &str) -> Result<(), Fault> {
    Name::parse(name)?;
    let reserved = ["public", "none", "current_role", "current_user", "session_user"];
    if reserved.contains(&name) || name.starts_with("pg_") {
        return Err(Fault::new("bad-name", format!("`{name}` is PostgreSQL's own")).help("Name a role of yours."));
    }
    Ok(())
}

impl Signature {
    /// Reads `schema.function(types)`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let bad = || {
            Fault::new("bad-function", "this is no function")
                .help("Write its schema, name and types, such as `shop.total(bigint, text)`.")
        };
        let (name, arguments) = text.trim().strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(bad)?;
        let selector = TableSelector::parse(name).map_err(|_| bad())?;
        let (schema, name) = selector.exact().ok_or_else(bad)?;
        let of_types = |letter: char| {
            letter.is_ascii_lowercase()
                || letter.is_ascii_digit()
                || matches!(letter, ' ' | '_' | '.' | ',' | '[' | ']')
        };
        let types: Vec<&str> = arguments.split(',').map(str::trim).collect();
        let is_list = arguments.chars().all(of_types) && (arguments.trim().is_empty() || !types.contains(&""));
        let signature = Self { schema: schema.to_owned(), name: name.to_owned(), arguments: types.join(", ") };
        is_list.then_some(signature).ok_or_else(bad)
    }
}

impl FromValue for Signature {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), Self::parse)
    }

    fn shape() -> Shape {
        Shape::Text { what: "a function", pattern: None, examples: &["shop.total(bigint)"] }
    }
}

const PRIVILEGES: [(&str, Privilege); 7] = [
    ("select", Privilege::Select),
    ("insert", Privilege::Insert),
    ("update", Privilege::Update),
    ("delete", Privilege::Delete),
    ("truncate", Privilege::Truncate),
    ("references", Privilege::References),
    ("trigger", Privilege::Trigger),
];

impl FromValue for Privilege {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.choice(&PRIVILEGES)
    }

    fn shape() -> Shape {
        Shape::OneOf(PRIVILEGES.iter().map(|(name, _)| *name).collect())
    }
}

/// A setting with a prefix of its own, as an extension's: those without one are PostgreSQL's.
#[derive(Debug)]
pub(super) struct Setting(pub(super) String);

impl FromValue for Setting {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| {
            let is_part = |part: &str| {
                part.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            };
            match text.split_once('.') {
                Some((prefix, name)) if is_part(prefix) && is_part(name) && text.len() <= 63 => {
                    Ok(Self(text.to_owned()))
                }
                _ => Err(Fault::new("bad-setting", "this is no setting that a program can make up")
                    .help("Write two words with a dot between, such as `app.tenant`.")),
            }
        })
    }

    fn shape() -> Shape {
        Shape::Text {
            what: "a setting",
            pattern: Some("^[a-z_][a-z0-9_]*\\.[a-z_][a-z0-9_]*$"),
            examples: &["app.tenant"],
        }
    }
}
