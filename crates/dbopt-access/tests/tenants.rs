//! Sessions of the roles try to get at the rows of other tenants.

mod support;

use support::{Shop, shown};

/// What a statement gives: the first values of its rows, or the SQLSTATE.
async fn give(session: &dbopt_pg::Session, sql: &str) -> Result<Vec<String>, String> {
    let given = session.client().simple_query(sql).await;
    let rows = given.map_err(|error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()))?;
    Ok(rows
        .iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect())
}

/// The same in a transaction of a tenant, which is rolled back.
async fn of(session: &dbopt_pg::Session, tenant: &str, sql: &str) -> Result<Vec<String>, String> {
    give(session, &format!("BEGIN; SET LOCAL app.tenant = '{tenant}'")).await.expect("a transaction");
    let given = give(session, sql).await;
    give(session, "ROLLBACK").await.expect("it ends");
    given
}

fn rows(values: &[&str]) -> Result<Vec<String>, String> {
    Ok(values.iter().map(|value| (*value).to_owned()).collect())
}

fn refused(code: &str) -> Result<Vec<String>, String> {
    Err(code.to_owned())
}

const DENIED: &str = "42501";

#[tokio::test]
async fn each_tenant_has_its_rows() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    assert_eq!(of(&app, "acme", "SELECT id FROM shop.orders ORDER BY 1").await, rows(&["1", "2"]));
    assert_eq!(of(&app, "umbrella", "SELECT id FROM shop.orders").await, rows(&["3"]));
    assert_eq!(
        of(&app, "umbrella", "SELECT total FROM shop.invoice").await,
        refused("22P02"),
        "no number is no customer"
    );
    assert_eq!(of(&app, "2", "SELECT total FROM shop.invoice").await, rows(&["20"]));
    assert_eq!(of(&app, "acme", "SELECT id FROM shop.orders WHERE tenant = 'umbrella'").await, rows(&[]));
    assert_eq!(of(&app, "acme", "SELECT code FROM shop.country").await, rows(&["at"]));
    assert_eq!(of(&app, "acme", "INSERT INTO shop.country VALUES ('de')").await, refused(DENIED));
    // The auditor reads all, and only reads.
    let audit = shop.session("@_audit").await;
    assert_eq!(give(&audit, "SELECT id FROM shop.orders ORDER BY 1").await, rows(&["1", "2", "3"]));
    assert_eq!(give(&audit, "DELETE FROM shop.orders").await, refused(DENIED));
    assert_eq!(give(&shop.session("@_other").await, "SELECT id FROM shop.orders").await, refused(DENIED));
}

#[tokio::test]
async fn no_tenant_is_no_rows() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    let count = "SELECT count(*) FROM shop.orders";
    assert_eq!(give(&app, count).await, rows(&["0"]), "never set");
    assert_eq!(give(&app, "SELECT count(*) FROM shop.invoice").await, rows(&["0"]));
    assert_eq!(give(&app, "INSERT INTO shop.orders (tenant) VALUES ('acme')").await, refused(DENIED));
    assert_eq!(give(&app, "INSERT INTO shop.orders (tenant) VALUES ('')").await, refused(DENIED));
    // What a pooler's next client finds in the session: the setting is there, and empty.
    assert_eq!(of(&app, "acme", count).await, rows(&["2"]));
    assert_eq!(give(&app, "SELECT coalesce(current_setting('app.tenant', true), 'none')").await, rows(&[""]));
    assert_eq!(give(&app, count).await, rows(&["0"]), "left by the transaction before");
    assert_eq!(give(&app, "SELECT count(*) FROM shop.invoice").await, rows(&["0"]), "no number");
    give(&app, "BEGIN; SET LOCAL app.tenant = 'acme'; COMMIT").await.expect("set");
    assert_eq!(give(&app, count).await, rows(&["0"]));
    give(&app, "BEGIN; SET LOCAL app.tenant = 'acme'; SELECT 1/0").await.expect_err("an error");
    give(&app, "ROLLBACK").await.expect("it ends");
    assert_eq!(give(&app, count).await, rows(&["0"]));
}

