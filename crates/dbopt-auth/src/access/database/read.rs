//! Reads the section, and holds its parts against each other and against the roles of the policy.

use std::collections::BTreeSet;

use dbopt_policy::{Fault, Table, TableSelector, suggest};

use super::{
    DatabaseAccess, DatabaseGrant, DatabaseRole, Privilege, TenantIsolation, TenantTable, TenantType,
    name::{Name, Setting, check_role},
};
use crate::Matrix;

const TYPES: [(&str, TenantType); 5] = [
    ("text", TenantType::Text),
    ("uuid", TenantType::Uuid),
    ("smallint", TenantType::Smallint),
    ("integer", TenantType::Integer),
    ("bigint", TenantType::Bigint),
];

/// Reads `[database]`. Without a matrix, which then has faults of its own, names of roles are not looked up.
pub(in crate::access) fn database(table: &Table<'_>, matrix: Option<&Matrix>) -> Option<DatabaseAccess> {
    let schemas = names(table, "schemas", "The schemas in which every right is compared, and taken from everybody.");
    let creators = names(
        table,
        "creators",
        "Roles that make tables: on new ones the rights hold that are given on all of a schema.",
    );
    let leave = names(table, "leave", "Roles whose rights are not looked at, such as one that makes backups.");
    let revoke_public = table.or("revoke_public", "Whether PUBLIC has no right in the schemas.", true);
    let definer_functions: Vec<super::Signature> = table.or(
        "definer_functions",
        "Functions that may run with their owner's rights (SECURITY DEFINER).",
        Vec::new(),
    );
    let roles = roles(table, matrix);
    let tenant = table.optional_section("tenant", "How tenants are kept apart.", tenant);
    let grants = table.sections("grant", "What a permission is worth in the database.", |table| {
        grant(table, matrix, &roles, tenant.as_ref())
    });
    if schemas.is_empty() {
        let fault = Fault::new("missing-key", "no schema is named, so nothing is compared");
        table.reject("schemas", fault.help("Name the schemas of the application, such as `schemas = [\"shop\"]`."));
    }
    for schema in schemas.iter().filter(|schema| schema.starts_with("pg_") || *schema == "information_schema") {
        table.reject("schemas", Fault::new("bad-name", format!("schema `{schema}` is PostgreSQL's own")));
    }
    for role in roles.iter().filter(|role| leave.contains(&role.name)) {
        table.reject("leave", Fault::new("contradiction", format!("role `{}` is of this policy", role.name)));
    }
    let access = DatabaseAccess { schemas, roles, leave, creators, revoke_public, grants, definer_functions, tenant };
    check_schemas(table, &access);
    check_members(table, &access, matrix);
    Some(access)
}

fn names(table: &Table<'_>, key: &'static str, about: &'static str) -> Vec<String> {
    let names: Vec<Name> = table.or(key, about, Vec::new());
    let mut names: Vec<String> = names.into_iter().map(|Name(name)| name).collect();
    names.sort();
    names.dedup();
    names
}

fn roles(table: &Table<'_>, matrix: Option<&Matrix>) -> Vec<DatabaseRole> {
    let about = "A role of PostgreSQL, by its name: what it stands for, and who may be a member.";
    let roles = table.named("role", about, |name, table| {
        let stands_for: Option<String> = table.required("stands_for", "The role of this policy that it stands for.");
        let members = names(table, "members", "Who may be a member; dbopt does not make these roles.");
        if !name.is_empty()
            && let Err(fault) = check_role(name)
        {
            table.reject("", fault);
        }
        let stands_for = stands_for?;
        if let Some(matrix) = matrix
            && !matrix.roles().iter().any(|role| role.name == stands_for)
        {
            let known = matrix.roles().iter().map(|role| role.name.as_str());
            table.reject("stands_for", unknown("unknown-role", "role", &stands_for, known));
        }
        Some(DatabaseRole { name: name.to_owned(), stands_for, members })
    });
    roles.into_iter().map(|(_, role)| role).collect()
}

