//! Roles, what they may do by themselves, and who is a member of them.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_sql::quote_ident;

use super::new_owner;
use crate::{
    actual::{Actual, Relation},
    desired::Desired,
    difference::Difference,
    script::membership,
};

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, members) in &desired.roles {
        let ident = quote_ident(name);
        if let Some(role) = actual.roles.get(name) {
            let powers = [
                (role.superuser, "SUPERUSER"),
                (role.bypasses, "BYPASSRLS"),
                (role.makes_roles, "CREATEROLE"),
                (role.replicates, "REPLICATION"),
            ];
            let powers: Vec<&str> = powers.into_iter().filter(|(has, _)| *has).map(|(_, power)| power).collect();
            if !powers.is_empty() {
                let not: Vec<String> = powers.iter().map(|power| format!("NO{power}")).collect();
                found.push(
                    Difference::error("powerful-role", &ident, format!("the role has {}", powers.join(", ")))
                        .why("Rights and row-level security do not hold for such a role, or it can get around them.")
                        .mend(format!("ALTER ROLE {ident} {};", not.join(" "))),
                );
            }
        } else {
            found.push(
                Difference::warning("missing-role", &ident, "the role does not exist")
                    .why("Nobody has what the policy gives to it.")
                    .mend(format!("CREATE ROLE {ident} NOLOGIN;")),
            );
        }
        found.extend(memberships(desired, actual, name, members));
    }
    found.extend(passing(desired, actual));
    found.extend(owning(desired, actual));
    found
}

fn memberships(desired: &Desired, actual: &Actual, name: &str, members: &BTreeSet<String>) -> Vec<Difference> {
    let ident = quote_ident(name);
    let mut found = Vec::new();
    for member in members.iter().filter(|member| !actual.members.contains(&(name.to_owned(), (*member).clone()))) {
        let other = quote_ident(member);
        let difference = Difference::warning("missing-member", &ident, format!("{other} is no member"));
        found.push(if actual.roles.contains_key(member) {
            difference.why("It has nothing of what the policy gives to this role.").mend(membership(name, member))
        } else {
            difference.why("There is no such role; dbopt makes none that can log in.")
        });
    }
    for (role, member) in &actual.members {
        if role == name && !members.contains(member) && !desired.leave.contains(member) {
            let other = quote_ident(member);
            found.push(
                Difference::error(
                    "extra-member",
                    &ident,
                    format!("{other} is a member, which the policy does not say"),
                )
                .why("It has all that this role has.")
                .mend(format!("REVOKE {ident} FROM {other};")),
            );
        }
        if member == name && !desired.leave.contains(role) && !members_of(desired, role).contains(name) {
            let other = quote_ident(role);
            found.push(
                Difference::error("extra-membership", &ident, format!("the role is a member of {other}"))
                    .why("It has all that the other has, beside what the policy gives.")
                    .mend(format!("REVOKE {other} FROM {ident};")),
            );
        }
    }
    found
}

fn members_of<'a>(desired: &'a Desired, role: &str) -> std::borrow::Cow<'a, BTreeSet<String>> {
    desired.roles.get(role).map_or_else(Default::default, std::borrow::Cow::Borrowed)
}

/// All who have what a role of the policy has, members of members included, without these roles.
fn holders<'a>(desired: &'a Desired, actual: &'a Actual) -> BTreeSet<&'a String> {
    let listed = desired.roles.values().flatten();
    let below = desired.roles.keys().flat_map(|role| actual.members_below(role));
    listed.chain(below).filter(|name| !desired.roles.contains_key(*name) && !desired.leave.contains(*name)).collect()
}

/// Members who have rights on all tables, or for whom row-level security does not hold.
fn passing(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    for member in holders(desired, actual) {
        for all in ["pg_read_all_data", "pg_write_all_data"] {
            if actual.members.contains(&(all.to_owned(), member.clone())) {
                let ident = quote_ident(member);
                found.push(
                    Difference::error(
                        "extra-membership",
                        &ident,
                        format!("a member of the policy's roles is one of {all}, too"),
                    )
                    .why("It has rights on all tables, whatever the policy gives.")
                    .mend(format!("REVOKE {all} FROM {ident};")),
                );
            }
        }
        let Some(role) = actual.roles.get(member).filter(|role| role.passes_rows()) else { continue };
        let ident = quote_ident(member);
        let what = if role.superuser { "is a superuser" } else { "has BYPASSRLS" };
        let difference =
            Difference::error("member-passes-rows", &ident, format!("a member of the policy's roles {what}"));
        found.push(if role.superuser {
            difference.why("It sees and changes the rows of all tenants. Take it out of the role, or let the application connect as another.")
        } else {
            difference
                .why("It sees and changes the rows of all tenants.")
                .mend(format!("ALTER ROLE {ident} NOBYPASSRLS;"))
        });
    }
    found
}

/// Something that is owned: how SQL names it, and its kind.
type Owned = (String, &'static str);

/// Roles and members that own a schema or a table of tenants, or may become its owner: whoever owns a table can turn its row-level
/// security off.
fn owning(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut owned: BTreeMap<&str, Vec<Owned>> = BTreeMap::new();
    for schema in actual.schemas.values() {
        let name = quote_ident(&schema.name).into_owned();
        owned.entry(&schema.owner).or_default().push((name, "SCHEMA"));
    }
    for relation in actual.relations.values() {
        let is_compared = desired.schemas.contains(&relation.schema) && relation.kind != "S";
        // What a role of the policy owns it may do anything with; its members may own other things.
        if relation.root.is_some() || is_compared && desired.roles.contains_key(&relation.owner) {
            owned.entry(&relation.owner).or_default().push((relation.sql(), kind(relation)));
        }
    }
    let subjects: BTreeSet<&String> = desired.roles.keys().chain(holders(desired, actual)).collect();
    let mut found = Vec::new();
    for subject in subjects {
        let roles = actual.roles_of(subject);
        let is_superuser = |name: &str| actual.roles.get(name).is_some_and(|role| role.superuser);
        if is_superuser(subject) {
            continue;
        }
        for (owner, owned) in owned.iter().filter(|(owner, _)| roles.contains(**owner)) {
            let (ident, of) = (quote_ident(subject), quote_ident(owner));
            let first = &owned[0].0;
            let which = if owned.len() == 1 { first.clone() } else { format!("{first} and {} more", owned.len() - 1) };
            if owner == subject {
                let mut difference = Difference::error("role-owns", &ident, format!("it owns {which}"))
                    .why("An owner has all rights and can turn row-level security off. Let another role own it.");
                if let Some(new) = new_owner(desired, actual).filter(|new| !roles.contains(*new)) {
                    let new = quote_ident(new);
                    let give_away = |(name, kind): &Owned| format!("ALTER {kind} {name} OWNER TO {new};");
                    difference.statements = owned.iter().map(give_away).collect();
                }
                found.push(difference);
            } else if desired.roles.contains_key(*owner) {
                // Told of the owner itself.
            } else {
                let difference =
                    Difference::error("role-owns", &ident, format!("it is a member of {of}, which owns {which}")).why(
                        "An owner has all rights and can turn row-level security off, and a member can become it.",
                    );
                let is_direct = actual.members.contains(&((*owner).to_owned(), subject.clone()));
                found.push(if is_direct { difference.mend(format!("REVOKE {of} FROM {ident};")) } else { difference });
            }
        }
    }
    found
}

fn kind(relation: &Relation) -> &'static str {
    match relation.kind.as_str() {
        "v" => "VIEW",
        "m" => "MATERIALIZED VIEW",
        "f" => "FOREIGN TABLE",
        _ => "TABLE",
    }
}
