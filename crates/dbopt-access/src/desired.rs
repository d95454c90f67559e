//! What a policy asks of a database.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use dbopt_auth::{AccessPolicy, DatabaseGrant, Privilege, Signature, TenantTable};
use dbopt_sql::quote_ident;

/// What a policy asks of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The roles of the policy with their members.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// The schemas that are compared.
    pub schemas: BTreeSet<String>,
    /// Roles that are not looked at.
    pub leave: BTreeSet<String>,
    /// Roles that make tables.
    pub creators: BTreeSet<String>,
    /// Whether everybody's rights are taken away.
    pub revoke_public: bool,
    /// All rights, each role with all of its own.
    pub rights: BTreeSet<Right>,
    /// Functions that may run with their owner's rights.
    pub definer_functions: BTreeSet<Signature>,
    /// The setting in which a transaction says its tenant, and the column that shows that a table belongs to tenants.
    pub tenant: Option<(String, String)>,
    /// The tables of tenants.
    pub tables: Vec<TenantTable>,
    /// Views that run with the rights of whoever asks.
    pub views: Vec<(String, String)>,
    /// For tables of tenants, by schema and name, and for each command: the roles that may give it to the rows of all tenants.
    pub all_tenants: BTreeMap<(String, String), BTreeMap<Privilege, BTreeSet<String>>>,
}

/// A right of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// On what.
    pub object: Object,
    /// What may be done, such as `SELECT`.
    pub privilege: String,
    /// By whom.
    pub subject: Subject,
}

/// What a right is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A schema.
    Schema(String),
    /// A table or view.
    Table(String, String),
    /// All tables and views of a schema, those to come too, but no materialised view: it holds rows of whoever filled it.
    Tables(String),
    /// A column of a table.
    Column(String, String, String),
    /// A sequence.
    Sequence(String, String),
    /// All sequences of a schema, those to come too.
    Sequences(String),
    /// A function, with the types of its arguments.
    Function(String, String, String),
}

/// Who has a right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Everybody.
    Public,
    /// A role.
    Role(String),
}

impl Desired {
    /// What a policy asks; nothing when it has no section `[database]`.
    #[must_use]
    pub fn of(policy: &AccessPolicy) -> Option<Self> {
        let access = policy.database.as_ref()?;
        let mut desired = Self {
            roles: access
                .roles
                .iter()
                .map(|role| (role.name.clone(), role.members.iter().cloned().collect()))
                .collect(),
            schemas: access.schemas.iter().cloned().collect(),
            leave: access.leave.iter().cloned().collect(),
            creators: access.creators.iter().cloned().collect(),
            revoke_public: access.revoke_public,
            definer_functions: access.definer_functions.iter().cloned().collect(),
            ..Self::default()
        };
        if let Some(tenant) = &access.tenant {
            desired.tenant = Some((tenant.setting.clone(), tenant.column.clone()));
            desired.tables.clone_from(&tenant.tables);
            desired.views.clone_from(&tenant.views);
        }
        for grant in &access.grants {
            let permission = grant.permission.as_deref().and_then(|name| policy.matrix.permission(name));
            for role in &access.roles {
                let by_permission = permission.is_some_and(|it| policy.matrix.allows(&[&role.stands_for], it));
                if by_permission || grant.roles.contains(&role.name) {
                    desired.give(grant, &role.name);
                }
                // A role is for all tenants in what it has, not in what others have whom the same login is a member of.
                if policy.matrix.is_for_all_tenants(&role.stands_for)
                    && (by_permission || grant.roles.contains(&role.name))
                {
                    desired.let_cross(grant, &role.name);
                }
            }
        }
        Some(desired)
    }

