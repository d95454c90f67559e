//! Texts that nobody means well with.

use proptest::prelude::*;

use super::{analyze, read_tokens};
use crate::{analysis::fuzz_analyze, ir::Source};

/// Fragments that nest or chain when they are repeated: what is repeated before and after, and what is in the middle.
const NESTING: &[(&str, &str, &str)] = &[
    ("(", "a", ")"),
    ("f(", "a", ")"),
    ("select * from (", "t", ")"),
    ("(select (", "select 1", "))"),
    ("case when ", "a", " then 1 end"),
    ("not ", "a", ""),
    ("- ", "1", ""),
    ("array[", "1", "]"),
    ("a or ", "b", ""),
    ("a and (b or ", "c", ")"),
    ("a between ", "1", " and 2"),
    ("a join ", "b", " on true"),
    ("a join (", "b", ") on true"),
    ("select 1 union ", "select 2", ""),
    ("with a as (", "select 1", ") select 1"),
    ("exists (select ", "1", ")"),
    ("a::int::", "int", ""),
    ("a is true is ", "null", ""),
    ("(x, y) -> (", "y", ")"),
];

#[test]
fn nesting_of_any_depth_is_survived() {
    for (before, middle, after) in NESTING {
        for times in [38, 1_500] {
            let nested = format!("{}{middle}{}", before.repeat(times), after.repeat(times));
            for sql in [nested.clone(), format!("select * from t where {nested}"), format!("select * from {nested}")] {
                fuzz_analyze(sql.as_bytes());
            }
        }
    }
    fuzz_analyze("(".repeat(10_000).as_bytes());
}

#[test]
fn deep_statements_are_read_from_their_tokens() {
    let deep = format!("select * from t where {}a = 1{} and b = 2", "(".repeat(10_000), ")".repeat(10_000));
    let statement = analyze(&deep);
    assert_eq!(statement.source, Source::Tokens);
    assert_eq!(statement.tables()[0].name.as_str(), "t");
    assert_eq!(statement.blocks[0].filters.len(), 2);
}

#[test]
fn long_disjunctions_are_parsed() {
    let long = format!("select * from t where a = 0{}", " or a = 1".repeat(2_000));
    let statement = analyze(&long);
    assert_eq!(statement.source, Source::Parser);
    assert_eq!(statement.blocks[0].filters.len(), 1);
}

#[test]
fn very_large_inserts_are_counted_without_a_tree() {
    let large = format!("insert into t (a) values ('{}'){}", "x".repeat(1 << 20), ", ($1)".repeat(9));
    let statement = analyze(&large);
    assert_eq!(statement.source, Source::Tokens);
    assert_eq!(statement.target.and_then(|target| target.values_rows), Some(10));
}

const WORDS: &[&str] = &[
    "select",
    "from",
    "where",
    "t",
    "u",
    "a",
    "b",
    "\"C\"",
    ".",
    ",",
    "(",
    ")",
    "[",
    "]",
    "=",
    "<",
    "and",
    "or",
    "not",
    "in",
    "exists",
    "between",
    "like",
    "is",
    "null",
    "join",
    "left",
    "on",
    "using",
    "with",
    "recursive",
    "as",
    "union",
    "all",
    "order",
    "by",
    "group",
    "having",
    "limit",
    "offset",
    "insert",
    "into",
    "values",
    "update",
    "set",
    "delete",
    "merge",
    "when",
    "matched",
    "then",
    "do",
    "conflict",
    "returning",
    "case",
    "end",
    "any",
    "array",
    "'x'",
    "1",
    "$1",
    "::",
    "date",
    "*",
    "->>",
    "over",
    "partition",
    "distinct",
    "lateral",
    "interval",
    "for",
    "table",
    "only",
    ";",
    "explain",
    "row",
    "natural",
    "except",
    "window",
    "filter",
    "cast",
    "extract",
    "collate",
    "at",
    "time",
    "zone",
    "-",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_statement(bytes: Vec<u8>) {
        fuzz_analyze(&bytes);
    }

    #[test]
    fn any_words_give_a_statement(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        let sql = format!("select {}", words.join(" "));
        fuzz_analyze(sql.as_bytes());
        fuzz_analyze(words.join(" ").as_bytes());
        let _ = read_tokens(&sql);
    }

    #[test]
    fn a_statement_cut_anywhere_still_names_its_table(cut in 0_usize..60) {
        let sql = "select a, count(*) from t where b = $1 and (c in (1, 2) or d > '2024-01-01') group by a order by 2 limit 5";
        let statement = analyze(&sql[..26 + cut.min(sql.len() - 26)]);
        prop_assert_eq!(statement.tables()[0].name.as_str(), "t");
    }
}
