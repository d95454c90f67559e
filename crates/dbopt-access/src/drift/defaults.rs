//! Rights on what is made later.

use std::collections::BTreeSet;

use dbopt_sql::quote_ident;

use crate::{
    actual::{Actual, Promised},
    desired::{Desired, Object, Right, Subject},
    difference::Difference,
};

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    let wanted = wanted(desired, actual);
    for promised in &actual.defaults {
        if is_compared(desired, promised) && !wanted.contains(promised) {
            let Promised { privilege, grantee, .. } = promised;
            let (creator, kind) = (quote_ident(&promised.creator), kind(&promised.kind));
            let who = if *grantee == Subject::Public { "everybody".to_owned() } else { grantee.to_string() };
            found.push(
                Difference::error(
                    "extra-default",
                    place(promised),
                    format!("{who} will have {privilege} on {kind} that {creator} makes"),
                )
                .why("The policy does not give it, so each new one will be a difference.")
                .mend(statement(promised, &format!("REVOKE {privilege} ON {kind} FROM {grantee}"))),
            );
        }
    }
    for promised in wanted.iter().filter(|promised| !actual.defaults.contains(promised)) {
        let Promised { privilege, grantee, .. } = promised;
        let (creator, kind) = (quote_ident(&promised.creator), kind(&promised.kind));
        found.push(
            Difference::warning(
                "missing-default",
                place(promised),
                format!("{grantee} will not have {privilege} on {kind} that {creator} makes"),
            )
            .why("The policy gives it on all of the schema.")
            .mend(statement(promised, &format!("GRANT {privilege} ON {kind} TO {grantee}"))),
        );
    }
    for creator in &desired.creators {
        let ident = quote_ident(creator);
        if !actual.roles.contains_key(creator) {
            found.push(
                Difference::warning("missing-role", &ident, "the role, which makes tables, does not exist")
                    .why("dbopt does not make it. Correct `creators`, or make the role."),
            );
        } else if desired.revoke_public && !actual.closed_creators.contains(creator) {
            found.push(
                Difference::error(
                    "extra-default",
                    &ident,
                    format!("everybody will have EXECUTE on functions that {ident} makes"),
                )
                .why("That is what PostgreSQL gives unless it is taken away, for all schemas at once.")
                .mend(format!("ALTER DEFAULT PRIVILEGES FOR ROLE {ident} REVOKE EXECUTE ON ROUTINES FROM PUBLIC;")),
            );
        }
    }
    found
}

fn wanted(desired: &Desired, actual: &Actual) -> Vec<Promised> {
    let mut wanted = BTreeSet::new();
    for Right { object, privilege, subject } in &desired.rights {
        let (kind, schema) = match object {
            Object::Tables(schema) => ("r", schema),
            Object::Sequences(schema) => ("S", schema),
            _ => continue,
        };
        if actual.schemas.values().any(|known| known.name == *schema) {
            for creator in desired.creators.iter().filter(|creator| actual.roles.contains_key(*creator)) {
                wanted.insert((creator, schema, kind, privilege, subject));
            }
        }
    }
    let promised =
        |(creator, schema, kind, privilege, subject): (&String, &String, &str, &String, &Subject)| Promised {
            creator: creator.clone(),
            schema: Some(schema.clone()),
            kind: kind.to_owned(),
            privilege: privilege.clone(),
            grantee: subject.clone(),
        };
    wanted.into_iter().map(promised).collect()
}

/// In the schemas all are compared, beyond them those of the policy's roles.
fn is_compared(desired: &Desired, promised: &Promised) -> bool {
    match (&promised.grantee, &promised.schema) {
        (Subject::Role(role), Some(_)) => !desired.leave.contains(role),
        (Subject::Role(role), None) => desired.roles.contains_key(role),
        (Subject::Public, Some(_)) => desired.revoke_public,
        // What everybody has on functions is told once for the creator, and on types it is nobody's loss.
        (Subject::Public, None) => {
            desired.revoke_public
                && desired.creators.contains(&promised.creator)
                && !matches!(promised.kind.as_str(), "f" | "T")
        }
    }
}

fn place(promised: &Promised) -> String {
    promised
        .schema
        .as_deref()
        .map_or_else(|| quote_ident(&promised.creator).into_owned(), |it| quote_ident(it).into_owned())
}

fn kind(kind: &str) -> &'static str {
    match kind {
        "r" => "TABLES",
        "S" => "SEQUENCES",
        "f" => "ROUTINES",
        "T" => "TYPES",
        _ => "SCHEMAS",
    }
}

fn statement(promised: &Promised, what: &str) -> String {
    let schema = promised.schema.as_deref().map(|schema| format!(" IN SCHEMA {}", quote_ident(schema)));
    format!(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {}{} {what};",
        quote_ident(&promised.creator),
        schema.unwrap_or_default()
    )
}
