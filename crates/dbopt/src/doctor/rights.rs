//! What the user may do, by command.

use std::collections::BTreeSet;

use dbopt_report::number::plural;
use dbopt_sql::quote_ident;

use super::{Area, Check, Facts, Verdict, facts::TableFacts};

/// Names that are listed of many.
const LISTED: usize = 5;

pub(super) fn check(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![reading(facts), others_statements(facts), changing(facts)];
    checks.extend(own_schema(facts));
    checks
}

/// Statistics are visible of columns that the user may read (`pg_stats`).
fn reading(facts: &Facts) -> Check {
    let hidden: Vec<&TableFacts> = facts.tables.iter().filter(|table| !table.readable).collect();
    let all = facts.tables.len();
    let commands = &["advise", "snapshot"];
    if hidden.is_empty() {
        let found = format!("`{}` may read {}", facts.user, plural(all, "table", "tables"));
        return Check::new(Area::Rights, "read-tables", Verdict::Good, found).commands(commands);
    }
    let verdict = if hidden.len() == all { Verdict::Missing } else { Verdict::Limited };
    let found = format!(
        "`{}` may not read {} of {}, so that {} statistics are hidden: {}",
        facts.user,
        hidden.len(),
        plural(all, "table", "tables"),
        if hidden.len() == 1 { "its" } else { "their" },
        names(&hidden),
    );
    let user = quote_ident(&facts.user);
    let fix = if facts.version >= 140_000 {
        vec![format!("GRANT pg_read_all_data TO {user};")]
    } else {
        let schemas: BTreeSet<&str> = hidden.iter().map(|table| table.schema.as_str()).collect();
        let grant = |schema: &str| {
            let schema = quote_ident(schema);
            [
                format!("GRANT USAGE ON SCHEMA {schema} TO {user};"),
                format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user};"),
            ]
        };
        schemas.into_iter().flat_map(grant).collect()
    };
    Check::new(Area::Rights, "read-tables", verdict, found)
        .commands(commands)
        .help("dbopt reads no rows for advice, but the server shows statistics only of what may be read.")
        .fix(fix)
}

/// Statements and positions of other users.
fn others_statements(facts: &Facts) -> Check {
    let commands = &["advise", "apply"];
    if facts.has_role("pg_read_all_stats") || facts.has_role("pg_monitor") {
        return Check::new(Area::Rights, "monitor", Verdict::Good, "statements of all users are visible")
            .commands(commands);
    }
    let found = "only its own sessions and statements are visible";
    Check::new(Area::Rights, "monitor", Verdict::Limited, format!("`{}`: {found}", facts.user))
        .commands(commands)
        .help("pg_stat_statements hides other users' texts, and replicas their positions.")
        .fix([format!("GRANT pg_monitor TO {};", quote_ident(&facts.user))])
}

/// Indexes can be made by a table's owner alone.
fn changing(facts: &Facts) -> Check {
    let foreign: Vec<&TableFacts> = facts.tables.iter().filter(|table| !table.owned).collect();
    let all = facts.tables.len();
    let commands = &["apply"];
    if foreign.is_empty() {
        let found = format!("`{}` has the owner's rights on {}", facts.user, plural(all, "table", "tables"));
        return Check::new(Area::Rights, "change-tables", Verdict::Good, found).commands(commands);
    }
    let verdict = if foreign.len() == all { Verdict::Missing } else { Verdict::Limited };
    let found = format!(
        "`{}` does not own {} of {}: {}",
        facts.user,
        foreign.len(),
        plural(all, "table", "tables"),
        names(&foreign)
    );
    let user = quote_ident(&facts.user);
    let ordinary = foreign.iter().filter(|table| !table.owner_superuser);
    let owners: BTreeSet<&str> = ordinary.map(|table| table.owner.as_str()).collect();
    let help = if foreign.iter().any(|table| table.owner_superuser) {
        "Indexes are made by a table's owner. Where that is a superuser, run as it, or give the tables another owner."
    } else {
        "Indexes are made by a table's owner."
    };
    Check::new(Area::Rights, "change-tables", verdict, found)
        .commands(commands)
        .help(help)
        .fix(owners.into_iter().map(|owner| format!("GRANT {} TO {user};", quote_ident(owner))))
}

