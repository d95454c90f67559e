//! Functions that run with their owner's rights.
//!
//! What a function does is not in the catalogue but in its text, in whatever language; so all of them in the schemas are told,
//! unless the policy permits them.

use std::collections::BTreeSet;

use dbopt_sql::quote_ident;

use crate::{
    actual::Actual,
    desired::{Desired, qualified},
    difference::Difference,
};

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut permitted = BTreeSet::new();
    for signature in &desired.definer_functions {
        let written = format!("{}({})", qualified(&signature.schema, &signature.name), signature.arguments);
        match actual.signatures.get(&written) {
            Some(oid) => drop(permitted.insert(*oid)),
            None => found.push(
                Difference::warning("missing-object", written, "the function that the policy names is not there")
                    .why("Either it is still to be made, or the policy means another."),
            ),
        }
    }
    for (oid, function) in actual.functions.iter().filter(|(_, function)| function.is_definer) {
        let sql = function.sql();
        if !permitted.contains(oid) {
            found.push(
                Difference::error(
                    "definer-function",
                    &sql,
                    "the function runs as its owner, which the policy does not permit",
                )
                .why("Whoever may call it does what its owner may. Name it in `definer_functions` if that is meant.")
                .mend(format!("ALTER ROUTINE {sql} SECURITY INVOKER;")),
            );
        } else if !function.has_search_path {
            found.push(
                Difference::error("definer-search-path", &sql, "the function runs as its owner with the caller's search_path")
                    .why("A caller can put tables and functions of its own in the place of those that it means. The one below finds those of its schema.")
                    .mend(format!("ALTER ROUTINE {sql} SET search_path = pg_catalog, {}, pg_temp;", quote_ident(&function.schema))),
            );
        }
    }
    found
}