#[tokio::test]
async fn writing_stays_with_the_tenant() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    let try_ = async |sql: &str| of(&app, "acme", sql).await;
    assert_eq!(try_("INSERT INTO shop.orders (tenant, id) VALUES ('acme', 9) RETURNING id").await, rows(&["9"]));
    assert_eq!(try_("INSERT INTO shop.orders (tenant, id) VALUES ('umbrella', 9) RETURNING id").await, refused(DENIED));
    assert_eq!(try_("UPDATE shop.orders SET note = 'x' RETURNING id").await, rows(&["1", "2"]));
    assert_eq!(try_("UPDATE shop.orders SET tenant = 'umbrella' RETURNING id").await, refused(DENIED));
    assert_eq!(try_("UPDATE shop.orders SET note = 'x' WHERE tenant = 'umbrella' RETURNING id").await, rows(&[]));
    assert_eq!(try_("UPDATE shop.orders SET id = 7").await, refused(DENIED), "a column without the right");
    assert_eq!(try_("DELETE FROM shop.orders RETURNING id").await, rows(&["1", "2"]));
    assert_eq!(try_("DELETE FROM shop.line WHERE tenant = 'umbrella' RETURNING item").await, rows(&[]));
    assert_eq!(try_("TRUNCATE shop.orders").await, refused(DENIED));
    // The same number of another tenant's order is another order.
    let upsert = "INSERT INTO shop.orders (tenant, id, note) VALUES ('acme', 3, 'mine') \
                  ON CONFLICT (tenant, id) DO UPDATE SET note = 'taken' RETURNING note";
    assert_eq!(try_(upsert).await, rows(&["mine"]));
    // A unique column without the tenant tells that there is such a row, but neither shows nor changes it: drift notes it.
    let over = "INSERT INTO shop.orders (tenant, code) VALUES ('acme', 'z')";
    assert_eq!(try_(over).await, refused("23505"));
    assert_eq!(try_(&format!("{over} ON CONFLICT (code) DO UPDATE SET note = 'taken'")).await, refused(DENIED));
    assert_eq!(try_(&format!("{over} ON CONFLICT DO NOTHING RETURNING id")).await, rows(&[]));
    let notes = shop.drift(&shop.desired()).await;
    assert!(notes.iter().any(|it| it.code == "unique-across-tenants" && it.message.contains("orders_code_key")));
    // MERGE and COPY are held to the same.
    if shop.version() >= 150_000 {
        let merge = "MERGE INTO shop.orders o USING (VALUES ('umbrella', 3)) v (t, i) ON o.tenant = v.t AND o.id = v.i \
                     WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (tenant, id) VALUES (v.t, v.i)";
        assert_eq!(try_(merge).await, refused(DENIED));
    }
    assert_eq!(
        try_("COPY shop.orders (tenant, id) FROM stdin").await,
        refused("0A000"),
        "COPY FROM is refused altogether"
    );
}

#[tokio::test]
async fn copying_out_gives_the_tenants_rows() {
    use futures_util::TryStreamExt as _;

    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    for (sql, expected) in [
        ("COPY shop.orders (id) TO stdout", "1\n2\n"),
        ("COPY (SELECT id FROM shop.orders ORDER BY 1) TO stdout", "1\n2\n"),
        ("COPY shop.event (what) TO stdout", ""),
    ] {
        give(&app, "BEGIN; SET LOCAL app.tenant = 'acme'").await.expect("a transaction");
        let copied = async {
            let stream = app.client().copy_out(sql).await?;
            stream
                .try_fold(Vec::new(), async |mut all, bytes| {
                    all.extend_from_slice(&bytes);
                    Ok(all)
                })
                .await
        };
        match copied.await {
            Ok(bytes) => assert_eq!(String::from_utf8_lossy(&bytes), expected, "{sql}"),
            // A partitioned table is copied by a query only.
            Err(error) => assert_eq!((error.code().map(|code| code.code()), expected), (Some("42809"), ""), "{sql}"),
        }
        give(&app, "ROLLBACK").await.expect("it ends");
    }
}

