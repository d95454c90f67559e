//! Names of tables and columns in a policy.

use std::fmt;

use dbopt_policy::{Fault, FromValue, Shape, Table, TableSelector, Value};
use dbopt_sql::quote_ident;

/// One table, by its real names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
}

impl TableName {
    /// A table by its real names.
    #[must_use]
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

/// As it stands in SQL.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }
}

impl FromValue for TableName {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let selector = TableSelector::from_value(value)?;
        let Some((schema, name)) = selector.exact() else {
            let fault = Fault::new("bad-table", format!("`{selector}` is not one table"));
            value.reject(fault.help("Name one table, as `schema.table`."));
            return None;
        };
        Some(Self::new(schema, name))
    }

    fn shape() -> Shape {
        Shape::Text { what: "a table", pattern: None, examples: &["public.orders"] }
    }
}

/// Refuses names that PostgreSQL could not have.
pub(super) fn columns<'a>(table: &Table<'_>, key: &str, names: impl IntoIterator<Item = &'a String>) {
    for name in names {
        if name.is_empty() || name.len() > LONGEST || name.contains('\0') {
            let fault = Fault::new("bad-column", format!("`{key}` has what is no name of a column"));
            table.reject(key, fault.help("Write the column's name as the catalogue has it, without quotes."));
        }
    }
}

/// Longest identifier of PostgreSQL, in bytes.
const LONGEST: usize = 63;
