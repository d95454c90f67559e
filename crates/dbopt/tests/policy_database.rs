//! `dbopt policy sql` and `dbopt policy drift`, from the policy to a database that is as it says.

mod support;

use dbopt_testkit::Cluster;
use support::{command, dbopt, ran};

/// The tables of the shipped policy.
const SHOP: &str = "
    CREATE ROLE shop_owner; CREATE ROLE shop_app LOGIN; CREATE ROLE shop_reports LOGIN; CREATE ROLE backup LOGIN;
    CREATE SCHEMA shop AUTHORIZATION shop_owner; SET ROLE shop_owner;
    CREATE TABLE shop.orders (tenant_id uuid, id bigint, state text, note text, PRIMARY KEY (tenant_id, id));
    CREATE TABLE shop.order_line (tenant_id uuid, order_id bigint, FOREIGN KEY (tenant_id, order_id) REFERENCES shop.orders);
    CREATE TABLE shop.invoice (customer_id bigint, total int); CREATE TABLE shop.country (code text);
    CREATE VIEW shop.open_orders AS SELECT id FROM shop.orders WHERE state = 'open';
    CREATE FUNCTION shop.next_invoice_number(bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS 'SELECT 1::bigint';
    GRANT SELECT ON shop.orders TO backup;";

#[test]
fn the_shipped_policy_from_end_to_end() {
    let database = Cluster::shared().database();
    database.execute(SHOP);
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("access.sql");
    let written = dbopt(&["policy", "sql", "--policy", "policies/access.toml", "-o", &script.display().to_string()]);
    assert_eq!((written.code, &*written.stdout, &*written.stderr), (0, "", ""));
    let again = dbopt(&["policy", "sql", "--policy", "policies/access.toml"]);
    let script = std::fs::read_to_string(script).expect("it is there");
    assert_eq!(again.stdout, script, "the same each time");
    assert!(
        script
            .contains("CREATE POLICY dbopt_tenant ON shop.orders AS PERMISSIVE FOR ALL TO PUBLIC USING (tenant_id = ")
    );
    let conn_string = database.conn_string();
    let drift = |more: &[&str]| {
        let mut command = command();
        command.args(["policy", "drift", "--policy", "policies/access.toml", "-d", &conn_string]).args(more);
        ran(command.output().expect("it starts"))
    };
    let before = drift(&[]);
    assert_eq!(before.code, 1, "{}", before.stderr);
    assert!(before.stdout.contains("row-security-off") && before.stdout.contains("To paste"), "{}", before.stdout);
    database.execute(&script);
    let fresh = drift(&[]);
    assert_eq!(fresh.code, 0, "{}", fresh.stdout);
    assert!(fresh.stdout.ends_with("The database is as the policy says.\n"), "{}", fresh.stdout);
    // Another state, told in each format, and mended by what is told.
    database.execute("ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY; GRANT SELECT ON shop.orders TO PUBLIC");
    let table = drift(&[]);
    assert!(table.code == 1 && table.stdout.contains("2 errors, 0 warnings."), "{}", table.stdout);
    let json = drift(&["--format", "json"]);
    let view: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((json.code, &view["errors"], &view["warnings"]), (1, &2.into(), &0.into()));
    assert_eq!(view["differences"][0]["statements"][0], "REVOKE SELECT ON TABLE shop.orders FROM PUBLIC;");
    let sarif = drift(&["--format", "sarif"]);
    assert!(
        sarif.stdout.contains("\"ruleId\": \"public-grant\"") && sarif.stdout.contains("access.toml"),
        "{}",
        sarif.stdout
    );
    let markdown = drift(&["--format", "markdown"]);
    assert!(markdown.stdout.contains("| error") && markdown.stdout.contains("```sql"), "{}", markdown.stdout);
    let mending = drift(&["--format", "sql"]);
    assert_eq!(mending.code, 1);
    database.execute(&mending.stdout);
    assert_eq!(drift(&[]).code, 0);
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("access.toml");
    let path = policy.display().to_string();
    std::fs::write(&policy, "policy = 'access'\nversion = 1\n").expect("written");
    dbopt(&["policy", "sql", "--policy", &path]).fails(2, "says nothing of a database");
    std::fs::write(&policy, "policy = 'access'\nversion = 1\n[database]\nshcemas = ['a']\n").expect("written");
    dbopt(&["policy", "sql", "--policy", &path]).fails(2, "Did you mean `schemas`?");
    std::fs::write(&policy, "policy = 'access'\nversion = 1\n[database]\nschemas = ['a']\n").expect("written");
    let nowhere = folder.path().display().to_string();
    dbopt(&["policy", "drift", "--policy", &path, "-h", &nowhere, "-d", "shop"]).fails(3, "");
    dbopt(&["policy", "sql", "--policy", &path, "-o", &path]).fails(2, "");
}