#[tokio::test]
async fn partitions_by_their_own_name() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    assert_eq!(of(&app, "umbrella", "SELECT what FROM shop.event ORDER BY 1").await, rows(&["b", "c"]));
    assert_eq!(of(&app, "umbrella", "SELECT what FROM shop.event_1").await, refused(DENIED), "nobody has rights on it");
    // Even where somebody has.
    shop.execute("GRANT SELECT, INSERT ON shop.event_1 TO @_app");
    assert_eq!(of(&app, "umbrella", "SELECT what FROM shop.event_1").await, rows(&["b"]));
    assert_eq!(of(&app, "umbrella", "INSERT INTO shop.event_1 VALUES ('acme', 1, 'x')").await, refused(DENIED));
    assert_eq!(of(&app, "umbrella", "INSERT INTO shop.event VALUES ('acme', 1, 'x')").await, refused(DENIED));
    // A partition that is made later has to be seen to.
    shop.execute("CREATE TABLE shop.event_3 PARTITION OF shop.event FOR VALUES IN (3); INSERT INTO shop.event VALUES ('acme', 3, 'd')");
    shop.execute("GRANT SELECT ON shop.event_3 TO @_app");
    assert_eq!(of(&app, "umbrella", "SELECT what FROM shop.event_3").await, rows(&["d"]), "it leaks");
    assert!(shown(&shop.drift(&shop.desired()).await).iter().any(|it| it.starts_with("row-security-off shop.event_3")));
    shop.apply(&shop.desired());
    assert_eq!(of(&app, "umbrella", "SELECT what FROM shop.event_3").await, rows(&[]));
}

#[tokio::test]
async fn views_functions_and_their_owners() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    let seen = "SELECT count(*) FROM shop.open_orders";
    assert_eq!(of(&app, "acme", seen).await, rows(&["2"]));
    assert_eq!(of(&app, "acme", "SELECT shop.orders_seen()").await, rows(&["2"]));
    // The owner is no exception, so that what runs as the owner is none either.
    shop.execute(
        "SET ROLE @_owner; CREATE VIEW shop.as_owner AS SELECT * FROM shop.orders; \
         CREATE FUNCTION shop.count_as_owner() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER \
             SET search_path = pg_catalog AS 'SELECT count(*) FROM shop.orders'; \
         RESET ROLE; GRANT SELECT ON shop.as_owner TO @_clerk; GRANT EXECUTE ON FUNCTION shop.count_as_owner() TO @_clerk",
    );
    assert_eq!(of(&app, "acme", "SELECT count(*) FROM shop.as_owner").await, rows(&["2"]));
    assert_eq!(of(&app, "acme", "SELECT shop.count_as_owner()").await, rows(&["2"]));
    assert_eq!(give(&app, "SELECT shop.count_as_owner()").await, rows(&["0"]));
    // A superuser's view and function see all, and drift says so, and what to do.
    shop.execute(
        "CREATE VIEW shop.as_super AS SELECT * FROM shop.orders; \
         CREATE VIEW shop.over AS SELECT * FROM shop.as_super; \
         CREATE FUNCTION shop.count_as_super() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT count(*) FROM shop.orders'; \
         GRANT SELECT ON shop.as_super, shop.over TO @_clerk; GRANT EXECUTE ON FUNCTION shop.count_as_super() TO @_clerk",
    );
    for leak in ["SELECT count(*) FROM shop.as_super", "SELECT count(*) FROM shop.over", "SELECT shop.count_as_super()"]
    {
        assert_eq!(of(&app, "acme", leak).await, rows(&["3"]), "{leak}");
    }
    let desired = shop.desired_with(
        "[[database.grant]]\npermission = 'orders:write'\ntables = ['shop.as_super', 'shop.over', 'shop.as_owner']\nprivileges = ['select']\n\
         functions = ['shop.count_as_super()', 'shop.count_as_owner()']",
    );
    let found = shop.drift(&desired).await;
    let told = shown(&found).join("\n");
    for expected in [
        "definer-view shop.as_super",
        "definer-view shop.over",
        "definer-function shop.count_as_super()",
        "definer-function shop.count_as_owner()",
    ] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    found.iter().flat_map(|it| &it.statements).for_each(|statement| shop.database.execute(statement));
    for mended in
        ["SELECT count(*) FROM shop.as_super", "SELECT count(*) FROM shop.over", "SELECT shop.count_as_super()"]
    {
        assert_eq!(of(&app, "acme", mended).await, rows(&["2"]), "{mended}");
    }
    assert_eq!(shown(&shop.drift(&desired).await), [""; 0]);
}

