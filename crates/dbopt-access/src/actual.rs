//! What a server's catalogue says, by plain SELECTs in one read-only transaction.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_pg::{Error, Session};
use tokio_postgres::Transaction;

use crate::desired::{Desired, Object, Subject, qualified};

/// What a server's catalogue says of what a policy asks for.
#[derive(Clone, Debug, Default)]
pub struct Actual {
    pub(crate) version: u32,
    pub(crate) roles: BTreeMap<String, Role>,
    /// Roles with their direct members, as far as these inherit or may switch.
    pub(crate) members: BTreeSet<(String, String)>,
    pub(crate) schemas: BTreeMap<u32, Schema>,
    pub(crate) relations: BTreeMap<u32, Relation>,
    pub(crate) functions: BTreeMap<u32, Function>,
    /// The functions that the policy names, by how it writes them.
    pub(crate) signatures: BTreeMap<String, u32>,
    pub(crate) rights: Vec<Held>,
    pub(crate) defaults: Vec<Promised>,
    /// Creators of functions on which not everybody has rights from the first.
    pub(crate) closed_creators: BTreeSet<String>,
    pub(crate) columns: BTreeMap<(u32, String), Column>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) keys: Vec<ForeignKey>,
    pub(crate) uniques: Vec<Unique>,
}

#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) superuser: bool,
    pub(crate) bypasses: bool,
    pub(crate) makes_roles: bool,
    pub(crate) replicates: bool,
}

impl Role {
    /// Whether row-level security does not hold for it.
    pub(crate) fn passes_rows(&self) -> bool {
        self.superuser || self.bypasses
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) owner: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// As in `pg_class.relkind`.
    pub(crate) kind: String,
    pub(crate) owner: String,
    pub(crate) row_security: bool,
    pub(crate) forced: bool,
    pub(crate) is_invoker: bool,
    /// The table of tenants that it is, or is a partition or child of.
    pub(crate) root: Option<u32>,
    /// Whether it is a view that reads a table of tenants.
    pub(crate) reads_tenants: bool,
    /// Whether it has a column by the name that tables of tenants have.
    pub(crate) has_tenant_column: bool,
}

impl Relation {
    pub(crate) fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) is_definer: bool,
    pub(crate) has_search_path: bool,
}

impl Function {
    pub(crate) fn sql(&self) -> String {
        format!("{}({})", qualified(&self.schema, &self.name), self.arguments)
    }
}

/// A right that somebody other than the owner has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) of: Of,
    pub(crate) column: Option<String>,
    pub(crate) privilege: String,
    pub(crate) grantee: Subject,
    /// Who gave it, when that is not the owner.
    pub(crate) grantor: Option<String>,
    pub(crate) is_grantable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    Schema(u32),
    Relation(u32),
    Function(u32),
}

/// A right on what is made later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Promised {
    pub(crate) creator: String,
    pub(crate) schema: Option<String>,
    /// As in `pg_default_acl.defaclobjtype`.
    pub(crate) kind: String,
    pub(crate) privilege: String,
    pub(crate) grantee: Subject,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) quoted: String,
    pub(crate) kind: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) table: u32,
    pub(crate) name: String,
    pub(crate) is_permissive: bool,
    pub(crate) command: String,
    pub(crate) subjects: BTreeSet<Subject>,
    pub(crate) using: Option<String>,
    pub(crate) check: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    pub(crate) from: u32,
    pub(crate) from_sql: String,
    pub(crate) to: u32,
    pub(crate) columns: Vec<String>,
    pub(crate) referenced: Vec<String>,
    pub(crate) on_update: String,
    pub(crate) on_delete: String,
    pub(crate) is_full: bool,
    pub(crate) is_deferrable: bool,
    pub(crate) is_deferred: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Unique {
    pub(crate) table: u32,
    pub(crate) name: String,
    pub(crate) is_primary: bool,
    /// Whether a foreign key can refer to it.
    pub(crate) is_key: bool,
    pub(crate) columns: Vec<String>,
}

impl Actual {
    /// Reads what the policy is compared with.
    ///
    /// # Errors
    /// When the server cannot run a query or the connection is lost.
    pub async fn read(session: &mut Session, desired: &Desired) -> Result<Self, Error> {
        let version = session.server_version_num();
        let read = async {
            let transaction = session.read_only().await?;
            // So that names of types and functions are printed with their schema.
            let read = async {
                transaction.batch_execute("SET LOCAL search_path = ''").await?;
                read(&transaction, desired).await
            };
            Ok(read.await)
        };
        let read: Result<Result<Self, tokio_postgres::Error>, Error> = read.await;
        let actual = read?.map_err(|error| session.error(error))?;
        Ok(Self { version, ..actual })
    }

