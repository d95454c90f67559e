//! What is told of a database that differs from its policy, and what mends it.

mod support;

use support::{Shop, shown};

#[tokio::test]
async fn a_fresh_policy_has_no_drift_and_again_changes_nothing() {
    let shop = Shop::guarded();
    let desired = shop.desired();
    assert_eq!(shown(&shop.drift(&desired).await), [""; 0]);
    let before = shop.state();
    shop.apply(&desired);
    assert_eq!(shop.state(), before);
    assert_eq!(shown(&shop.drift(&desired).await), [""; 0]);
}

#[tokio::test]
async fn a_policy_that_changes_leaves_nothing_behind() {
    let shop = Shop::guarded();
    shop.execute("GRANT SELECT ON shop.event_1 TO @_other");
    let narrower = shop.desired_without_crossing();
    let told = shown(&shop.drift(&narrower).await).join("\n");
    assert!(told.contains("extra-policy shop.orders") && told.contains("extra-policy shop.event_1"), "{told}");
    shop.apply(&narrower);
    shop.execute("REVOKE SELECT ON shop.event_1 FROM @_other");
    assert_eq!(shown(&shop.drift(&narrower).await), [""; 0]);
    let left = "SELECT count(*) FROM pg_policy WHERE polname LIKE 'dbopt_all%'";
    assert_eq!(shop.database.value(left), "0");
}

/// The catalogue is there for everybody to read.
#[tokio::test]
async fn a_role_without_rights_sees_the_same_drift() {
    let shop = Shop::guarded();
    let desired = shop.desired();
    assert_eq!(shown(&shop.drift_seen_by("@_other", &desired).await), [""; 0]);
    shop.execute(
        "ALTER TABLE shop.event_1 DISABLE ROW LEVEL SECURITY; GRANT ALL ON ALL TABLES IN SCHEMA shop TO @_viewer",
    );
    let (all, none) = (shop.drift(&desired).await, shop.drift_seen_by("@_other", &desired).await);
    assert!(all.len() > 5 && all == none);
}

