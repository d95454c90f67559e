//! What the database itself enforces of a policy: section `[database]`.
//!
//! A role of PostgreSQL stands for a role of the policy and has what a permission is worth in tables, functions and sequences.
//! Tenants are kept apart by row-level security
//! (<https://www.postgresql.org/docs/current/ddl-rowsecurity.html>): a row is there for whoever has said its tenant in a setting. What
//! follows from this as SQL is for `dbopt-access`; here it is read and held against itself.

mod name;
mod read;

use dbopt_policy::TableSelector;

pub(super) use read::{database, unknown};

/// What the database enforces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseAccess {
    /// The schemas whose every right is compared: what is not written here nobody has.
    pub schemas: Vec<String>,
    /// Roles of PostgreSQL and what they stand for.
    pub roles: Vec<DatabaseRole>,
    /// Roles whose rights and objects in these schemas are nobody's business here, such as one that makes backups.
    pub leave: Vec<String>,
    /// Roles that make tables, whose new ones get the rights that are given on all of a schema.
    pub creators: Vec<String>,
    /// Whether everybody's rights are taken away in the schemas.
    pub revoke_public: bool,
    /// What permissions are worth.
    pub grants: Vec<DatabaseGrant>,
    /// Functions that may run with their owner's rights.
    pub definer_functions: Vec<Signature>,
    /// How tenants are kept apart, when they are.
    pub tenant: Option<TenantIsolation>,
}

/// A role of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRole {
    /// Its name, as it is.
    pub name: String,
    /// The role of the policy that it stands for.
    pub stands_for: String,
    /// Who may be a member of it; such roles exist already.
    pub members: Vec<String>,
}

/// What a permission, or a role, is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseGrant {
    /// For all roles that have this permission.
    pub permission: Option<String>,
    /// For these roles of PostgreSQL, beside the permissions.
    pub roles: Vec<String>,
    /// Tables and views, or all of a schema.
    pub tables: Vec<TableSelector>,
    /// What may be done to them.
    pub privileges: Vec<Privilege>,
    /// Only these columns of theirs; all when empty.
    pub columns: Vec<String>,
    /// Sequences that may be used, or all of a schema.
    pub sequences: Vec<TableSelector>,
    /// Functions that may be called.
    pub functions: Vec<Signature>,
}

/// A right on a table, as in <https://www.postgresql.org/docs/current/ddl-priv.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are SQL's own words")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
}

/// A function by its schema, name and types of arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// The types of its arguments as SQL writes them, without the parentheses.
    pub arguments: String,
}

/// How tenants are kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantIsolation {
    /// The setting in which a transaction says its tenant, such as `app.tenant`.
    pub setting: String,
    /// The column that a table has when it belongs to tenants: a table with one that is not listed is a fault.
    pub column: String,
    /// The tables, in the order of their names.
    pub tables: Vec<TenantTable>,
    /// Views that are to run with the rights of whoever asks.
    pub views: Vec<(String, String)>,
}

/// A table whose rows belong to tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The column that says the tenant.
    pub column: String,
    /// The type of that column.
    pub tenant_type: TenantType,
    /// Whether its owner sees all tenants.
    pub exempt_owner: bool,
}

/// The type of a tenant's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are SQL's own words")]
pub enum TenantType {
    #[default]
    Text,
    Uuid,
    Smallint,
    Integer,
    Bigint,
}

impl Privilege {
    /// The word of SQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
        }
    }

    /// Whether it can be given on a column.
    #[must_use]
    pub fn is_of_columns(self) -> bool {
        matches!(self, Self::Select | Self::Insert | Self::Update | Self::References)
    }

    /// Whether row-level security has no say in it.
    #[must_use]
    pub fn passes_rows(self) -> bool {
        matches!(self, Self::Truncate | Self::References | Self::Trigger)
    }
}

impl TenantType {
    /// The type of SQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Smallint => "smallint",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
        }
    }
}

#[cfg(test)]
mod tests;
