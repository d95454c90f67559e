//! Selectors of tables, such as `public.orders`, `audit.*` or `"My App"."Order"`.

use std::fmt;

use super::text_value;
use crate::{Fault, fault::shown};

/// One table or many: a schema and a table, of which either may be `*` for all. Names are read as PostgreSQL reads them:
/// letters that are not quoted are folded to lower case
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>). The schema is never left
/// out, because what a bare name means depends on a `search_path` that a policy does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableSelector {
    schema: Name,
    table: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Any,
    Is(String),
}

/// Longest identifier of PostgreSQL, in bytes; longer ones it would cut.
const LONGEST: usize = 63;

impl TableSelector {
    /// Reads `schema.table`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let help = "Write `schema.table`, with `*` for all and double quotes around names that need them.";
        let bad = |what: &str| Fault::new("bad-table", format!("`{}` {what}", shown(text))).help(help);
        let (schema, rest) = name(text.trim()).map_err(bad)?;
        let Some(rest) = rest.strip_prefix('.') else {
            return Err(bad(if rest.is_empty() { "names no schema" } else { "is no table" }));
        };
        let (table, rest) = name(rest).map_err(bad)?;
        if !rest.is_empty() {
            return Err(bad("is no table"));
        }
        Ok(Self { schema, table })
    }

    /// Whether it selects a table, given by its real names.
    #[must_use]
    pub fn matches(&self, schema: &str, table: &str) -> bool {
        self.schema.matches(schema) && self.table.matches(table)
    }

    /// The names of the one table it selects; none when it may select more.
    #[must_use]
    pub fn exact(&self) -> Option<(&str, &str)> {
        match (&self.schema, &self.table) {
            (Name::Is(schema), Name::Is(table)) => Some((schema, table)),
            _ => None,
        }
    }

    /// The schema, unless it selects in all of them.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        match &self.schema {
            Name::Is(schema) => Some(schema),
            Name::Any => None,
        }
    }

    /// The schema of which it selects all tables: `audit.*`.
    #[must_use]
    pub fn all_of(&self) -> Option<&str> {
        self.schema().filter(|_| self.table == Name::Any)
    }
}

impl Name {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(own) => own == name,
        }
    }
}

/// Reads one name, and gives what follows it.
fn name(text: &str) -> Result<(Name, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Name::Any, rest));
    }
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted_name(quoted)?,
        None => {
            let part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$') || !letter.is_ascii();
            let (name, rest) = text.split_at(text.find(|letter| !part(letter)).unwrap_or(text.len()));
            if name.starts_with(|first: char| first.is_ascii_digit() || first == '$') {
                return Err("begins a name with a digit or `$`");
            }
            // PostgreSQL folds ASCII letters only in a database of many bytes per letter.
            (name.to_ascii_lowercase(), rest)
        }
    };
    if name.is_empty() {
        return Err("has an empty name");
    }
    if name.len() > LONGEST {
        return Err("has a name longer than 63 bytes");
    }
    if name.contains('\0') {
        return Err("has a zero byte in a name");
    }
    Ok((Name::Is(name), rest))
}

/// Reads a name up to its closing quote.
fn quoted_name(mut text: &str) -> Result<(String, &str), &'static str> {
    let mut name = String::new();
    loop {
        let (part, rest) = text.split_once('"').ok_or("has a quote that is not closed")?;
        name.push_str(part);
        match rest.strip_prefix('"') {
            Some(rest) => {
                name.push('"');
                text = rest;
            }
            None => return Ok((name, rest)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |name: &str| {
            let first = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            name.starts_with(first)
                && name.chars().all(|letter| first(letter) || letter.is_ascii_digit() || letter == '$')
        };
        match self {
            Self::Any => f.write_str("*"),
            Self::Is(name) if plain(name) => f.write_str(name),
            Self::Is(name) => write!(f, "\"{}\"", name.replace('"', "\"\"")),
        }
    }
}

impl fmt::Display for TableSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

text_value!(TableSelector, "a table", None, &["public.orders", "audit.*"]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_fold_and_stars_select_all() {
        let orders = TableSelector::parse("Public.ORDERS").expect("a table");
        assert!(orders.matches("public", "orders") && !orders.matches("public", "ORDERS"));
        assert_eq!(orders.exact(), Some(("public", "orders")));
        let audit = TableSelector::parse("audit.*").expect("tables");
        assert!(audit.matches("audit", "any") && !audit.matches("public", "any") && audit.exact().is_none());
        assert_eq!((audit.all_of(), orders.all_of(), orders.schema()), (Some("audit"), None, Some("public")));
        let quoted = TableSelector::parse(r#""My.App"."say ""hi""""#).expect("a table");
        assert!(quoted.matches("My.App", "say \"hi\""));
    }

    #[test]
    fn what_is_none_says_why() {
        let fault = |text| TableSelector::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(fault("orders"), @"`orders` names no schema");
        insta::assert_snapshot!(fault("a.b.c"), @"`a.b.c` is no table");
        insta::assert_snapshot!(fault("public."), @"`public.` has an empty name");
        insta::assert_snapshot!(fault("a.\"b"), @r#"`a."b` has a quote that is not closed"#);
        insta::assert_snapshot!(fault("1.a"), @"`1.a` begins a name with a digit or `$`");
        insta::assert_snapshot!(fault("public.log_*"), @"`public.log_*` is no table");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(schema in "[^\0]{1,15}", table in "[^\0]{1,15}") {
            let selector = TableSelector { schema: Name::Is(schema.clone()), table: Name::Is(table.clone()) };
            let again = TableSelector::parse(&selector.to_string()).expect("a table");
            prop_assert!(again.matches(&schema, &table));
            prop_assert_eq!(again, selector);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a\".* é\0]*") {
            let _ = TableSelector::parse(&text);
        }
    }
}
