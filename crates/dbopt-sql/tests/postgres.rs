//! What this crate says about SQL, held against PostgreSQL itself.

use dbopt_sql::{
    analyze,
    ir::{Expr, Predicate, Source},
    quote_ident, quote_literal,
};
use dbopt_testkit::Cluster;

/// The expression that a query's first condition is about.
fn tested(sql: &str) -> Expr {
    let statement = analyze(sql);
    assert_eq!(statement.source, Source::Parser, "{sql}");
    match statement.blocks[0].filters.first() {
        Some(
            Predicate::Compare { left: expr, .. } | Predicate::InList { expr, .. } | Predicate::IsNull { expr, .. },
        ) => expr.clone(),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn an_index_on_an_expressions_text_serves_the_query() {
    let database = Cluster::shared().database();
    database.execute(
        r#"create table t (id int, email text, "Mixed" text, data jsonb, at timestamptz, ts timestamp, day date, n int, s varchar(20));
           insert into t select i, i || '@x', i::text, jsonb_build_object('k', i), now(), now(), now(), i, i::text
           from generate_series(1, 2000) i;
           create function public.twice(int) returns int immutable language sql as 'select $1 * 2';
           set enable_seqscan = off;"#,
    );
    let conditions = [
        "LOWER(x.email) = 'a'",
        "lower(x.\"Mixed\") = 'a'",
        "x.data ->> 'k' = '5'",
        "(x.data -> 'a') ->> 'b' = '5'",
        "(data->>'k')::int = 5",
        "cast(x.data ->> 'it''s' as int) = 5",
        "date_trunc('day', x.ts) = '2024-01-01'",
        "x.at at time zone 'UTC' = '2024-01-01'",
        "date_trunc('month', at at time zone 'Europe/Berlin') = '2024-01-01'",
        "extract(year from x.ts) = 2024",
        "EXTRACT(epoch FROM ts) = 5",
        "coalesce(x.n, 0) = 5",
        "coalesce(x.\"Mixed\", 'none') = 'a'",
        "x.email || '-' || x.\"Mixed\" = 'a-b'",
        "(x.n + 1) * 2 = 10",
        "x.n % 10 = 3",
        "x.n - -5 = 3",
        "(-5)::text || x.n::text = 'a'",
        "public.twice(x.n) = 10",
        "substring(x.email from 1 for 3) = 'abc'",
        "trim(both ' ' from x.email) = 'abc'",
        "trim(leading ' ' from x.email) = 'abc'",
        "position('@' in x.email) = 3",
        "left(x.email, 3) = 'abc'",
        "md5(x.email) = 'abc'",
        "case when x.n > 5 then x.email else upper(x.s) end = 'a'",
        "nullif(x.email, '') is null",
        "x.email collate \"C\" = 'a'",
        "x.day - date '2024-01-01' = 5",
        "x.ts - interval '1 day' = '2024-01-01'",
        "round(x.n / 3.0, 2) in (1.5, 2)",
    ];
    let mut missed = Vec::new();
    for condition in conditions {
        let sql = format!("select id from t x where {condition}");
        let text = tested(&sql).text().into_owned();
        database.execute(&format!("drop index if exists served; create index served on t (({text})); analyze t"));
        let plan = database.query(&format!("set enable_seqscan = off; explain {sql}"));
        if !format!("{plan:?}").contains("Index Cond") {
            missed.push((condition, text));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn names_and_values_are_quoted_as_the_server_quotes_them() {
    let database = Cluster::shared().database();
    let rows = database.query("select word, quote_ident(word) from pg_get_keywords() order by word");
    // Quotes that a server does not need, since its version does not reserve the word, do no harm.
    let needed = |row: &&Vec<Option<String>>| text(row, 0) != text(row, 1);
    let differ: Vec<_> = rows.iter().filter(needed).filter(|row| quote_ident(text(row, 0)) != text(row, 1)).collect();
    assert!(rows.len() > 400);
    assert!(differ.is_empty(), "{differ:?}");
    for value in ["", "it's", r"back\slash", "new\nline", "$1", "é"] {
        assert_eq!(database.value(&format!("select {}", quote_literal(value))), value);
    }
}

fn text(row: &[Option<String>], column: usize) -> &str {
    row[column].as_deref().unwrap_or_default()
}
