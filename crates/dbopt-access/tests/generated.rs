//! A property: whatever a policy asks for, applied it has no drift, and applied again it changes nothing.

mod support;

use dbopt_testkit::Cluster;
use proptest::{prelude::*, sample};
use support::{Shop, shown};

/// Names that have to be quoted, in SQL, in a string of SQL, in a block of PL/pgSQL and in its `format`.
const NAMES: [&str; 6] = ["orders", "Order", "user", "it's 100%s", "say \"hi\" $do$ \\", "größe"];
const TYPES: [&str; 4] = ["text", "uuid", "integer", "bigint"];
const PRIVILEGES: [&str; 4] = ["select", "insert", "update", "delete"];

/// A grant: the tables by their place, or all of them; the privileges; whether of one column; whether of the permission.
#[derive(Clone, Debug)]
struct Grant {
    tables: Vec<usize>,
    all: bool,
    privileges: Vec<&'static str>,
    column: bool,
    writes: bool,
}

fn grant() -> impl Strategy<Value = Grant> {
    let tables = sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 1..4);
    let privileges = sample::subsequence(&PRIVILEGES[..], 1..4);
    (tables, any::<bool>(), privileges, any::<bool>(), any::<bool>()).prop_map(
        |(tables, all, privileges, column, writes)| {
            let column = column && !all && !privileges.contains(&"delete");
            Grant { tables, all, privileges, column, writes }
        },
    )
}

/// A string of TOML.
fn toml(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A name of SQL, always quoted.
fn sql(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn what_is_applied_has_no_drift(
        grants in prop::collection::vec(grant(), 1..5),
        of_tenants in sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 0..5),
        kinds in prop::collection::vec(0..TYPES.len(), NAMES.len()),
        (column, role, schema) in (sample::select(&NAMES[..]), sample::select(&NAMES[..]), sample::select(&NAMES[..])),
        (exempt, public, crossing) in any::<(bool, bool, bool)>(),
    ) {
        let database = Cluster::shared().database();
        let prefix = database.name().replace("test_", "g");
        let roles: Vec<String> = ["reader", "writer"].iter().map(|kind| format!("{prefix}{role}{kind}")).collect();
        let (owner, login) = (format!("{prefix}owner"), format!("{prefix}{role}login"));
        database.execute(&format!(
            "CREATE ROLE {owner}; CREATE ROLE {} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {owner}; SET ROLE {owner}",
            sql(&login), schema = sql(schema)
        ));
        let mut policy = format!(
            "policy = 'access'\nversion = 1\npermissions = ['a:read', 'a:write']\n\
             [role.reader]\npermissions = ['a:read']\nall_tenants = {crossing}\n[role.writer]\npermissions = ['a:*']\n\
             [database]\nschemas = [{schema}]\ncreators = ['{owner}']\nrevoke_public = {public}\n\
             [database.role.{}]\nstands_for = 'reader'\n[database.role.{}]\nstands_for = 'writer'\nmembers = [{}]\n",
            toml(&roles[0]), toml(&roles[1]), toml(&login), schema = toml(schema)
        );
        let table = |at: usize| format!("{}.{}", sql(schema), sql(NAMES[at]));
        for at in 0..NAMES.len() {
            let kind = TYPES[kinds[at]];
            let tenant = if of_tenants.contains(&at) { sql(column) } else { "other".to_owned() };
            database.execute(&format!("SET ROLE {owner}; CREATE TABLE {} ({tenant} {kind} NOT NULL, note text)", table(at)));
        }
        for grant in &grants {
            let tables: Vec<String> =
                if grant.all { vec![toml(&format!("{}.*", sql(schema)))] } else { grant.tables.iter().map(|at| toml(&table(*at))).collect() };
            let columns = if grant.column { "columns = ['note']\n" } else { "" };
            policy.push_str(&format!(
                "[[database.grant]]\npermission = 'a:{}'\ntables = [{}]\nprivileges = {:?}\n{columns}",
                if grant.writes { "write" } else { "read" }, tables.join(", "), grant.privileges
            ));
        }
        if !of_tenants.is_empty() {
            policy.push_str(&format!("[database.tenant]\nsetting = 'app.tenant'\ncolumn = {}\n", toml(column)));
            for at in &of_tenants {
                let exempt = exempt && *at == of_tenants[0];
                policy.push_str(&format!(
                    "[database.tenant.table.{}]\ntype = '{}'\nexempt_owner = {exempt}\n", toml(&table(*at)), TYPES[kinds[*at]]
                ));
            }
        }
        let loaded = dbopt_policy::parse::<dbopt_auth::AccessPolicy>(policy.clone(), "a.toml").expect("a good policy");
        let desired = dbopt_access::Desired::of(&loaded.policy).expect("a section");
        let shop = Shop { database, prefix };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let before = runtime.block_on(shop.drift(&desired));
        prop_assert!(before.iter().any(dbopt_access::Difference::counts), "{policy}");
        shop.apply(&desired);
        prop_assert_eq!(shown(&runtime.block_on(shop.drift(&desired))), [""; 0], "{}", policy);
        let state = shop.state();
        shop.apply(&desired);
        prop_assert_eq!(shop.state(), state, "{}", policy);
        // Other tables, too, and nobody has more than the policy says on them.
        shop.database.execute(&format!("SET ROLE {owner}; CREATE TABLE {}.later (id int)", sql(schema)));
        prop_assert_eq!(shown(&runtime.block_on(shop.drift(&desired))), [""; 0], "{}", policy);
    }
}