    /// The object of a right.
    pub(crate) fn object(&self, held: &Held) -> Option<Object> {
        Some(match held.of {
            Of::Schema(oid) => Object::Schema(self.schemas.get(&oid)?.name.clone()),
            Of::Function(oid) => {
                let Function { schema, name, arguments, .. } = self.functions.get(&oid)?.clone();
                Object::Function(schema, name, arguments)
            }
            Of::Relation(oid) => {
                let relation = self.relations.get(&oid)?;
                let (schema, name) = (relation.schema.clone(), relation.name.clone());
                match &held.column {
                    Some(column) => Object::Column(schema, name, column.clone()),
                    None if relation.kind == "S" => Object::Sequence(schema, name),
                    None => Object::Table(schema, name),
                }
            }
        })
    }

    /// The relation of a name.
    pub(crate) fn relation(&self, schema: &str, name: &str) -> Option<(u32, &Relation)> {
        let found = self.relations.iter().find(|(_, relation)| relation.schema == schema && relation.name == name);
        found.map(|(oid, relation)| (*oid, relation))
    }

    /// Who is a member of a role, directly or not, without the role itself.
    pub(crate) fn members_below(&self, role: &str) -> BTreeSet<&String> {
        let mut found = BTreeSet::new();
        let mut open = vec![role];
        while let Some(role) = open.pop() {
            for (_, member) in self.members.iter().filter(|(of, _)| of == role) {
                if found.insert(member) {
                    open.push(member);
                }
            }
        }
        found
    }

    /// Roles that somebody is a member of, directly or not, the role itself included.
    pub(crate) fn roles_of(&self, member: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([member.to_owned()]);
        let mut open = vec![member.to_owned()];
        while let Some(member) = open.pop() {
            for (role, _) in self.members.iter().filter(|(_, of)| *of == member) {
                if found.insert(role.clone()) {
                    open.push(role.clone());
                }
            }
        }
        found
    }
}

async fn read(transaction: &Transaction<'_>, desired: &Desired) -> Result<Actual, tokio_postgres::Error> {
    let mut actual = Actual::default();
    for row in transaction.query(include_str!("queries/roles.sql"), &[]).await? {
        let role =
            Role { superuser: row.get(1), bypasses: row.get(2), makes_roles: row.get(3), replicates: row.get(4) };
        actual.roles.insert(row.get(0), role);
    }
    let members = transaction.query(include_str!("queries/members.sql"), &[]).await?;
    actual.members = members.iter().map(|row| (row.get(0), row.get(1))).collect();
    let schemas: Vec<&str> = desired.schemas.iter().map(String::as_str).collect();
    let found = transaction.query(include_str!("queries/schemas.sql"), &[&schemas]).await?;
    actual.schemas = found.iter().map(|row| (row.get(0), Schema { name: row.get(1), owner: row.get(2) })).collect();
    let (of, names): (Vec<&str>, Vec<&str>) =
        desired.tables.iter().map(|it| (it.schema.as_str(), it.name.as_str())).unzip();
    let column = desired.tenant.as_ref().map(|(_, column)| column.as_str());
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&schemas, &of, &names, &column];
    for row in transaction.query(include_str!("queries/relations.sql"), &parameters).await? {
        let relation = Relation {
            schema: row.get(1),
            name: row.get(2),
            kind: row.get(3),
            owner: row.get(4),
            row_security: row.get(5),
            forced: row.get(6),
            is_invoker: row.get(7),
            root: row.get(8),
            reads_tenants: row.get(9),
            has_tenant_column: row.get(10),
        };
        actual.relations.insert(row.get(0), relation);
    }
    for row in transaction.query(include_str!("queries/functions.sql"), &[&schemas]).await? {
        let function = Function {
            schema: row.get(1),
            name: row.get(2),
            arguments: row.get(3),
            is_definer: row.get(4),
            has_search_path: row.get(5),
        };
        actual.functions.insert(row.get(0), function);
    }
    read_signatures(transaction, desired, &mut actual).await?;
    read_rights(transaction, &schemas, &mut actual).await?;
    read_tables(transaction, desired, &mut actual).await?;
    Ok(actual)
}

