//! Statements in, index definitions out.

use dbopt_catalog::{
    Build, Catalog, Column, ColumnStatistics, CommonValue, Constraint, ConstraintKind, Datum, Index, IndexKey, Relkind,
    Table, TypeName,
};
use dbopt_sql::{analyze, ir::Predicate};

use super::{access::Access, collect::collect, generate};
use crate::{
    query::{Query, QueryId},
    scope::Scope,
};

fn column(name: &str, kind: &str, n_distinct: f64) -> Column {
    let statistics = ColumnStatistics { n_distinct, average_width: 8.0, ..ColumnStatistics::default() };
    Column { name: name.to_owned(), kind: TypeName::of(kind), statistics: Some(statistics), ..Column::default() }
}

fn catalog() -> Catalog {
    let unique = |name: &str, key: &str| Index {
        name: name.to_owned(),
        keys: vec![IndexKey::column(key)],
        unique: true,
        ..Index::default()
    };
    let mut orders = Table {
        schema: "public".to_owned(),
        name: "orders".to_owned(),
        pages: 10_000.0,
        rows: Some(1e6),
        columns: vec![
            column("id", "integer", -1.0),
            column("customer_id", "integer", 50_000.0),
            column("state", "text", 4.0),
            column("placed_at", "timestamp without time zone", -0.9),
            column("payload", "jsonb", -1.0),
            column("seen_at", "timestamp with time zone", -0.9),
            column("deleted_at", "timestamp without time zone", 100.0),
        ],
        indexes: vec![unique("orders_pkey", "id")],
        ..Table::default()
    };
    let state = orders.columns[2].statistics.as_mut().expect("it was given");
    state.common = [("done", 0.9), ("open", 0.05)]
        .map(|(value, frequency)| CommonValue { value: Datum::Text(value.to_owned()), frequency })
        .into();
    orders.columns[6].statistics.as_mut().expect("it was given").null_fraction = 0.99;
    let customers = Table {
        name: "customers".to_owned(),
        columns: vec![column("id", "integer", -1.0), column("email", "text", -1.0), column("country", "text", 80.0)],
        indexes: vec![unique("customers_pkey", "id")],
        constraints: vec![Constraint {
            name: "customers_pkey".to_owned(),
            kind: ConstraintKind::Primary,
            columns: vec!["id".to_owned()],
        }],
        pages: 1000.0,
        rows: Some(1e5),
        ..Table { schema: "public".to_owned(), ..Table::default() }
    };
    let view = Table {
        name: "report".to_owned(),
        kind: Relkind::View,
        columns: vec![column("day", "date", -1.0)],
        ..Table { schema: "public".to_owned(), ..Table::default() }
    };
    let mut catalog = Catalog { search_path: vec!["public".to_owned()], ..Catalog::default() };
    catalog.server.collation = "en_US.UTF-8".to_owned();
    for table in [orders, customers, view] {
        catalog.insert(table);
    }
    catalog
}

fn query(sql: &str) -> Query {
    let statement = analyze(sql);
    let constants = statement.blocks.iter().flat_map(|block| block.filters.clone());
    Query {
        fingerprint: String::new(),
        sql: sql.to_owned(),
        normalized: sql.to_owned(),
        constants: constants
            .filter(|predicate| matches!(predicate, Predicate::IsNull { .. } | Predicate::Compare { .. }))
            .collect(),
        statement,
        calls: 1.0,
        total_ms: None,
        rows: None,
    }
}

fn candidates(catalog: &Catalog, statements: &[&str]) -> Vec<String> {
    let queries: Vec<Query> = statements.iter().map(|sql| query(sql)).collect();
    let accesses: Vec<Access> = queries
        .iter()
        .enumerate()
        .flat_map(|(at, query)| collect(catalog, QueryId(at), query, &Scope::new(&query.statement, catalog)).accesses)
        .collect();
    generate(catalog, &accesses, 1000)
        .into_iter()
        .map(|(table, index)| {
            let sql = index.create_sql(catalog.table(table), Build::Plain);
            sql.replace("CREATE INDEX ON public.", "").replace("USING btree ", "")
        })
        .collect()
}

