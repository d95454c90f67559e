//! Rights on schemas, tables, columns, sequences and functions.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_finding::Severity;

use crate::{
    actual::{Actual, Held, Of},
    desired::{Desired, Object, Right, Subject},
    difference::Difference,
};

/// A right on what there is.
type Wanted = (Of, Option<String>, String, Subject);

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let (wanted, mut found) = wanted(desired, actual);
    found.extend(extra(desired, actual, &wanted));
    let held: BTreeSet<Wanted> = actual
        .rights
        .iter()
        .map(|held| (held.of, held.column.clone(), held.privilege.clone(), held.grantee.clone()))
        .collect();
    let mut missing: BTreeMap<(Object, &Subject), Vec<&str>> = BTreeMap::new();
    for (key, object) in wanted.iter().filter(|(key, _)| !held.contains(*key)) {
        missing.entry((object.clone(), &key.3)).or_default().push(&key.2);
    }
    for ((object, subject), privileges) in missing {
        let mut difference =
            Difference::warning("missing-grant", &object, format!("{subject} has no {}", privileges.join(", ")))
                .why("The policy gives it.");
        difference.statements = each(&object, &privileges, |on| format!("GRANT {on} TO {subject};"));
        found.push(difference);
    }
    found
}

/// What the policy gives on what there is, and what it names that there is not.
fn wanted(desired: &Desired, actual: &Actual) -> (BTreeMap<Wanted, Object>, Vec<Difference>) {
    let mut wanted = BTreeMap::new();
    let mut nowhere: BTreeMap<Object, &str> = BTreeMap::new();
    for Right { object, privilege, subject } in &desired.rights {
        let mut want = |of: Of, column: Option<String>, object: Object| {
            wanted.insert((of, column, privilege.clone(), subject.clone()), object);
        };
        let of_kind = |schema: &str, name: &str, kinds: &str| {
            actual.relation(schema, name).filter(|(_, relation)| kinds.contains(&relation.kind)).map(|(oid, _)| oid)
        };
        match object {
            Object::Schema(name) => match actual.schemas.iter().find(|(_, schema)| schema.name == *name) {
                Some((oid, _)) => want(Of::Schema(*oid), None, object.clone()),
                None => drop(nowhere.insert(object.clone(), "schema")),
            },
            Object::Table(schema, name) => match of_kind(schema, name, "rpvmf") {
                Some(oid) => want(Of::Relation(oid), None, object.clone()),
                None => drop(nowhere.insert(object.clone(), "table")),
            },
            Object::Sequence(schema, name) => match of_kind(schema, name, "S") {
                Some(oid) => want(Of::Relation(oid), None, object.clone()),
                None => drop(nowhere.insert(object.clone(), "sequence")),
            },
            Object::Column(schema, name, column) => {
                let oid = of_kind(schema, name, "rpvmf");
                match oid.filter(|oid| actual.columns.contains_key(&(*oid, column.clone()))) {
                    Some(oid) => want(Of::Relation(oid), Some(column.clone()), object.clone()),
                    None => drop(nowhere.insert(object.clone(), "column")),
                }
            }
            Object::Function(..) => match actual.signatures.get(&object.to_string()) {
                Some(oid) => want(Of::Function(*oid), None, object.clone()),
                None => drop(nowhere.insert(object.clone(), "function")),
            },
            Object::Tables(schema) | Object::Sequences(schema) => {
                let kinds = if matches!(object, Object::Tables(_)) { "rpvf" } else { "S" };
                for (oid, relation) in &actual.relations {
                    if relation.schema == *schema && kinds.contains(&relation.kind) {
                        let name = relation.name.clone();
                        let one = match object {
                            Object::Tables(_) => Object::Table(schema.clone(), name),
                            _ => Object::Sequence(schema.clone(), name),
                        };
                        want(Of::Relation(*oid), None, one);
                    }
                }
            }
        }
    }
    let nowhere = nowhere.into_iter().map(|(object, what)| {
        Difference::warning("missing-object", &object, format!("the {what} that the policy names is not there"))
            .why("Either it is still to be made, or the policy means something else.")
    });
    (wanted, nowhere.collect())
}