async fn read_signatures(
    transaction: &Transaction<'_>,
    desired: &Desired,
    actual: &mut Actual,
) -> Result<(), tokio_postgres::Error> {
    let granted = desired.rights.iter().filter_map(|right| match &right.object {
        Object::Function(schema, name, arguments) => Some((schema, name, arguments)),
        _ => None,
    });
    let permitted = desired.definer_functions.iter().map(|it| (&it.schema, &it.name, &it.arguments));
    let (mut schemas, mut written) = (Vec::new(), Vec::new());
    for (schema, name, arguments) in granted.chain(permitted) {
        let signature = format!("{}({arguments})", qualified(schema, name));
        // Types as the server prints them need no look-up, which some may not have.
        let is_it = |it: &&Function| it.schema == *schema && it.name == *name && it.arguments == *arguments;
        if let Some((oid, _)) = actual.functions.iter().find(|(_, function)| is_it(function)) {
            actual.signatures.insert(signature, *oid);
        } else {
            schemas.push(schema);
            written.push(signature);
        }
    }
    for row in transaction.query(include_str!("queries/signatures.sql"), &[&schemas, &written]).await? {
        if let Some(oid) = row.get::<_, Option<u32>>(1) {
            actual.signatures.insert(row.get(0), oid);
        }
    }
    Ok(())
}

async fn read_rights(
    transaction: &Transaction<'_>,
    schemas: &[&str],
    actual: &mut Actual,
) -> Result<(), tokio_postgres::Error> {
    let subject = |name: Option<String>| name.map_or(Subject::Public, Subject::Role);
    let of = [
        actual.schemas.keys().copied().collect::<Vec<u32>>(),
        actual.relations.keys().copied().collect(),
        actual.functions.keys().copied().collect(),
    ];
    for row in transaction.query(include_str!("queries/rights.sql"), &[&of[0], &of[1], &of[2]]).await? {
        let (class, oid): (String, u32) = (row.get(0), row.get(1));
        let is_owners: bool = row.get(6);
        actual.rights.push(Held {
            of: match class.as_str() {
                "n" => Of::Schema(oid),
                "r" => Of::Relation(oid),
                _ => Of::Function(oid),
            },
            column: row.get(2),
            privilege: row.get(3),
            grantee: subject(row.get(4)),
            grantor: row.get::<_, Option<String>>(5).filter(|_| !is_owners),
            is_grantable: row.get(7),
        });
    }
    for row in transaction.query(include_str!("queries/defaults.sql"), &[&schemas]).await? {
        let (creator, schema, kind): (String, Option<String>, String) = (row.get(0), row.get(1), row.get(2));
        if schema.is_none() && kind == "f" {
            actual.closed_creators.insert(creator.clone());
        }
        // No privilege is a default of nobody else.
        let Some(privilege) = row.get(3) else { continue };
        let grantee = subject(row.get(4));
        actual.defaults.push(Promised { creator, schema, kind, privilege, grantee });
    }
    for open in &actual.defaults {
        if open.schema.is_none() && open.kind == "f" && open.grantee == Subject::Public {
            actual.closed_creators.remove(&open.creator);
        }
    }
    Ok(())
}

async fn read_tables(
    transaction: &Transaction<'_>,
    desired: &Desired,
    actual: &mut Actual,
) -> Result<(), tokio_postgres::Error> {
    let of_tenants: Vec<u32> =
        actual.relations.iter().filter(|(_, relation)| relation.root.is_some()).map(|(oid, _)| *oid).collect();
    let with_columns = desired.rights.iter().filter_map(|right| match &right.object {
        Object::Column(schema, name, _) => actual.relation(schema, name).map(|(oid, _)| oid),
        _ => None,
    });
    let with_columns: Vec<u32> = of_tenants.iter().copied().chain(with_columns).collect();
    for row in transaction.query(include_str!("queries/columns.sql"), &[&with_columns]).await? {
        actual.columns.insert((row.get(0), row.get(1)), Column { quoted: row.get(2), kind: row.get(3) });
    }
    for row in transaction.query(include_str!("queries/policies.sql"), &[&of_tenants]).await? {
        let roles: Vec<String> = row.get(4);
        let public = row.get::<_, bool>(5).then_some(Subject::Public);
        actual.policies.push(Policy {
            table: row.get(0),
            name: row.get(1),
            is_permissive: row.get(2),
            command: row.get(3),
            subjects: roles.into_iter().map(Subject::Role).chain(public).collect(),
            using: row.get(6),
            check: row.get(7),
        });
    }
    for row in transaction.query(include_str!("queries/keys.sql"), &[&of_tenants]).await? {
        actual.keys.push(ForeignKey {
            name: row.get(0),
            from: row.get(1),
            from_sql: row.get(2),
            to: row.get(3),
            columns: row.get(4),
            referenced: row.get(5),
            on_update: row.get(6),
            on_delete: row.get(7),
            is_full: row.get::<_, String>(8) == "f",
            is_deferrable: row.get(9),
            is_deferred: row.get(10),
        });
    }
    for row in transaction.query(include_str!("queries/uniques.sql"), &[&of_tenants]).await? {
        actual.uniques.push(Unique {
            table: row.get(0),
            name: row.get(1),
            is_primary: row.get(2),
            is_key: row.get(3),
            columns: row.get(4),
        });
    }
    Ok(())
}
