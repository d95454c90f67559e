//! The live reader against a real server.

mod common;

use common::{read, rich_schema, with_client};
use dbopt_catalog::{
    Build, Catalog, ConstraintKind, Datum, Index, IndexKey, KeyPart, Method, Quality, RedactionKey, Relkind, Table,
    live, redact, snapshot,
};
use dbopt_testkit::{Cluster, Database};

fn table<'a>(catalog: &'a Catalog, schema: &str, name: &str) -> &'a Table {
    catalog.table(catalog.find(Some(schema), name).unwrap_or_else(|| panic!("{schema}.{name} is missing")))
}

fn rich_database() -> Database<'static> {
    let database = rich_schema();
    database.execute(include_str!("common/data.sql"));
    database
}

/// The connection string of a role without any right of its own.
fn as_role(database: &Database<'_>, role: &str) -> String {
    database.conn_string().replace("user=postgres", &format!("user={role}"))
}

#[test]
fn everything_of_a_table_is_read() {
    let database = rich_database();
    let (catalog, findings) = read(&database.conn_string());
    assert_eq!(findings, []);
    assert_eq!(catalog.database.as_deref(), Some(database.name()));
    assert_eq!(catalog.search_path, ["public"]);
    assert_eq!(catalog.quality, Quality::Full);
    assert_eq!(catalog.server.version_num, database.cluster().server_version_num());
    assert_eq!((&*catalog.server.encoding, &*catalog.server.collation), ("UTF8", "C"));

    let customers = table(&catalog, "app", "customers");
    assert_eq!((customers.kind, customers.fillfactor, customers.rows), (Relkind::Table, 80, Some(2000.0)));
    let types: Vec<_> = customers
        .columns
        .iter()
        .map(|column| format!("{} {}{} {}", column.name, column.kind.name, column.kind.modifier, column.kind.category))
        .collect();
    insta::assert_snapshot!(types.join("\n"), @r"
    id bigint N
    email app.email S
    name character varying(80) S
    Mixed Case text S
    mood app.mood E
    balance numeric(12,2) N
    tags text[] A
    payload jsonb U
    code character(3) S
    flags bit(8) V
    stamp timestamp with time zone(3) D
    took interval T
    point app.pair C
    full_name text S
    deleted_at timestamp with time zone D
    ");
    let column = |name| &customers.columns[customers.column(name).expect("the column is there").0];
    assert_eq!(column("email").kind.base.as_deref(), Some("text"));
    assert_eq!(column("Mixed Case").collation.as_deref(), Some("C"));
    assert!(column("full_name").generated && column("name").not_null && !column("code").not_null);

    let mood = column("mood").statistics.as_ref().expect("it was analysed");
    let common: Vec<_> = mood.common.iter().map(|common| (common.value.clone(), common.frequency)).collect();
    assert_eq!(common, [(Datum::Text("ok".to_owned()), 0.7), (Datum::Text("sad".to_owned()), 0.3)]);
    assert_eq!(column("Mixed Case").statistics.as_ref().map(|statistics| statistics.null_fraction), Some(0.25));
    let stamp = column("stamp").statistics.as_ref().expect("it was analysed");
    assert_eq!(stamp.histogram.first().map(String::as_str), Some("2024-01-01 01:00:00+00"));
    assert_eq!((stamp.correlation, stamp.n_distinct), (Some(1.0), -1.0));
    let tags = column("tags").statistics.as_ref().expect("it was analysed");
    assert!(tags.common_elements.iter().any(|element| element.value == Datum::Text("all".to_owned())));

    let extended = &customers.extended[0];
    assert_eq!((&*extended.name, extended.columns.len()), ("app.customers_stats", 2));
    assert_eq!(extended.n_distinct[0].1, 14.0);
    assert_eq!(extended.dependencies.len(), 0);
}

#[test]
fn values_with_commas_and_quotes_stay_whole() {
    let (catalog, _) = read(&rich_database().conn_string());
    let orders = table(&catalog, "app", "orders");
    let status = orders.columns[orders.column("status").expect("it is there").0].statistics.as_ref();
    let values: Vec<_> = status.expect("it was analysed").common.iter().map(|common| common.value.clone()).collect();
    assert!(values.contains(&Datum::Text("sent, \"not\" {paid}".to_owned())), "{values:?}");
}

#[test]
fn indexes_are_read_with_keys_options_and_statistics() {
    let (catalog, _) = read(&rich_database().conn_string());
    let customers = table(&catalog, "app", "customers");
    let index = |name: &str| {
        customers.indexes.iter().find(|index| index.name == name).unwrap_or_else(|| panic!("{name} is missing"))
    };
    let lower = index("customers_lower_name_idx");
    assert_eq!(lower.keys[0].part, KeyPart::Expression("lower((name)::text)".to_owned()));
    assert_eq!(lower.predicate.as_deref(), Some("(deleted_at IS NULL)"));
    assert_eq!(lower.rows, Some(1600.0));
    assert_eq!(lower.expression_statistics.len(), 1);
    assert_eq!(lower.expression_statistics[0].0, 0);
    let payload = index("customers_payload_idx");
    assert_eq!(payload.keys[0].part, KeyPart::Expression("payload ->> 'k'::text".to_owned()));
    assert_eq!(payload.keys[1], IndexKey { descending: true, ..IndexKey::column("id") });
    let pattern = index("customers_name_pattern_idx");
    assert_eq!(pattern.keys[0].opclass.as_deref(), Some("text_pattern_ops"));
    assert_eq!((pattern.fillfactor, pattern.deduplicate, pattern.unique), (Some(70), false, false));
    assert_eq!(pattern.include, ["balance"]);
    assert_eq!(pattern.keys[1], IndexKey { descending: true, nulls_first: true, ..IndexKey::column("stamp") });
    let collate = index("customers_name_collate_idx");
    assert_eq!((collate.keys[0].collation.as_deref(), collate.keys[0].nulls_first), (Some("POSIX"), true));
    assert_eq!(index("customers_trgm_idx").keys[0].opclass.as_deref(), Some("gin_trgm_ops"));
    assert_eq!(index("Odd \"Name\"").method, Method::Hash);
    let primary = index("customers_pkey");
    assert!(primary.primary && primary.unique && primary.valid && primary.deduplicate);
    assert_eq!(primary.constraint.as_deref(), Some("customers_pkey"));
    assert!(primary.pages.is_some_and(|pages| pages > 2.0));
    assert!(table(&catalog, "app", "orders").indexes.iter().any(|index| index.identity));
}

#[test]
fn partitions_constraints_and_views_are_read() {
    let (catalog, _) = read(&rich_database().conn_string());
    let events = table(&catalog, "public", "events");
    assert_eq!(events.kind, Relkind::Partitioned);
    assert_eq!(events.partition_key, Some(("RANGE".to_owned(), vec!["at".to_owned()])));
    assert_eq!(events.rows, Some(1500.0));
    let leaf = table(&catalog, "public", "events_2024");
    assert!(events.pages > leaf.pages && leaf.pages > 0.0);
    assert_eq!(
        leaf.partition_bound.as_deref(),
        Some("FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')")
    );
    let parent = Some(("public".to_owned(), "events".to_owned()));
    assert_eq!(leaf.parent, parent);
    assert_eq!(leaf.indexes[1].parent, Some(("public".to_owned(), "events_pkey".to_owned())));
    assert_eq!(
        events.indexes[1].pages,
        Some(
            leaf.indexes[1].pages.expect("measured")
                + table(&catalog, "public", "events_rest_a").indexes[1].pages.expect("measured")
        )
    );
    assert_eq!(table(&catalog, "public", "events_rest").parent, parent);
    assert_eq!(table(&catalog, "public", "child").parent, Some(("public".to_owned(), "parent".to_owned())));

    let orders = table(&catalog, "app", "orders");
    let foreign = orders.constraints.iter().find(|constraint| constraint.name == "orders_customer_id_fkey");
    assert_eq!(
        foreign.map(|constraint| (&constraint.kind, &*constraint.columns)),
        Some((
            &ConstraintKind::Foreign {
                table: ("app".to_owned(), "customers".to_owned()),
                columns: vec!["id".to_owned()],
                on_delete: "CASCADE".to_owned()
            },
            &["customer_id".to_owned()][..]
        ))
    );
    let view = table(&catalog, "app", "open_orders");
    assert_eq!((view.kind, view.columns.len(), view.rows), (Relkind::View, 2, None));
    assert!(view.definition.as_ref().is_some_and(|definition| definition.contains("FROM app.orders")));
    assert_eq!(table(&catalog, "app", "totals").kind, Relkind::MaterializedView);
}

#[test]
fn settings_are_in_the_models_units() {
    let database = Cluster::shared().database();
    database.execute("CREATE TABLE t (a int)");
    let set = format!(
        "{} options='-c work_mem=7MB -c effective_cache_size=1GB -c enable_hashjoin=off -c random_page_cost=1.1'",
        database.conn_string()
    );
    let (catalog, _) = read(&set);
    assert_eq!(catalog.settings.work_mem, 7.0 * 1024.0 * 1024.0);
    assert_eq!(catalog.settings.effective_cache_size, 131_072.0);
    assert_eq!((catalog.settings.enable_hashjoin, catalog.settings.random_page_cost), (false, 1.1));
    assert_eq!(catalog.settings.min_parallel_table_scan_size, 1024.0);
}

#[test]
fn a_snapshot_reads_as_it_was_written() {
    let (catalog, _) = read(&rich_database().conn_string());
    let mut bytes = Vec::new();
    snapshot::write(&catalog, &mut bytes).expect("a vector takes all bytes");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    assert_eq!(snapshot::read("s.json", &text), Ok(catalog));
}

#[test]
fn a_redacted_snapshot_holds_no_value_of_a_row() {
    let (catalog, _) = read(&rich_database().conn_string());
    let key = RedactionKey::new(b"a secret of enough bytes").expect("it is long enough");
    let redacted = redact(&catalog, &key);
    let mut bytes = Vec::new();
    snapshot::write(&redacted, &mut bytes).expect("a vector takes all bytes");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    for value in
        ["pending", "paid", "very happy", "sad", "@example", "Name 1", "2024-01", "2025", "'open'", "t1", "\"M1"]
    {
        assert!(!text.contains(value), "{value} is shown");
    }
    assert_eq!(snapshot::read("s.json", &text).as_ref(), Ok(&redacted));
    assert_eq!(redacted.quality, Quality::Redacted);
    let orders = table(&redacted, "app", "orders");
    let status = orders.columns[orders.column("status").expect("it is there").0].statistics.as_ref();
    let status = status.expect("it was analysed");
    let paid = Datum::Hashed(key.hash("app", "orders", "status", "paid"));
    assert_eq!((&status.common[0].value, status.common[0].frequency), (&paid, 0.5));
    assert_eq!((status.n_distinct, status.histogram.len()), (3.0, 0));
    let pending = key.hash("app", "orders", "", "pending");
    let partial = orders.indexes.iter().find_map(|index| index.predicate.clone());
    assert_eq!(partial, Some(format!("(status = '{pending}'::text)")));
}

#[test]
fn a_role_without_rights_is_told_what_it_cannot_see() {
    let database = rich_database();
    database.execute(
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA app TO reader;
         GRANT SELECT ON app.orders, app.items TO reader; GRANT SELECT (id) ON app.customers TO reader;
         ALTER TABLE app.items ENABLE ROW LEVEL SECURITY",
    );
    let (catalog, findings) = read(&as_role(&database, "reader"));
    database.execute("DROP OWNED BY reader");
    let orders = table(&catalog, "app", "orders");
    assert!(orders.columns.iter().all(|column| column.statistics.is_some()));
    let customers = table(&catalog, "app", "customers");
    assert_eq!(customers.columns.iter().filter(|column| column.statistics.is_some()).count(), 1);
    assert_eq!((customers.rows, customers.indexes.len()), (Some(2000.0), 11));
    let findings: Vec<_> =
        findings.iter().map(|finding| format!("{finding}\n  {}", finding.help.as_deref().unwrap_or("-"))).collect();
    insta::assert_snapshot!(findings.join("\n"), @r"
    role `reader` may not see the statistics of 39 columns: `app.customers.email`, `app.customers.name`, `app.customers.Mixed Case`, `app.customers.mood`, `app.customers.balance` and 34 more
      Run GRANT pg_read_all_data TO reader; until then default statistics stand in for them.
    row-level security hides the statistics of 1 table from role `reader`: `app.items`
      Read as the owner or as a role with BYPASSRLS; until then default statistics stand in for them.
    2 index expressions have no statistics that role `reader` may see: `app.customers_lower_name_idx`, `app.customers_payload_idx`
      The server shows them to the owner of the table and to members of pg_read_all_data.
    1 extended statistics object has no values that role `reader` may see: `app.customers_stats`
      The server shows them to the owner of the table; ANALYZE makes them.
    ");
}

#[test]
fn reading_changes_nothing_and_leaves_the_session_as_it_was() {
    let database = rich_database();
    let state = |database: &Database<'_>| {
        database.query(
            "SELECT relname, relfilenode::text, relpages::text, reltuples::text, xmin::text FROM pg_class ORDER BY oid",
        )
    };
    database.execute("DROP ROLE IF EXISTS watcher; CREATE ROLE watcher LOGIN");
    let before = state(&database);
    with_client(&as_role(&database, "watcher"), async |client| {
        client.batch_execute("SET search_path = app, public; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let options = live::ReadOptions::default();
        let (catalog, _) = live::read_in_transaction(client, &options).await.expect("the catalogue is readable");
        assert_eq!(catalog.search_path, ["public"], "without USAGE a schema is not searched");
        let path: String = client.query_one("SHOW search_path", &[]).await?.get(0);
        assert_eq!(path, "app, public");
        let assigned: Option<String> =
            client.query_one("SELECT pg_current_xact_id_if_assigned()::text", &[]).await?.get(0);
        assert_eq!(assigned, None);
        client.batch_execute("COMMIT").await?;
        let (again, _) = live::read(client, &options).await.expect("the catalogue is readable");
        assert_eq!(again.tables.len(), catalog.tables.len());
        let prepared: i64 = client
            .query_one("SELECT count(*) FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared%'", &[])
            .await?
            .get(0);
        assert_eq!(prepared, 0);
        Ok::<_, tokio_postgres::Error>(())
    })
    .expect("the session works");
    assert_eq!(state(&database), before);
}

#[test]
fn a_locked_table_does_not_stop_the_reader() {
    let database = rich_database();
    with_client(&database.conn_string(), async |blocker| {
        blocker.batch_execute("BEGIN; LOCK TABLE app.orders IN ACCESS EXCLUSIVE MODE").await.expect("it locks");
        let conn_string = format!("{} options='-c lock_timeout=50ms'", database.conn_string());
        let read = std::thread::spawn(move || read(&conn_string)).join().expect("no panic");
        let (catalog, findings) = read;
        let codes: Vec<_> = findings.iter().map(|finding| finding.code.0).collect();
        assert_eq!(codes, ["catalog-locked", "catalog-locked"]);
        assert_eq!(findings[0].to_string(), "1 table is left out, being locked: `app.orders`");
        assert_eq!(catalog.find(Some("app"), "orders"), None);
        assert_eq!(table(&catalog, "app", "customers").rows, Some(2000.0));
        assert_eq!(table(&catalog, "app", "open_orders").definition, None);
    });
}

#[test]
fn schemas_are_chosen_by_pattern() {
    let database = rich_schema();
    let read = |schemas: &[&str], exclude: &[&str]| {
        let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let options = live::ReadOptions { schemas: owned(schemas), exclude_schemas: owned(exclude) };
        let result = with_client(&database.conn_string(), async |client| live::read(client, &options).await);
        let (catalog, findings) = result.expect("the catalogue is readable");
        let mut schemas: Vec<_> = catalog.tables.into_iter().map(|table| table.schema).collect();
        schemas.dedup();
        (schemas, findings.into_iter().map(|finding| finding.code.0).collect::<Vec<_>>())
    };
    assert_eq!(read(&["APP"], &[]), (vec!["app".to_owned()], vec![]));
    assert_eq!(read(&[], &["a*", "none"]), (vec!["public".to_owned()], vec![]));
    assert_eq!(read(&["none"], &[]), (vec![], vec!["catalog-schema-not-found", "catalog-empty"]));
}

#[test]
fn what_newer_servers_know_is_read_where_there_is_such() {
    let database = Cluster::shared().database();
    let version = database.cluster().server_version_num();
    database.execute("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000); CREATE INDEX t_a_idx ON t (a); ANALYZE t");
    if version >= 150_000 {
        database.execute("CREATE UNIQUE INDEX u ON t (a) NULLS NOT DISTINCT");
    }
    database.execute("SET enable_seqscan = off; SELECT * FROM t WHERE a = 5");
    // Counters are published when the session that scanned has ended.
    let scanned = "SELECT count(*) FROM pg_stat_user_indexes WHERE idx_scan > 0";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while database.value(scanned) == "0" && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (catalog, _) = read(&database.conn_string());
    let indexes = &table(&catalog, "public", "t").indexes;
    assert_eq!(indexes.iter().filter_map(|index| index.scans).sum::<u64>(), 1);
    assert_eq!(indexes.iter().any(|index| index.last_scan.is_some()), version >= 160_000);
    assert_eq!(indexes.iter().any(|index| index.nulls_not_distinct), version >= 150_000);
}

#[test]
fn tables_without_statistics_are_named() {
    let database = Cluster::shared().database();
    database.execute("CREATE TABLE t (a int) WITH (autovacuum_enabled = off); INSERT INTO t VALUES (1)");
    let (catalog, findings) = read(&database.conn_string());
    assert_eq!(table(&catalog, "public", "t").rows, None);
    assert_eq!(catalog.quality, Quality::Defaults);
    assert_eq!(findings[0].to_string(), "1 table was never analysed: `public.t`");
}

#[test]
fn the_server_takes_made_statements_and_prints_the_same_index() {
    let database = rich_schema();
    let (catalog, _) = read(&database.conn_string());
    for table in catalog.tables.iter().filter(|table| table.kind == Relkind::Table) {
        for index in table.indexes.iter().filter(|index| index.method != Method::Gist && index.parent.is_none()) {
            let copy = Index { name: format!("{} copy", index.name), ..index.clone() };
            database.execute(&format!(
                "SET search_path = ''; {}",
                copy.create_sql(table, Build::Plain).replace(" gin_trgm_ops", " public.gin_trgm_ops")
            ));
        }
    }
    let (again, _) = read(&database.conn_string());
    let mut compared = 0;
    for table in &catalog.tables {
        let made = table_of(&again, table);
        for index in &table.indexes {
            let copied = format!("{} copy", index.name);
            let Some(copy) = made.indexes.iter().find(|other| other.name == copied) else { continue };
            let part = |index: &Index| {
                (
                    index.keys.clone(),
                    index.include.clone(),
                    index.predicate.clone(),
                    index.method.clone(),
                    index.unique,
                    index.fillfactor,
                    index.deduplicate,
                )
            };
            assert_eq!(part(copy), part(index), "{}", index.name);
            compared += 1;
        }
    }
    assert!(compared > 12, "only {compared} indexes were compared");
}

fn table_of<'a>(catalog: &'a Catalog, like: &Table) -> &'a Table {
    table(catalog, &like.schema, &like.name)
}