/// The candidates of one statement are exactly these.
fn check(sql: &str, expected: &[&str]) {
    assert_eq!(candidates(&catalog(), &[sql]), expected, "{sql}");
}

/// Among the candidates of one statement are these.
fn check_some(sql: &str, expected: &[&str]) {
    let found = candidates(&catalog(), &[sql]);
    for index in expected {
        assert!(found.iter().any(|other| other == index), "{sql}\nhas not {index}\nbut {found:#?}");
    }
}

/// No candidate of a statement begins with this.
fn check_not(sql: &str, unwanted: &str) {
    let found = candidates(&catalog(), &[sql]);
    assert!(found.iter().all(|index| !index.contains(unwanted)), "{sql}\n{found:#?}");
}

#[test]
fn equality_comes_first_and_the_most_selective_before_others() {
    check(
        "SELECT * FROM orders WHERE state = $1 AND customer_id = $2",
        &["orders (customer_id, state)", "orders (customer_id)", "orders (state)"],
    );
    check_some(
        "SELECT * FROM orders WHERE placed_at > $1 AND customer_id = $2",
        &["orders (customer_id, placed_at)", "orders (customer_id)", "orders (placed_at)"],
    );
    check_not("SELECT * FROM orders WHERE placed_at > $1 AND customer_id = $2", "(placed_at, customer_id");
}

#[test]
fn an_order_of_keys_that_another_query_shares_is_thought_of() {
    let both = ["SELECT * FROM orders WHERE state = $1 AND customer_id = $2", "SELECT * FROM orders WHERE state = $1"];
    assert!(candidates(&catalog(), &both).contains(&"orders (state, customer_id)".to_owned()));
    check_not(both[0], "(state, customer_id)");
}

#[test]
fn a_unique_lookup_needs_nothing() {
    check("SELECT * FROM orders WHERE id = $1", &[]);
    check("SELECT * FROM orders WHERE id = ANY($1)", &[]);
    check("SELECT * FROM orders ORDER BY id DESC LIMIT 10", &[]);
    check_not("SELECT * FROM orders WHERE id = $1 AND state = $2", "(id");
}

#[test]
fn joins_are_served_from_either_side() {
    check_some(
        "SELECT c.email FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.country = 'x' AND o.state = 'open'",
        &[
            "orders (customer_id)",
            "orders (customer_id, state)",
            "orders (state, customer_id)",
            "customers (country)",
            "customers (country, id)",
            "orders (customer_id) WHERE state = 'open'",
        ],
    );
    check_some("SELECT * FROM customers WHERE id IN (SELECT customer_id FROM orders)", &["orders (customer_id)"]);
    check_some(
        "SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.placed_at > $1)",
        &["orders (customer_id)", "orders (customer_id, placed_at)"],
    );
}

#[test]
fn orders_with_limit_follow_their_equalities() {
    check_some(
        "SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 10",
        &["orders (customer_id, placed_at)", "orders (placed_at)"],
    );
    check_some(
        "SELECT * FROM orders WHERE state = $1 ORDER BY customer_id, placed_at DESC LIMIT 10",
        &["orders (state, customer_id, placed_at DESC)"],
    );
    check_some(
        "SELECT * FROM orders WHERE (placed_at, customer_id) < ($1, $2) ORDER BY placed_at DESC, customer_id DESC LIMIT 9",
        &["orders (placed_at, customer_id)"],
    );
    // A list of values leaves no order behind it.
    check_not("SELECT * FROM orders WHERE state IN ('a', 'b') ORDER BY placed_at LIMIT 10", "(state, placed_at)");
}

#[test]
fn groups_and_extremes_come_in_order() {
    check_some("SELECT customer_id, count(*) FROM orders GROUP BY customer_id", &["orders (customer_id)"]);
    check_some(
        "SELECT max(placed_at) FROM orders WHERE customer_id = $1",
        &["orders (customer_id, placed_at)", "orders (placed_at)"],
    );
    check_some(
        "SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id, placed_at DESC",
        &["orders (customer_id, placed_at DESC)"],
    );
}

