//! Tests of the section.

use super::*;
use crate::AccessPolicy;

const ROLES: &str = "permissions = ['orders:read', 'orders:write', 'orders:purge']\n\
     [role.viewer]\npermissions = ['orders:read']\n[role.clerk]\ninherits = ['viewer']\npermissions = ['orders:write']\n\
     [role.auditor]\npermissions = ['orders:read']\nall_tenants = true\n[role.nobody]\npermissions = ['orders:purge']\n";
const DATABASE: &str = "[database]\nschemas = ['shop']\n";
const VIEWER: &str = "[database.role.shop_viewer]\nstands_for = 'viewer'\n";
const TENANT: &str = "[database.tenant]\nsetting = 'app.tenant'\ntables = ['shop.orders']\n";

fn read(body: &str) -> Result<(DatabaseAccess, Vec<String>), Vec<String>> {
    let text = format!("policy = 'access'\nversion = 1\n{ROLES}{body}");
    let shown = |findings: &[dbopt_finding::Finding]| {
        findings.iter().map(|finding| format!("{}: {}", finding.code, finding.message)).collect()
    };
    match dbopt_policy::parse::<AccessPolicy>(text, "a.toml") {
        Ok(loaded) => Ok((loaded.policy.database.expect("a section"), shown(&loaded.findings))),
        Err(refused) => Err(shown(&refused.findings)),
    }
}

#[test]
fn each_key_has_its_effect() {
    let (access, weak) = read(&format!(
        "{DATABASE}creators = ['shop_owner']\nleave = ['backup']\nrevoke_public = false\n\
         definer_functions = ['shop.total( bigint,text[] )']\n{VIEWER}members = ['web', 'app']\n\
         [[database.grant]]\npermission = 'orders:read'\ntables = ['shop.orders', 'shop.*']\nprivileges = ['select']\n\
         [[database.grant]]\nroles = ['shop_viewer']\ntables = ['shop.orders']\nprivileges = ['update']\ncolumns = ['note']\n\
         sequences = ['shop.orders_id_seq']\nfunctions = ['shop.now()']\n\
         {TENANT}column = 'customer'\ntype = 'uuid'\nviews = ['shop.open_orders']\n\
         [database.tenant.table.\"shop.invoice\"]\ncolumn = 'org'\ntype = 'bigint'\n"
    ))
    .expect("good");
    assert_eq!(weak, [""; 0]);
    assert!(access.schemas == ["shop"] && access.creators == ["shop_owner"] && access.leave == ["backup"]);
    assert!(!access.revoke_public);
    let role = &access.roles[0];
    assert!(role.name == "shop_viewer" && role.stands_for == "viewer" && role.members == ["app", "web"]);
    let signature = &access.definer_functions[0];
    assert_eq!((&*signature.schema, &*signature.name, &*signature.arguments), ("shop", "total", "bigint, text[]"));
    let [all, columns] = &access.grants[..] else { panic!("{:?}", access.grants) };
    assert!(all.permission.as_deref() == Some("orders:read") && all.tables.len() == 2);
    assert_eq!(
        (&columns.roles[..], &columns.privileges[..]),
        (&["shop_viewer".to_owned()][..], &[Privilege::Update][..])
    );
    assert!(columns.columns == ["note"] && columns.sequences.len() == 1 && columns.functions[0].arguments.is_empty());
    let tenant = access.tenant.expect("a section");
    assert_eq!((&*tenant.setting, &*tenant.column), ("app.tenant", "customer"));
    assert_eq!(tenant.views, [("shop".to_owned(), "open_orders".to_owned())]);
    let tables: Vec<_> = tenant.tables.iter().map(|of| (&*of.name, &*of.column, of.tenant_type.sql())).collect();
    assert_eq!(tables, [("invoice", "org", "bigint"), ("orders", "customer", "uuid")]);
}

