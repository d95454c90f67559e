//! What maintenance is done to: tables and indexes, by name and by identity.
//!
//! A plan is made now and carried out later, perhaps much later. The name is what statements say; the identity tells
//! whether it is still the same thing.

use std::fmt;

use dbopt_sql::quote_ident;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table, materialised view or partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableRef {
    /// Its row of `pg_class`.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexRef {
    /// Its row of `pg_class`.
    pub oid: u32,
    /// Its file, which is another after each rebuild.
    pub relfilenode: u32,
    /// Its name; its schema is that of its table.
    pub name: String,
    /// Its table.
    pub table: TableRef,
}

/// The qualified name, quoted where it has to be: as statements and people write it.
impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }
}

/// The qualified name, quoted where it has to be.
impl fmt::Display for IndexRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote_ident(&self.table.schema), quote_ident(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_apart() {
        let table = TableRef { oid: 1, schema: "a.b".to_owned(), name: "Orders".to_owned() };
        assert_eq!(table.to_string(), r#""a.b"."Orders""#);
        let index = IndexRef { oid: 2, relfilenode: 2, name: "i".to_owned(), table };
        assert_eq!(index.to_string(), r#""a.b".i"#);
    }
}