/// A change by hand is told by its code, and what is told mends it.
#[tokio::test]
async fn each_change_is_told_and_mended() {
    let shop = Shop::guarded();
    let desired = shop.desired();
    let mut changes = vec![
        ("GRANT DELETE ON shop.orders TO @_viewer", "extra-grant"),
        ("GRANT SELECT ON shop.orders TO PUBLIC", "public-grant"),
        ("GRANT SELECT (code) ON shop.country TO @_clerk", "extra-grant"),
        ("GRANT UPDATE (code) ON shop.orders TO @_clerk", "extra-grant"),
        ("GRANT UPDATE ON shop.orders TO @_clerk", "extra-grant"),
        ("GRANT SELECT ON shop.orders TO @_clerk WITH GRANT OPTION", "grant-option"),
        (
            "GRANT SELECT ON shop.orders TO @_clerk WITH GRANT OPTION; SET ROLE @_clerk; GRANT SELECT ON shop.orders TO @_other; \
             RESET ROLE",
            "unlisted-grantee",
        ),
        ("GRANT USAGE ON SEQUENCE shop.numbers TO PUBLIC", "public-grant"),
        ("GRANT UPDATE ON SEQUENCE shop.numbers TO @_viewer", "extra-grant"),
        ("GRANT CREATE ON SCHEMA shop TO PUBLIC", "public-grant"),
        ("GRANT CREATE ON SCHEMA shop TO @_clerk", "extra-grant"),
        ("GRANT EXECUTE ON FUNCTION shop.orders_seen() TO PUBLIC", "public-grant"),
        ("REVOKE SELECT ON shop.orders FROM @_viewer", "missing-grant"),
        ("REVOKE UPDATE (note) ON shop.orders FROM @_clerk", "missing-grant"),
        ("REVOKE USAGE ON SCHEMA shop FROM @_viewer", "missing-grant"),
        ("REVOKE EXECUTE ON FUNCTION shop.orders_seen() FROM @_viewer", "missing-grant"),
        ("GRANT SELECT ON shop.orders TO @_other", "unlisted-grantee"),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE @_owner IN SCHEMA shop GRANT SELECT ON TABLES TO @_viewer",
            "extra-default",
        ),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE @_owner GRANT SELECT ON TABLES TO @_viewer", "extra-default"),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE @_owner GRANT SELECT ON TABLES TO PUBLIC", "extra-default"),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE @_owner GRANT EXECUTE ON ROUTINES TO PUBLIC", "extra-default"),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE @_other IN SCHEMA shop GRANT INSERT ON TABLES TO PUBLIC", "extra-default"),
        ("ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY", "row-security-off"),
        ("ALTER TABLE shop.orders NO FORCE ROW LEVEL SECURITY", "row-security-not-forced"),
        ("DROP POLICY dbopt_tenant ON shop.orders", "missing-policy"),
        ("DROP POLICY dbopt_all_tenants_select ON shop.orders", "missing-policy"),
        ("ALTER POLICY dbopt_tenant ON shop.orders USING (true)", "changed-policy"),
        ("ALTER POLICY dbopt_tenant ON shop.orders WITH CHECK (true)", "changed-policy"),
        ("ALTER POLICY dbopt_tenant ON shop.orders TO @_viewer", "changed-policy"),
        ("ALTER POLICY dbopt_all_tenants_select ON shop.orders TO PUBLIC", "changed-policy"),
        ("CREATE POLICY mine ON shop.orders FOR SELECT USING (note = 'shared')", "extra-policy"),
        (
            "CREATE TABLE shop.event_3 PARTITION OF shop.event FOR VALUES IN (3); GRANT SELECT ON shop.event_3 TO @_viewer",
            "row-security-off",
        ),
        (
            "ALTER TABLE shop.event_1 DISABLE ROW LEVEL SECURITY; GRANT SELECT ON shop.event_1 TO @_viewer",
            "row-security-off",
        ),
        (
            "CREATE TABLE shop.special () INHERITS (shop.orders); GRANT SELECT ON shop.special TO @_other",
            "row-security-off",
        ),
        (
            "CREATE MATERIALIZED VIEW shop.totals AS SELECT * FROM shop.invoice; GRANT SELECT ON shop.totals TO @_viewer",
            "materialized-view",
        ),
        (
            "CREATE FUNCTION shop.all_orders() RETURNS SETOF shop.orders LANGUAGE sql SECURITY DEFINER AS 'TABLE shop.orders'",
            "definer-function",
        ),
        ("CREATE PROCEDURE shop.tidy() LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM shop.orders'", "definer-function"),
        ("GRANT @_clerk TO @_other", "extra-member"),
        ("REVOKE @_clerk FROM @_app", "missing-member"),
        ("GRANT pg_read_all_data TO @_viewer", "extra-membership"),
        ("GRANT pg_write_all_data TO @_app", "extra-membership"),
        ("ALTER ROLE @_other BYPASSRLS; GRANT @_app TO @_other", "member-passes-rows"),
        ("GRANT @_owner TO @_clerk", "extra-membership"),
        ("GRANT @_owner TO @_app", "role-owns"),
        ("ALTER TABLE shop.line OWNER TO @_app", "role-owns"),
        ("ALTER SCHEMA shop OWNER TO @_app", "role-owns"),
        ("ALTER ROLE @_clerk SUPERUSER", "powerful-role"),
        ("ALTER ROLE @_clerk CREATEROLE", "powerful-role"),
        ("ALTER ROLE @_app BYPASSRLS", "member-passes-rows"),
        (
            "CREATE TABLE shop.refund (tenant text NOT NULL, order_code text REFERENCES shop.orders (code)); \
             CREATE TABLE shop.probe (order_code text REFERENCES shop.orders (code))",
            "key-across-tenants",
        ),
    ];
    if shop.version() >= 150_000 {
        changes.extend([
            ("ALTER VIEW shop.open_orders RESET (security_invoker)", "definer-view"),
            ("CREATE VIEW shop.mine AS SELECT * FROM shop.open_orders", "definer-view"),
        ]);
    } else {
        changes.push(("ALTER VIEW shop.open_orders OWNER TO postgres", "definer-view"));
    }
    let (mut failed, mut told) = (Vec::new(), 0);
    for (change, code) in changes {
        shop.execute(change);
        let found = shop.drift(&desired).await;
        let codes: Vec<&str> = found.iter().filter(|it| it.counts()).map(|it| it.code).collect();
        if !codes.contains(&code) {
            failed.push(format!("{change}: told {codes:?}"));
        }
        told += codes.len();
        for difference in found {
            assert!(!difference.why.is_empty(), "{difference:?}");
            difference.statements.iter().for_each(|statement| shop.database.execute(statement));
        }
        // What has no statement is for a person: here the test.
        shop.execute("DROP TABLE IF EXISTS shop.refund, shop.probe; REVOKE @_app FROM @_other");
        let left = shop.drift(&desired).await;
        if left.iter().any(dbopt_access::Difference::counts) {
            failed.push(format!("{change}: left {:?}", shown(&left)));
            shop.apply(&desired);
        }
    }
    assert!(failed.is_empty() && told > 40, "{}", failed.join("\n"));
}