#[test]
fn weak_choices_are_told() {
    let weak = |body: &str| read(&format!("{DATABASE}{body}")).expect("valid").1.join("\n");
    insta::assert_snapshot!(weak("[[database.grant]]\npermission = 'orders:purge'\ntables = ['shop.a']\nprivileges = ['delete']"), @"unused-grant: no role of the database has `orders:purge`");
    insta::assert_snapshot!(weak(&format!("{VIEWER}[[database.grant]]\npermission = 'orders:read'\ntables = ['shop.*']\nprivileges = ['select']")), @"no-creators: rights on all tables of a schema do not hold on those made later");
    insta::assert_snapshot!(weak(&format!("{VIEWER}{TENANT}[[database.grant]]\npermission = 'orders:read'\ntables = ['shop.orders']\nprivileges = ['select', 'truncate']")), @"past-row-security: TRUNCATE on a table of tenants does not look at rows");
    insta::assert_snapshot!(weak("[database.tenant]\nsetting = 'app.tenant'"), @"no-tables: no table belongs to a tenant");
    insta::assert_snapshot!(weak("[database.tenant]\nsetting = 'app.tenant'\ntable.\"shop.a\".exempt_owner = true"), @"exempt-owner: the owner of this table sees all tenants, and so do functions and views of the owner");
    insta::assert_snapshot!(weak(&format!("{VIEWER}members = ['app']\n[database.role.all]\nstands_for = 'auditor'\nmembers = ['app']\n{TENANT}")), @"mixed-member: `app` is a member of `all`, which is for all tenants, and of a role that is not");
}

#[test]
fn faults_are_told() {
    let faults = |body: &str| read(body).expect_err("faults").join("\n");
    let of = |body: &str| faults(&format!("{DATABASE}{VIEWER}{body}"));
    insta::assert_snapshot!(faults("[database]"), @"missing-key: no schema is named, so nothing is compared");
    insta::assert_snapshot!(faults("[database]\nschemas = ['pg_catalog', '']"), @r"
    missing-key: no schema is named, so nothing is compared
    bad-name: a name of PostgreSQL is not empty
    ");
    insta::assert_snapshot!(of("[database.role.pg_monitor]\nstands_for = 'veiwer'"), @r"
    bad-name: `pg_monitor` is PostgreSQL's own
    unknown-role: there is no role `veiwer`
    ");
    insta::assert_snapshot!(of("members = ['other']\n[database.role.other]\nstands_for = 'clerk'"), @"contradiction: role `other` of this policy is a member of `shop_viewer`");
    insta::assert_snapshot!(of("[[database.grant]]"), @r"
    missing-key: nobody is named
    missing-key: nothing is given
    ");
    insta::assert_snapshot!(of("[[database.grant]]\npermission = 'orders:raed'\nroles = ['shop_veiwer']\ntables = ['shop.a']"), @r"
    contradiction: of `tables` and `privileges` there is one
    unknown-permission: there is no permission `orders:raed`
    contradiction: a permission and roles are named
    unknown-role: there is no role of the database `shop_veiwer`
    ");
    insta::assert_snapshot!(of("[[database.grant]]\npermission = 'orders:read'\ntables = ['shop.*']\nprivileges = ['delete']\ncolumns = ['a']"), @r"
    no-creators: rights on all tables of a schema do not hold on those made later
    contradiction: columns are named of all tables
    contradiction: a privilege is of whole tables only
    ");
    insta::assert_snapshot!(of("[[database.grant]]\npermission = 'orders:read'\ntables = ['*.*', 'other.a']\nprivileges = ['select']"), @r"
    no-creators: rights on all tables of a schema do not hold on those made later
    other-schema: `other.a` is in no schema that is compared
    bad-table: a grant is of more than one schema
    ");
    insta::assert_snapshot!(of("[[database.grant]]\npermission = 'orders:read'\nfunctions = ['shop.f', 'shop.f(a; b)', 'shop.f(,)', 'f()']"), @r"
    missing-key: nothing is given
    bad-function: this is no function
    bad-function: this is no function
    bad-function: this is no function
    bad-function: this is no function
    ");
    insta::assert_snapshot!(of("[database.tenant]\nsetting = 'tenant'\ntype = 'oid'\ntables = ['shop.*']\ntable.\"a\".column = ''"), @r"
    bad-setting: this is no setting that a program can make up
    bad-value: `database.tenant.type` cannot be `oid`
    bad-table: tables of tenants are named one by one
    no-tables: no table belongs to a tenant
    bad-table: `a` names no schema
    bad-name: a name of PostgreSQL is not empty
    ");
    insta::assert_snapshot!(of(&format!("{TENANT}table.\"shop.orders\" = {{}}")), @"same-table: table `shop.orders` is there twice");
    insta::assert_snapshot!(faults("[database]\nschemas = ['shop']\nleave = ['shop_viewer']\n[database.role.shop_viewer]\nstands_for = 'viewer'"), @"contradiction: role `shop_viewer` is of this policy");
}