fn grant(
    table: &Table<'_>,
    matrix: Option<&Matrix>,
    roles: &[DatabaseRole],
    tenant: Option<&TenantIsolation>,
) -> Option<DatabaseGrant> {
    let permission: Option<String> = table.optional("permission", "For all roles that have this permission.");
    let named = names(table, "roles", "For these roles of PostgreSQL, beside any permission.");
    let tables: Vec<TableSelector> =
        table.or("tables", "Tables and views, or all of a schema as `shop.*`.", Vec::new());
    let privileges: Vec<Privilege> = table.or("privileges", "What may be done to them.", Vec::new());
    let columns = names(table, "columns", "Only these columns of theirs.");
    let sequences: Vec<TableSelector> = table.or("sequences", "Sequences that may be used (USAGE).", Vec::new());
    let functions = table.or("functions", "Functions that may be called (EXECUTE).", Vec::new());
    let reject = |key, code, what: &str, help: &str| table.reject(key, Fault::new(code, what).help(help));
    match (&permission, named.is_empty()) {
        (None, true) => reject("", "missing-key", "nobody is named", "Write `permission`, or `roles`."),
        (Some(_), false) => reject("roles", "contradiction", "a permission and roles are named", "Write two grants."),
        _ => {}
    }
    if let (Some(permission), Some(matrix)) = (&permission, matrix) {
        match matrix.permission(permission) {
            None => table
                .reject("permission", unknown("unknown-permission", "permission", permission, matrix.permissions())),
            Some(found) if !roles.iter().any(|role| matrix.allows(&[&role.stands_for], found)) => {
                let fault = Fault::new("unused-grant", format!("no role of the database has `{permission}`"));
                table.warn("permission", fault.help("Add a section `[database.role.NAME]` for a role that has it."));
            }
            Some(_) => {}
        }
    }
    for role in named.iter().filter(|name| !roles.iter().any(|role| role.name == **name)) {
        let known = roles.iter().map(|role| role.name.as_str());
        table.reject("roles", unknown("unknown-role", "role of the database", role, known));
    }
    if tables.is_empty() && sequences.is_empty() && functions.is_empty() {
        reject("", "missing-key", "nothing is given", "Write `tables`, `sequences` or `functions`.");
    }
    if tables.is_empty() != privileges.is_empty() {
        reject("privileges", "contradiction", "of `tables` and `privileges` there is one", "Write both, or none.");
    }
    let is_all = |table: &TableSelector| table.exact().is_none();
    if !columns.is_empty() && tables.iter().any(is_all) {
        reject("columns", "contradiction", "columns are named of all tables", "Name the tables.");
    }
    if !columns.is_empty() && !privileges.iter().all(|privilege| privilege.is_of_columns()) {
        let help = "On columns there are `select`, `insert`, `update` and `references`.";
        reject("columns", "contradiction", "a privilege is of whole tables only", help);
    }
    for privilege in privileges.iter().filter(|privilege| privilege.passes_rows()) {
        let is_tenants = |of: &TenantTable| tables.iter().any(|table| table.matches(&of.schema, &of.name));
        if tenant.is_some_and(|tenant| tenant.tables.iter().any(is_tenants)) {
            let what = format!("{} on a table of tenants does not look at rows", privilege.sql());
            let fault = Fault::new("past-row-security", what);
            table.warn("privileges", fault.help("Leave it to the owner of the table."));
        }
    }
    Some(DatabaseGrant { permission, roles: named, tables, privileges, columns, sequences, functions })
}

fn tenant(table: &Table<'_>) -> Option<TenantIsolation> {
    let setting: Option<Setting> = table.required("setting", "The setting in which a transaction says its tenant.");
    let Name(column) =
        table.or("column", "The column of the tenant, where a table does not name another.", Name("tenant".to_owned()));
    let tenant_type = table.choice("type", "The type of that column.", &TYPES).unwrap_or_default();
    let listed: Vec<TableSelector> = table.or("tables", "Tables whose rows belong to tenants.", Vec::new());
    let views: Vec<TableSelector> =
        table.or("views", "Views that are to run with the rights of whoever asks (security_invoker).", Vec::new());
    let of = |selector: &TableSelector| {
        let (schema, name) = selector.exact()?;
        Some(TenantTable {
            schema: schema.to_owned(),
            name: name.to_owned(),
            column: column.clone(),
            tenant_type,
            exempt_owner: false,
        })
    };
    let each = |key: &str, what: &str| {
        let fault = Fault::new("bad-table", format!("{what} are named one by one"));
        table.reject(key, fault.help("Write `schema.name`, without `*`."));
    };
    let mut tables: Vec<TenantTable> = listed.iter().filter_map(of).collect();
    if tables.len() < listed.len() {
        each("tables", "tables of tenants");
    }
    let different =
        table.named("table", "A table of tenants that differs from the others, by its name.", |name, table| {
            let Name(own) = table.or("column", "The column of its tenant.", Name(column.clone()));
            let own_type = table.choice("type", "The type of that column.", &TYPES).unwrap_or(tenant_type);
            let exempt_owner = table.or("exempt_owner", "Whether its owner sees all tenants.", false);
            if exempt_owner {
                let fault = Fault::new(
                    "exempt-owner",
                    "the owner of this table sees all tenants, and so do functions and views of the owner",
                );
                table.warn("exempt_owner", fault.help("Let a role that is for all tenants do what needs them."));
            }
            let selector = TableSelector::parse(name);
            if let Err(fault) = &selector
                && !name.is_empty()
            {
                table.reject("", fault.clone());
            }
            let found = selector.ok().as_ref().and_then(of);
            if found.is_none() && !name.is_empty() && name.contains('*') {
                table.reject("", Fault::new("bad-table", "tables of tenants are named one by one"));
            }
            Some(TenantTable { column: own, tenant_type: own_type, exempt_owner, ..found? })
        });
    tables.extend(different.into_iter().map(|(_, table)| table));
    tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    for pair in tables.windows(2).filter(|pair| (&pair[0].schema, &pair[0].name) == (&pair[1].schema, &pair[1].name)) {
        table.reject(
            "tables",
            Fault::new("same-table", format!("table `{}.{}` is there twice", pair[0].schema, pair[0].name)),
        );
    }
    if tables.is_empty() {
        let fault = Fault::new("no-tables", "no table belongs to a tenant");
        table.warn("tables", fault.help("Name the tables whose rows are of one tenant each."));
    }
    let mut invoker: Vec<(String, String)> = views
        .iter()
        .filter_map(|view| view.exact().map(|(schema, name)| (schema.to_owned(), name.to_owned())))
        .collect();
    if invoker.len() < views.len() {
        each("views", "views");
    }
    invoker.sort();
    invoker.dedup();
    let Setting(setting) = setting?;
    Some(TenantIsolation { setting, column, tables, views: invoker })
}

