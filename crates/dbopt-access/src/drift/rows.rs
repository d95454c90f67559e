//! Row-level security of the tables of tenants, and of those that are reached beside them.

use dbopt_auth::TenantTable;
use dbopt_finding::Severity;
use dbopt_sql::quote_ident;

use crate::{
    actual::{Actual, Of, Policy, Relation},
    desired::{Desired, qualified},
    difference::Difference,
    isolation::{RowPolicy, fits, policies},
};

pub(super) fn differences(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let Some((setting, column)) = &desired.tenant else { return Vec::new() };
    let mut found = Vec::new();
    for table in &desired.tables {
        if actual.relation(&table.schema, &table.name).is_none() {
            let name = qualified(&table.schema, &table.name);
            found.push(
                Difference::warning("missing-object", name, "the table of tenants that the policy names is not there")
                    .why("Either it is still to be made, or the policy means another."),
            );
        }
    }
    for (oid, relation) in &actual.relations {
        match relation.root.and_then(|root| listed(desired, actual, relation, root)) {
            Some(table) => found.extend(of_table(desired, actual, *oid, relation, table, setting)),
            None if relation.has_tenant_column && matches!(relation.kind.as_str(), "r" | "p" | "f") => found.push(
                Difference::error("unlisted-table", relation.sql(), format!("the table has a column {}, and the policy does not name it", quote_ident(column)))
                    .why("Its rows seem to belong to tenants, and nothing keeps them apart. Add it to `tables` in `[database.tenant]`."),
            ),
            None => {}
        }
    }
    found
}

/// What the policy says of a table, or of the one that it is a partition or child of.
fn listed<'a>(desired: &'a Desired, actual: &Actual, relation: &Relation, root: u32) -> Option<&'a TenantTable> {
    let of = |relation: &Relation| {
        desired.tables.iter().find(|table| table.schema == relation.schema && table.name == relation.name)
    };
    of(relation).or_else(|| of(actual.relations.get(&root)?))
}

fn of_table(
    desired: &Desired,
    actual: &Actual,
    oid: u32,
    relation: &Relation,
    table: &TenantTable,
    setting: &str,
) -> Vec<Difference> {
    let sql = relation.sql();
    let is_below = relation.root != Some(oid);
    if !matches!(relation.kind.as_str(), "r" | "p") {
        let what = "it is no table of this database, and row-level security is only for those";
        return vec![
            Difference::error("no-row-security", sql, what).why("Nobody but its owner should have rights on it."),
        ];
    }
    let Some(column) = actual.columns.get(&(oid, table.column.clone())) else {
        let what = format!("the table has no column {}", quote_ident(&table.column));
        return vec![Difference::error("no-tenant-column", sql, what).why("Nothing says whose its rows are.")];
    };
    let mut found = Vec::new();
    if !fits(table.tenant_type, &column.kind) {
        let what = format!("its column {} is of type {}, not {}", column.quoted, column.kind, table.tenant_type.sql());
        found.push(Difference::error("tenant-type", &sql, what).why("Correct `type` in the policy."));
    }
    let beside =
        "A partition or child that is reached by its own name is held to its own policies, not to its parent's.";
    if !relation.row_security {
        found.push(
            Difference::error("row-security-off", &sql, "row-level security is not enabled")
                .why(if is_below {
                    beside
                } else {
                    "Policies hold nobody: whoever may read the table reads all tenants."
                })
                .mend(format!("ALTER TABLE {sql} ENABLE ROW LEVEL SECURITY;")),
        );
    }
    if !relation.forced && !table.exempt_owner {
        found.push(
            Difference::error("row-security-not-forced", &sql, "row-level security does not hold for the owner")
                .why("Views and functions that run as the owner see all tenants.")
                .mend(format!("ALTER TABLE {sql} FORCE ROW LEVEL SECURITY;")),
        );
    } else if relation.forced && table.exempt_owner {
        found.push(
            Difference::warning("row-security-forced", &sql, "row-level security holds for the owner, too")
                .why("The policy exempts the owner.")
                .mend(format!("ALTER TABLE {sql} NO FORCE ROW LEVEL SECURITY;")),
        );
    }
    let wanted = policies(desired, table);
    let present: Vec<&Policy> = actual.policies.iter().filter(|policy| policy.table == oid).collect();
    for policy in &wanted {
        let create = policy.create(&sql, table, setting);
        let condition = policy.catalogue_condition(table, setting, &column.quoted, &column.kind);
        match present.iter().find(|other| other.name == policy.name) {
            None => found.push(
                Difference::warning("missing-policy", &sql, format!("there is no policy {}", policy.name))
                    .why("Without a policy that lets a row pass it is there for nobody.")
                    .mend(create),
            ),
            Some(other) if is_same(policy, other, &condition) => {}
            Some(_) => found.push(
                Difference::error("changed-policy", &sql, format!("policy {} is not as dbopt makes it", policy.name))
                    .why("It may let rows of other tenants pass.")
                    .mend(format!("DROP POLICY {} ON {sql};", policy.name))
                    .mend(create),
            ),
        }
    }
    for other in present.iter().filter(|other| !wanted.iter().any(|policy| policy.name == other.name)) {
        let name = quote_ident(&other.name);
        found.push(if other.is_permissive {
            Difference::error("extra-policy", &sql, format!("policy {name} lets more rows pass"))
                .why("Of permissive policies one is enough, so this one may open what dbopt's closes. Make it AS RESTRICTIVE if it is to narrow.")
                .mend(format!("DROP POLICY {name} ON {sql};"))
        } else {
            Difference::note("narrowing-policy", &sql, format!("policy {name} lets fewer rows pass"))
                .why("It is restrictive, so it opens nothing.")
        });
    }
    // Nobody reaches a partition on which nobody has rights, but by its parent.
    if is_below && !actual.rights.iter().any(|held| held.of == Of::Relation(oid)) {
        for difference in &mut found {
            difference.severity = Severity::Note;
            difference.why = format!("{} Nobody but its owner has rights on it now.", difference.why);
        }
    }
    found
}

fn is_same(wanted: &RowPolicy, present: &Policy, condition: &str) -> bool {
    let expected = |has: bool| has.then_some(condition);
    present.is_permissive
        && present.command == wanted.catalogue_command()
        && present.subjects == wanted.subjects
        && present.using.as_deref() == expected(wanted.has_using())
        && present.check.as_deref() == expected(wanted.has_check())
}
