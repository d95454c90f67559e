//! Views that read tables of tenants.

use std::collections::BTreeSet;

use dbopt_sql::quote_ident;

use super::new_owner;
use crate::{
    actual::{Actual, Of, Relation},
    desired::{Desired, Object, Subject, qualified},
    difference::Difference,
};

/// Since this version a view can run with the rights of whoever asks.
const INVOKER_VIEWS: u32 = 150_000;

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    for (schema, name) in &desired.views {
        if actual.relation(schema, name).is_none_or(|(_, view)| view.kind != "v") {
            found.push(
                Difference::warning(
                    "missing-object",
                    qualified(schema, name),
                    "the view that the policy names is not there",
                )
                .why("Either it is still to be made, or the policy means another."),
            );
        }
    }
    for (oid, relation) in &actual.relations {
        let is_listed = desired.views.iter().any(|(schema, name)| relation.schema == *schema && relation.name == *name);
        match relation.kind.as_str() {
            "v" if (relation.reads_tenants || is_listed) && !relation.is_invoker => {
                found.extend(definer(desired, actual, relation));
            }
            "m" if relation.reads_tenants => found.extend(materialized(desired, actual, *oid, relation)),
            _ => {}
        }
    }
    found
}

/// A view that runs with its owner's rights, and so with the owner's standing before row-level security.
fn definer(desired: &Desired, actual: &Actual, view: &Relation) -> Option<Difference> {
    let passes = actual.roles.get(&view.owner).is_some_and(|role| role.passes_rows());
    let is_exempt = desired.tables.iter().any(|table| {
        let of = actual.relation(&table.schema, &table.name);
        table.exempt_owner && of.is_some_and(|(_, of)| of.owner == view.owner)
    });
    let (sql, owner) = (view.sql(), quote_ident(&view.owner));
    let opens = passes || is_exempt;
    let what = format!("the view runs as its owner {owner}");
    let difference = if opens {
        Difference::error("definer-view", &sql, what)
            .why("Row-level security does not hold for that owner, so whoever may read the view reads all tenants.")
    } else {
        Difference::warning("definer-view", &sql, what)
            .why("Its owner is held to the tenant's rows, but readers have the owner's rights on the tables.")
    };
    if actual.version >= INVOKER_VIEWS {
        return Some(difference.mend(format!("ALTER VIEW {sql} SET (security_invoker = true);")));
    }
    // A view of PostgreSQL 14 always runs as its owner; it is enough that the owner is held to the policies.
    let new = new_owner(desired, actual).filter(|new| *new != view.owner);
    opens.then(|| match new {
        Some(new) => difference.mend(format!("ALTER VIEW {sql} OWNER TO {};", quote_ident(new))),
        None => difference,
    })
}

/// A materialised view holds the rows that whoever filled it saw, and has no policies.
fn materialized(desired: &Desired, actual: &Actual, oid: u32, view: &Relation) -> Option<Difference> {
    let held = actual.rights.iter().filter(|held| held.of == Of::Relation(oid));
    let readers: BTreeSet<&Subject> = held
        .map(|held| &held.grantee)
        .filter(|grantee| !matches!(grantee, Subject::Role(role) if desired.leave.contains(role)))
        .collect();
    let object = Object::Table(view.schema.clone(), view.name.clone());
    let is_given = desired.rights.iter().any(|right| match &right.object {
        Object::Column(schema, name, _) => *schema == view.schema && *name == view.name,
        other => *other == object,
    });
    if readers.is_empty() && !is_given {
        return None;
    }
    let difference =
        Difference::error("materialized-view", view.sql(), "others than its owner may read this materialised view");
    Some(if is_given {
        difference.why("It holds rows of all tenants, and the policy itself gives rights on it: take it out of `[[database.grant]]`.")
    } else {
        let readers: Vec<String> = readers.into_iter().map(ToString::to_string).collect();
        difference.why("It holds rows of all tenants, and row-level security cannot be put on it.").mend(format!(
            "REVOKE ALL ON TABLE {} FROM {} CASCADE;",
            view.sql(),
            readers.join(", ")
        ))
    })
}