/// What somebody has and the policy does not give.
fn extra(desired: &Desired, actual: &Actual, wanted: &BTreeMap<Wanted, Object>) -> Vec<Difference> {
    let mut surplus: BTreeMap<(Object, &Subject, Option<&str>, bool), Vec<&Held>> = BTreeMap::new();
    for held in &actual.rights {
        let Some(object) = actual.object(held).filter(|object| desired.schemas.contains(object.schema())) else {
            continue;
        };
        let is_left = match &held.grantee {
            Subject::Public => !desired.revoke_public,
            Subject::Role(role) => desired.leave.contains(role),
        };
        let key = (held.of, held.column.clone(), held.privilege.clone(), held.grantee.clone());
        let is_wanted = wanted.contains_key(&key);
        if is_left || is_wanted && !held.is_grantable {
            continue;
        }
        surplus.entry((object, &held.grantee, held.grantor.as_deref(), is_wanted)).or_default().push(held);
    }
    let mut found = Vec::new();
    for ((object, subject, grantor, is_wanted), helds) in surplus {
        let privileges: Vec<&str> = helds.iter().map(|held| held.privilege.as_str()).collect();
        let list = privileges.join(", ");
        let (code, message, why) = match subject {
            _ if is_wanted => (
                "grant-option",
                format!("{subject} may give {list} to others"),
                "Then the policy does not say who has it.",
            ),
            Subject::Public => {
                ("public-grant", format!("everybody has {list}"), "So has every role that will ever be made.")
            }
            Subject::Role(role) if desired.roles.contains_key(role) => {
                ("extra-grant", format!("{subject} has {list}"), "The policy does not give it.")
            }
            Subject::Role(_) => (
                "unlisted-grantee",
                format!("{subject}, which the policy does not know, has {list}"),
                "What a role may do outside of the policy nobody sees there. Name it in `leave` if that is meant.",
            ),
        };
        let mut difference = Difference::new(Severity::Error, code, &object, message).why(why);
        let is_grantable = helds.iter().any(|held| held.is_grantable);
        difference.statements = match grantor {
            // A right can be taken by whoever gave it, and goes with that one's right to give it.
            Some(grantor) => {
                let grantor = Subject::Role(grantor.to_owned());
                each(&object, &privileges, |on| format!("REVOKE GRANT OPTION FOR {on} FROM {grantor} CASCADE;"))
            }
            None if is_wanted => {
                each(&object, &privileges, |on| format!("REVOKE GRANT OPTION FOR {on} FROM {subject} CASCADE;"))
            }
            None => {
                let cascade = if is_grantable { " CASCADE" } else { "" };
                each(&object, &privileges, |on| format!("REVOKE {on} FROM {subject}{cascade};"))
            }
        };
        difference.statements.extend(columns_again(&object, &helds, wanted));
        found.push(difference);
    }
    found
}

/// A right taken on a table is taken on its columns, too; those that the policy gives are given again.
fn columns_again(object: &Object, helds: &[&Held], wanted: &BTreeMap<Wanted, Object>) -> Vec<String> {
    if !matches!(object, Object::Table(..)) {
        return Vec::new();
    }
    let is_lost = |(of, column, privilege, subject): &Wanted| {
        column.is_some()
            && helds.iter().any(|held| held.of == *of && held.privilege == *privilege && held.grantee == *subject)
    };
    let lost = wanted.iter().filter(|(key, _)| is_lost(key));
    lost.map(|((_, _, privilege, subject), object)| format!("GRANT {} TO {subject};", object.on(privilege))).collect()
}

/// One statement for all privileges; on a column one for each, since it stands behind each.
fn each(object: &Object, privileges: &[&str], statement: impl Fn(&str) -> String) -> Vec<String> {
    match object {
        Object::Column(..) => privileges.iter().map(|privilege| statement(&object.on(privilege))).collect(),
        _ => vec![statement(&object.on(&privileges.join(", ")))],
    }
}
