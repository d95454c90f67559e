//! The policies of a table of tenants.

use std::collections::BTreeSet;

use dbopt_auth::{Privilege, TenantTable, TenantType};
use dbopt_sql::quote_ident;

use crate::desired::{Desired, Subject};

/// A policy of row-level security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowPolicy {
    /// Its name. Those that begin with `dbopt_` are dbopt's to drop.
    pub(crate) name: &'static str,
    /// The command, or none for all.
    pub(crate) command: Option<Privilege>,
    /// For whom.
    pub(crate) subjects: BTreeSet<Subject>,
    /// Whether it looks at the tenant, or lets all rows pass.
    pub(crate) is_of_tenant: bool,
}

/// The policy that keeps tenants apart.
const TENANT_POLICY: &str = "dbopt_tenant";

/// The policies that a table has to have, in the order in which they are made.
pub(crate) fn policies(desired: &Desired, table: &TenantTable) -> Vec<RowPolicy> {
    let tenant = RowPolicy {
        name: TENANT_POLICY,
        command: None,
        subjects: BTreeSet::from([Subject::Public]),
        is_of_tenant: true,
    };
    let of = desired.all_tenants.get(&(table.schema.clone(), table.name.clone()));
    let all = of.into_iter().flatten().map(|(privilege, roles)| RowPolicy {
        name: all_tenants(*privilege),
        command: Some(*privilege),
        subjects: roles.iter().cloned().map(Subject::Role).collect(),
        is_of_tenant: false,
    });
    std::iter::once(tenant).chain(all).collect()
}

fn all_tenants(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Insert => "dbopt_all_tenants_insert",
        Privilege::Update => "dbopt_all_tenants_update",
        Privilege::Delete => "dbopt_all_tenants_delete",
        _ => "dbopt_all_tenants_select",
    }
}

impl RowPolicy {
    /// The statement that makes it on a table.
    pub(crate) fn create(&self, on: &str, table: &TenantTable, setting: &str) -> String {
        let subjects: Vec<String> = self.subjects.iter().map(ToString::to_string).collect();
        let command = self.command.map_or("ALL", Privilege::sql);
        let condition = if self.is_of_tenant { condition(table, setting) } else { "true".to_owned() };
        let using = if self.has_using() { format!(" USING ({condition})") } else { String::new() };
        let check = if self.has_check() { format!(" WITH CHECK ({condition})") } else { String::new() };
        let (name, subjects) = (self.name, subjects.join(", "));
        format!("CREATE POLICY {name} ON {on} AS PERMISSIVE FOR {command} TO {subjects}{using}{check};")
    }

    /// Whether it says which rows are there.
    pub(crate) fn has_using(&self) -> bool {
        self.command != Some(Privilege::Insert)
    }

    /// Whether it says which rows may be written.
    pub(crate) fn has_check(&self) -> bool {
        !matches!(self.command, Some(Privilege::Select | Privilege::Delete))
    }

    /// As in `pg_policy.polcmd`.
    pub(crate) fn catalogue_command(&self) -> &'static str {
        match self.command {
            None => "*",
            Some(Privilege::Insert) => "a",
            Some(Privilege::Update) => "w",
            Some(Privilege::Delete) => "d",
            Some(_) => "r",
        }
    }

    /// Its condition as `pg_get_expr` writes it, for a column by its quoted name and type.
    pub(crate) fn catalogue_condition(&self, table: &TenantTable, setting: &str, column: &str, kind: &str) -> String {
        if !self.is_of_tenant {
            return "true".to_owned();
        }
        let said = format!("NULLIF(current_setting('{setting}'::text, true), ''::text)");
        match table.tenant_type {
            TenantType::Text if kind != "text" => format!("(({column})::text = {said})"),
            TenantType::Text => format!("({column} = {said})"),
            other => format!("({column} = ({said})::{})", other.sql()),
        }
    }
}

/// The rows of the tenant that the transaction has said. It is none when the setting was never set, and when it was set in a
/// transaction that is over, which leaves an empty text behind; then there are no rows.
fn condition(table: &TenantTable, setting: &str) -> String {
    let cast = match table.tenant_type {
        TenantType::Text => String::new(),
        other => format!("::{}", other.sql()),
    };
    let column = quote_ident(&table.column);
    format!("{column} = NULLIF(current_setting('{setting}', true), ''){cast}")
}

/// Whether a column can hold a tenant of a type.
pub(crate) fn fits(tenant: TenantType, kind: &str) -> bool {
    kind == tenant.sql() || tenant == TenantType::Text && kind.starts_with("character varying")
}