#[tokio::test]
async fn foreign_keys_do_not_reach_over() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    // With the tenant in the key, another tenant's order is as little there as one that does not exist.
    let line = |order: &str| format!("INSERT INTO shop.line VALUES ('acme', {order}, 'x')");
    assert_eq!(of(&app, "acme", &line("3")).await, refused("23503"));
    assert_eq!(of(&app, "acme", &line("99")).await, refused("23503"));
    assert_eq!(of(&app, "acme", &line("1")).await, rows(&[]));
    // Without it, the key tells, and a CASCADE reaches the rows of others.
    shop.execute(
        "SET ROLE @_owner; CREATE TABLE shop.refund (tenant text NOT NULL, code text REFERENCES shop.orders (code) ON DELETE CASCADE); RESET ROLE",
    );
    let desired = shop.desired_with(
        "[database.tenant.table.'shop.refund']\n[[database.grant]]\npermission = 'orders:write'\ntables = ['shop.refund']\nprivileges = ['select', 'insert']",
    );
    shop.apply(&desired);
    let refund = |code: &str| format!("INSERT INTO shop.refund VALUES ('acme', '{code}')");
    assert_eq!(of(&app, "acme", &refund("z")).await, rows(&[]), "the key tells that the other tenant has it");
    assert_eq!(of(&app, "acme", &refund("none")).await, refused("23503"));
    shop.execute("INSERT INTO shop.refund VALUES ('umbrella', 'x')");
    let after = "WITH gone AS (DELETE FROM shop.orders WHERE code = 'x') SELECT 1";
    give(&app, "BEGIN; SET LOCAL app.tenant = 'acme'").await.expect("a transaction");
    give(&app, after).await.expect("deleted");
    give(&app, "COMMIT").await.expect("it ends");
    assert_eq!(shop.database.value("SELECT count(*) FROM shop.refund"), "0", "the other tenant's row went with it");
    let found = shop.drift(&desired).await;
    assert_eq!(
        shown(&found),
        ["key-across-tenants shop.refund: foreign key refund_code_fkey does not compare the tenant"]
    );
    found.iter().flat_map(|it| &it.statements).for_each(|statement| shop.database.execute(statement));
    assert_eq!(shown(&shop.drift(&desired).await), [""; 0]);
    assert_eq!(of(&app, "acme", &refund("z")).await, refused("23503"));
    assert_eq!(of(&app, "acme", &refund("y")).await, rows(&[]));
    let definition =
        shop.database.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'refund_code_fkey'");
    assert_eq!(definition, "FOREIGN KEY (tenant, code) REFERENCES shop.orders(tenant, code) ON DELETE CASCADE");
}

/// What no policy can forbid, and what the documentation therefore says: the setting is the application's word.
#[tokio::test]
async fn whoever_may_send_any_statement_may_say_any_tenant() {
    let shop = Shop::guarded();
    let app = shop.session("@_app").await;
    let given = of(&app, "acme", "SET LOCAL app.tenant = 'umbrella'; SELECT id FROM shop.orders").await;
    assert_eq!(given, rows(&["3"]));
    assert_eq!(give(&app, "ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY").await, refused(DENIED));
    assert_eq!(
        give(&app, "SET row_security = off; SELECT id FROM shop.orders").await,
        refused(DENIED),
        "an error, and not all rows"
    );
}