/// dbopt's own schema.
fn own_schema(facts: &Facts) -> Option<Check> {
    let commands = &["apply", "audit"];
    let name = "own-schema";
    let user = quote_ident(&facts.user);
    let grants = facts.own_missing.iter().map(|(object, rights)| format!("GRANT {rights} ON {object} TO {user};"));
    if let Some((reason, hint)) = &facts.own_distrusted {
        let check = Check::new(Area::Rights, name, Verdict::Missing, reason.clone()).commands(commands);
        return Some(check.help(format!("{hint}.")));
    }
    let Some(status) = &facts.own_schema else {
        let found = format!("`{}` may not look into the schema dbopt", facts.user);
        return Some(Check::new(Area::Rights, name, Verdict::Missing, found).commands(commands).fix(grants));
    };
    if status.is_current() && !facts.own_missing.is_empty() {
        let lacks = facts.own_missing.iter().map(|(object, rights)| format!("{rights} on {object}"));
        let found = format!("`{}` lacks {}", facts.user, lacks.collect::<Vec<_>>().join("; "));
        let check = Check::new(Area::Rights, name, Verdict::Missing, found).commands(commands).fix(grants);
        return Some(check.help("Changes are journalled and audited there."));
    }
    if status.is_current() {
        return Some(Check::new(Area::Rights, name, Verdict::Good, "migrations are up to date").commands(commands));
    }
    let pending = status.steps.iter().filter(|step| step.state == dbopt_migrate::State::Pending).count();
    let found = if pending == 0 {
        "migrations do not fit this version of dbopt".to_owned()
    } else {
        format!("{} not applied", plural(pending, "migration is", "migrations are"))
    };
    let check = Check::new(Area::Rights, name, Verdict::Missing, found)
        .commands(commands)
        .fix([format!("dbopt migrate up -d {}", facts.database)]);
    Some(if facts.may_create {
        check
    } else {
        check
            .help("Migrating takes the right to create a schema in the database, or a schema dbopt that the user owns.")
    })
}

/// The first names of a list.
fn names(tables: &[&TableFacts]) -> String {
    let mut names: Vec<String> = tables
        .iter()
        .take(LISTED)
        .map(|table| format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name)))
        .collect();
    if tables.len() > LISTED {
        names.push("…".to_owned());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(tables: &[(bool, bool)]) -> Facts {
        let table = |(at, (readable, owned)): (usize, &(bool, bool))| TableFacts {
            schema: "Sales".to_owned(),
            name: format!("t{at}"),
            owner: "owner".to_owned(),
            owner_superuser: false,
            readable: *readable,
            owned: *owned,
            unknown: false,
        };
        Facts {
            version: 150_000,
            user: "me".to_owned(),
            tables: tables.iter().enumerate().map(table).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn tables_that_cannot_be_read_are_named_with_the_grant() {
        let check = reading(&facts(&[(true, true), (false, true)]));
        assert_eq!(check.verdict, Verdict::Limited);
        assert_eq!(check.found, "`me` may not read 1 of 2 tables, so that its statistics are hidden: \"Sales\".t1");
        assert_eq!(check.fix, ["GRANT pg_read_all_data TO me;"]);
        assert_eq!(reading(&facts(&[(false, true)])).verdict, Verdict::Missing);
        assert_eq!(reading(&facts(&[(true, true)])).verdict, Verdict::Good);
    }

    #[test]
    fn indexes_need_the_owner() {
        let check = changing(&facts(&[(true, false), (true, false)]));
        assert_eq!(check.verdict, Verdict::Missing);
        assert_eq!(check.fix, ["GRANT owner TO me;"]);
        assert_eq!(changing(&facts(&[(true, true)])).verdict, Verdict::Good);
        let mut of_superuser = facts(&[(true, false)]);
        of_superuser.tables[0].owner_superuser = true;
        assert!(changing(&of_superuser).fix.is_empty(), "nobody is made a superuser for an index");
    }

    #[test]
    fn a_monitor_sees_other_users() {
        let mut facts = facts(&[]);
        assert_eq!(others_statements(&facts).fix, ["GRANT pg_monitor TO me;"]);
        facts.roles.insert("pg_monitor".to_owned());
        assert_eq!(others_statements(&facts).verdict, Verdict::Good);
    }
}