    fn give(&mut self, grant: &DatabaseGrant, role: &str) {
        let mut objects: Vec<(Object, &str)> = Vec::new();
        for table in &grant.tables {
            for privilege in &grant.privileges {
                let whole = match (table.exact(), table.all_of()) {
                    (Some((schema, name)), _) if grant.columns.is_empty() => Object::Table(schema.into(), name.into()),
                    (Some((schema, name)), _) => {
                        let of = |column: &String| Object::Column(schema.into(), name.into(), column.clone());
                        objects.extend(grant.columns.iter().map(|column| (of(column), privilege.sql())));
                        continue;
                    }
                    (None, Some(schema)) => Object::Tables(schema.into()),
                    (None, None) => continue,
                };
                objects.push((whole, privilege.sql()));
            }
        }
        objects.extend(grant.sequences.iter().filter_map(|sequence| match (sequence.exact(), sequence.all_of()) {
            (Some((schema, name)), _) => Some((Object::Sequence(schema.into(), name.into()), "USAGE")),
            (None, schema) => Some((Object::Sequences(schema?.into()), "USAGE")),
        }));
        objects.extend(grant.functions.iter().map(|function| {
            let Signature { schema, name, arguments } = function.clone();
            (Object::Function(schema, name, arguments), "EXECUTE")
        }));
        for (object, privilege) in objects {
            let schema = Object::Schema(object.schema().to_owned());
            for (object, privilege) in [(schema, "USAGE"), (object, privilege)] {
                let privilege = privilege.to_owned();
                self.rights.insert(Right { object, privilege, subject: Subject::Role(role.to_owned()) });
            }
        }
    }

    fn let_cross(&mut self, grant: &DatabaseGrant, role: &str) {
        let is_granted = |of: &&TenantTable| grant.tables.iter().any(|table| table.matches(&of.schema, &of.name));
        for table in self.tables.iter().filter(is_granted) {
            let commands = self.all_tenants.entry((table.schema.clone(), table.name.clone())).or_default();
            for privilege in grant.privileges.iter().filter(|privilege| !privilege.passes_rows()) {
                commands.entry(*privilege).or_default().insert(role.to_owned());
            }
        }
    }
}

impl Object {
    /// The schema that it is, or is in.
    #[must_use]
    pub fn schema(&self) -> &str {
        match self {
            Self::Schema(schema)
            | Self::Table(schema, _)
            | Self::Tables(schema)
            | Self::Column(schema, ..)
            | Self::Sequence(schema, _)
            | Self::Sequences(schema)
            | Self::Function(schema, ..) => schema,
        }
    }

    /// How GRANT and REVOKE name it, with the privilege before: that of a column has the column behind it.
    #[must_use]
    pub fn on(&self, privilege: &str) -> String {
        match self {
            Self::Schema(schema) => format!("{privilege} ON SCHEMA {}", quote_ident(schema)),
            Self::Table(schema, name) => format!("{privilege} ON TABLE {}", qualified(schema, name)),
            Self::Tables(schema) => format!("{privilege} ON ALL TABLES IN SCHEMA {}", quote_ident(schema)),
            Self::Column(schema, name, column) => {
                format!("{privilege} ({}) ON TABLE {}", quote_ident(column), qualified(schema, name))
            }
            Self::Sequence(schema, name) => format!("{privilege} ON SEQUENCE {}", qualified(schema, name)),
            Self::Sequences(schema) => format!("{privilege} ON ALL SEQUENCES IN SCHEMA {}", quote_ident(schema)),
            Self::Function(..) => format!("{privilege} ON ROUTINE {self}"),
        }
    }
}

/// As SQL names it.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => write!(f, "{}", quote_ident(schema)),
            Self::Table(schema, name) | Self::Sequence(schema, name) => f.write_str(&qualified(schema, name)),
            Self::Tables(schema) | Self::Sequences(schema) => write!(f, "{}.*", quote_ident(schema)),
            Self::Column(schema, name, column) => {
                write!(f, "{}.{}", qualified(schema, name), quote_ident(column))
            }
            Self::Function(schema, name, arguments) => write!(f, "{}({arguments})", qualified(schema, name)),
        }
    }
}

/// As SQL names it: everybody is a word, a role of that name would be quoted.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("PUBLIC"),
            Self::Role(name) => f.write_str(&quote_ident(name)),
        }
    }
}

/// A name with its schema.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}