#[test]
fn few_columns_are_included_and_many_are_not() {
    check_some(
        "SELECT state FROM orders WHERE customer_id = $1",
        &["orders (customer_id) INCLUDE (state)", "orders (customer_id)"],
    );
    check_not("SELECT * FROM orders WHERE customer_id = $1", "INCLUDE");
    check_not("UPDATE orders SET state = 'x' WHERE customer_id = $1", "INCLUDE");
    check_not("SELECT state FROM orders WHERE customer_id = $1 FOR UPDATE", "INCLUDE");
}

#[test]
fn conditions_that_never_change_make_partial_indexes_when_they_select_little() {
    check_some(
        "SELECT * FROM orders WHERE state = 'open' ORDER BY placed_at LIMIT 5",
        &["orders (placed_at) WHERE state = 'open'"],
    );
    check_not("SELECT * FROM orders WHERE state = 'done' ORDER BY placed_at LIMIT 5", "WHERE");
    check_not("SELECT * FROM orders WHERE deleted_at IS NULL AND customer_id = $1", "WHERE");
    check_some(
        "SELECT * FROM orders WHERE deleted_at IS NOT NULL AND customer_id = $1",
        &["orders (customer_id) WHERE deleted_at IS NOT NULL"],
    );
    check_not("SELECT * FROM orders WHERE state = $1 ORDER BY placed_at LIMIT 5", "WHERE");
}

#[test]
fn immutable_expressions_can_be_keys() {
    check("SELECT * FROM customers WHERE lower(email) = $1", &["customers (lower(email))"]);
    check("SELECT * FROM customers c WHERE lower(c.email) = lower($1)", &["customers (lower(email))"]);
    check("SELECT * FROM orders WHERE payload ->> 'kind' = 'x'", &["orders ((payload ->> 'kind'))"]);
    check_some(
        "SELECT count(*) FROM orders WHERE date_trunc('day', placed_at) = '2024-01-01'",
        &["orders (date_trunc('day', placed_at))"],
    );
    // The result depends on the session's time zone.
    check("SELECT * FROM orders WHERE date_trunc('day', seen_at) = '2024-01-01'", &[]);
}

#[test]
fn patterns_and_inverted_indexes_have_their_own_classes() {
    check("SELECT * FROM customers WHERE email LIKE 'x%'", &["customers (email text_pattern_ops)"]);
    check("SELECT * FROM customers WHERE email LIKE '%x'", &[]);
    check("SELECT * FROM orders WHERE payload @> '{\"a\": 1}'", &["orders USING gin (payload jsonb_path_ops)"]);
    check("SELECT * FROM orders WHERE payload = '{}'", &[]);
}

#[test]
fn what_cannot_be_indexed_or_exists_is_left_alone() {
    check("SELECT * FROM report WHERE day = '2024-01-01'", &[]);
    check("SELECT * FROM nowhere WHERE a = 1", &[]);
    let mut catalog = catalog();
    let orders = catalog.find(None, "orders").expect("it is there");
    let keys = ["customer_id", "state"].map(IndexKey::column).into();
    catalog.tables[orders.0].indexes.push(Index { keys, ..Index::default() });
    let found = candidates(&catalog, &["SELECT * FROM orders WHERE state = $1 AND customer_id = $2"]);
    assert_eq!(found, ["orders (state)"]);
}

#[test]
fn branches_of_or_are_looked_up_one_by_one() {
    check_some(
        "SELECT * FROM orders WHERE customer_id = $1 OR placed_at > $2",
        &["orders (customer_id)", "orders (placed_at)"],
    );
}

#[test]
fn large_tables_in_the_order_of_a_column_get_block_ranges() {
    let mut catalog = catalog();
    let orders = catalog.find(None, "orders").expect("it is there");
    catalog.tables[orders.0].columns[3].statistics.as_mut().expect("it was given").correlation = Some(0.99);
    let found = candidates(&catalog, &["SELECT * FROM orders WHERE placed_at BETWEEN $1 AND $2"]);
    assert_eq!(found, ["orders (placed_at)", "orders USING brin (placed_at)"]);
}
