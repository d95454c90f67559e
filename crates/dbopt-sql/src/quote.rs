//! Names and values as they stand in SQL.

use std::borrow::Cow;

use crate::keyword::needs_quotes;

/// A name as an identifier, quoted when PostgreSQL's `quote_ident` would quote it.
///
/// ```
/// use dbopt_sql::quote_ident;
/// assert_eq!(quote_ident("orders"), "orders");
/// assert_eq!(quote_ident("Order"), "\"Order\"");
/// assert_eq!(quote_ident("user"), "\"user\"");
/// ```
#[must_use]
pub fn quote_ident(name: &str) -> Cow<'_, str> {
    let plain = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !needs_quotes(name);
    if plain { Cow::Borrowed(name) } else { Cow::Owned(format!("\"{}\"", name.replace('"', "\"\""))) }
}

/// A value as a string constant, right whatever `standard_conforming_strings` says.
///
/// ```
/// use dbopt_sql::quote_literal;
/// assert_eq!(quote_literal("it's"), "'it''s'");
/// assert_eq!(quote_literal(r"a\b"), r"E'a\\b'");
/// ```
#[must_use]
pub fn quote_literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}
