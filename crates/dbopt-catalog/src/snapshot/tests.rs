use proptest::prelude::*;

use super::*;
use crate::{ColumnStatistics, CommonValue, Datum, Index, IndexKey, Quality, Table, TypeName};

fn findings(text: &str) -> String {
    let findings = read("s.json", text).expect_err("the text is not a snapshot");
    findings.iter().map(|finding| format!("{finding} | {}", finding.help.as_deref().unwrap_or("-"))).collect()
}

fn small() -> Catalog {
    let statistics = ColumnStatistics {
        null_fraction: 0.1,
        average_width: 4.0,
        n_distinct: -0.5,
        common: vec![CommonValue { value: Datum::Text("a".to_owned()), frequency: 0.3 }],
        correlation: Some(-0.2),
        ..ColumnStatistics::default()
    };
    let column = crate::Column {
        name: "c".to_owned(),
        kind: TypeName { modifier: "(20)".to_owned(), ..TypeName::of("character varying") },
        statistics: Some(statistics),
        ..crate::Column::default()
    };
    let index =
        Index { name: "i".to_owned(), schema: "s".to_owned(), keys: vec![IndexKey::column("c")], ..Index::default() };
    let table = Table {
        schema: "s".to_owned(),
        name: "t".to_owned(),
        pages: 12.0,
        rows: Some(1000.0),
        columns: vec![column],
        indexes: vec![index],
        ..Table::default()
    };
    Catalog { tables: vec![table], quality: Quality::Full, ..Catalog::default() }
}

fn written(catalog: &Catalog) -> String {
    let mut bytes = Vec::new();
    write(catalog, &mut bytes).expect("a vector takes all bytes");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

#[test]
fn a_table_is_one_line_without_defaults() {
    let text = written(&small());
    insta::assert_snapshot!(text.lines().nth(1).expect("the table"), @r#"{"schema":"s","name":"t","pages":12,"rows":1000,"columns":[{"name":"c","type":"character varying","modifier":"(20)","statistics":{"null_fraction":0.1,"average_width":4,"n_distinct":-0.5,"common":[["a",0.3]],"correlation":-0.2}}],"indexes":[{"name":"i","keys":[{"column":"c"}]}]}"#);
    assert_eq!(read("s.json", &text), Ok(small()));
}

#[test]
fn what_is_no_snapshot_is_named() {
    insta::assert_snapshot!(findings(""), @"s.json: the file is empty | Make a snapshot with `dbopt snapshot -d DB -o FILE`.");
    insta::assert_snapshot!(findings("--\n-- PostgreSQL database dump\n--"), @"s.json: this is not a snapshot, which is a JSON object | This looks like SQL; a file of DDL is given with --ddl.");
    insta::assert_snapshot!(findings("PGDMP\u{1}"), @"s.json: this is not a snapshot, which is a JSON object | This is a pg_dump archive; give the output of `pg_dump --schema-only` with --ddl.");
    insta::assert_snapshot!(findings("{\"a\": 1}"), @"s.json: this JSON file is not a snapshot: it has no key `format` that says `dbopt-snapshot` | Make a snapshot with `dbopt snapshot -d DB -o FILE`.");
    insta::assert_snapshot!(findings(r#"{"format":"dbopt-snapshot","version":2,"tables":{}}"#), @"s.json: the snapshot has version 2 of the format, newer than 1, which is read here | Update dbopt, or make the snapshot with this version of it.");
}

#[test]
fn damage_is_located_and_values_are_not_quoted() {
    let text = written(&small());
    insta::assert_snapshot!(findings(&text[..text.len() - 20]), @"s.json:2:262: the snapshot ends in the middle; the file is truncated | Make the snapshot again with `dbopt snapshot -d DB -o FILE`.");
    insta::assert_snapshot!(findings(&text.replace("0.1", "1.1")), @"s.json:2:149: the snapshot does not fit its format here: a share outside 0 to 1 | Make the snapshot again with `dbopt snapshot -d DB -o FILE`.");
    insta::assert_snapshot!(findings(&text.replace("\"pages\":12", "\"pages\":\"private\"")), @"s.json:2:42: the snapshot does not fit its format here: invalid type: string …, expected f64 | Make the snapshot again with `dbopt snapshot -d DB -o FILE`.");
    insta::assert_snapshot!(findings(&text.replace("[\n", "[\n!")), @"s.json:2:1: the snapshot is not JSON here: expected value | Make the snapshot again with `dbopt snapshot -d DB -o FILE`.");
}

#[test]
fn unknown_keys_are_ignored() {
    let text = written(&small()).replace("\"pages\":", "\"new\":{\"x\":[1]},\"pages\":");
    assert_eq!(read("s.json", &text), Ok(small()));
}

#[test]
fn a_table_described_twice_is_refused() {
    let mut catalog = small();
    catalog.tables.push(catalog.tables[0].clone());
    assert!(findings(&written(&catalog)).contains("`s.t` is described twice"));
}

#[test]
fn the_shipped_schema_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/snapshot.schema.json");
    let shipped = std::fs::read_to_string(path).unwrap_or_default();
    let made = format!("{:#}\n", schema());
    if shipped != made && std::env::var_os("DBOPT_UPDATE_SCHEMAS").is_some() {
        std::fs::write(path, &made).expect("docs/schemas is writable");
        return;
    }
    assert!(
        shipped == made,
        "docs/schemas/snapshot.schema.json is not up to date; run this with DBOPT_UPDATE_SCHEMAS=1"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_complained_about(text in "\\PC*") {
        fuzz_snapshot(&text);
    }

    #[test]
    fn damaged_snapshots_are_read_or_complained_about(at in 0_usize..2000, length in 0_usize..8, with in "[\\[\\]{}\",:0-9a-z.-]{0,6}") {
        let mut text = written(&small());
        let at = at % text.len();
        text.replace_range(at..(at + length).min(text.len()), &with);
        fuzz_snapshot(&text);
    }
}