/// What is named has to lie in a schema that is compared, or nobody would ever look at it.
fn check_schemas(table: &Table<'_>, access: &DatabaseAccess) {
    let mut outside = BTreeSet::new();
    let mut look = |schema: &str, name: &str| {
        if !access.schemas.iter().any(|known| known == schema) {
            outside.insert(format!("{schema}.{name}"));
        }
    };
    let mut is_every_schema = false;
    for selector in access.grants.iter().flat_map(|grant| grant.tables.iter().chain(&grant.sequences)) {
        match (selector.exact(), selector.all_of()) {
            (Some((schema, name)), _) => look(schema, name),
            (None, Some(schema)) => look(schema, "*"),
            (None, None) => is_every_schema = true,
        }
    }
    for function in access.grants.iter().flat_map(|grant| &grant.functions).chain(&access.definer_functions) {
        look(&function.schema, &function.name);
    }
    if let Some(tenant) = &access.tenant {
        tenant.tables.iter().for_each(|of| look(&of.schema, &of.name));
        tenant.views.iter().for_each(|(schema, name)| look(schema, name));
    }
    if is_every_schema {
        let fault = Fault::new("bad-table", "a grant is of more than one schema");
        table.reject("grant", fault.help("Write `schema.*` for each."));
    }
    for name in outside {
        let fault = Fault::new("other-schema", format!("`{name}` is in no schema that is compared"));
        table.reject("schemas", fault.help("Add its schema to `schemas`."));
    }
    let all = |grant: &DatabaseGrant| grant.tables.iter().chain(&grant.sequences).any(|table| table.exact().is_none());
    if access.creators.is_empty() && access.grants.iter().any(all) {
        let fault = Fault::new("no-creators", "rights on all tables of a schema do not hold on those made later");
        table.warn("creators", fault.help("Name the roles that make tables."));
    }
}

fn check_members(table: &Table<'_>, access: &DatabaseAccess, matrix: Option<&Matrix>) {
    let is_for_all = |role: &DatabaseRole| matrix.is_some_and(|matrix| matrix.is_for_all_tenants(&role.stands_for));
    for role in &access.roles {
        for member in &role.members {
            if access.roles.iter().any(|other| other.name == *member) {
                let what = format!("role `{member}` of this policy is a member of `{}`", role.name);
                let fault = Fault::new("contradiction", what);
                table.reject(
                    "role",
                    fault.help("Let roles inherit in `[role]`; each role of the database has all of its own."),
                );
            }
            let others = access.roles.iter().filter(|other| other.members.contains(member));
            if access.tenant.is_some() && is_for_all(role) && others.clone().any(|other| !is_for_all(other)) {
                let what = format!(
                    "`{member}` is a member of `{}`, which is for all tenants, and of a role that is not",
                    role.name
                );
                let fault = Fault::new("mixed-member", what);
                table.warn("role", fault.help("Let what works for all tenants connect as somebody else."));
            }
        }
    }
}

/// There is no such name; the one that is probably meant.
pub(in crate::access) fn unknown<'a>(
    code: &'static str,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Fault {
    let fault = Fault::new(code, format!("there is no {what} `{name}`"));
    match suggest(name, known) {
        Some(meant) => fault.help(format!("Did you mean `{meant}`?")),
        None => fault,
    }
}
