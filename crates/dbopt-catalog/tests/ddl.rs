//! What pg_dump writes of a rich schema is read as the live session has it.

mod common;

use common::{read, rich_schema};
use dbopt_catalog::{Catalog, Index, Relkind, ddl};

/// What DDL cannot tell is taken out of a live catalogue.
fn as_declared(mut catalog: Catalog) -> Catalog {
    for table in &mut catalog.tables {
        (table.pages, table.rows, table.all_visible, table.toast_bytes) = (0.0, None, 0.0, 0);
        table.activity = None;
        table.extended.clear();
        table.definition = table.definition.as_ref().map(|text| squeezed(text.trim_end_matches(';')));
        if matches!(table.kind, Relkind::View | Relkind::MaterializedView) {
            // Types of computed columns, and what a server derives from a query.
            table.columns.iter_mut().for_each(|column| column.kind = Default::default());
        }
        for column in &mut table.columns {
            column.statistics = None;
        }
        for index in &mut table.indexes {
            *index = Index {
                pages: None,
                rows: None,
                scans: None,
                last_scan: None,
                expression_statistics: Vec::new(),
                definition: squeezed(&index.definition),
                ..index.clone()
            };
        }
    }
    catalog
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_dump_gives_the_live_catalogue() {
    let database = rich_schema();
    let (live, _) = read(&database.conn_string());
    let cluster = database.cluster();
    let mut pg_dump = cluster.binaries().command("pg_dump");
    pg_dump.args(["--schema-only", "-U", "postgres", "-h"]).arg(cluster.socket_dir());
    pg_dump.args(["-p", &cluster.port().to_string(), database.name()]);
    let Ok(output) = pg_dump.output() else {
        // The server packages of other majors come without pg_dump.
        assert!(cluster.server_version_num() / 10_000 != 15, "PostgreSQL 15 comes with pg_dump");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump = String::from_utf8(output.stdout).expect("the dump is UTF-8");
    let (read, findings) = ddl::read("dump.sql", &dump);
    assert_eq!(findings, []);
    assert_eq!(read.search_path, ["public", "app"]);
    let (read, live) = (as_declared(read), as_declared(live));
    let names = |catalog: &Catalog| catalog.tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&read), names(&live));
    for (read, live) in read.tables.iter().zip(&live.tables) {
        assert_eq!(read, live, "{}", live.name);
    }
}

#[test]
fn the_written_statements_give_the_live_catalogue_but_for_expressions() {
    let database = rich_schema();
    let (live, _) = read(&database.conn_string());
    let (read, findings) = ddl::read("rich.sql", include_str!("common/rich.sql"));
    assert_eq!(findings, []);
    let (read, live) = (as_declared(read), as_declared(live));
    for (read, live) in read.tables.iter().zip(&live.tables) {
        let name = &live.name;
        assert_eq!((&read.name, &read.parent, &read.partition_key), (name, &live.parent, &live.partition_key));
        assert_eq!(read.columns, live.columns, "{name}");
        let indexes = |table: &dbopt_catalog::Table| {
            table
                .indexes
                .iter()
                .map(|index| (index.name.clone(), index.keys.len(), index.unique, index.parent.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(indexes(read), indexes(live), "{name}");
        let constraints = |table: &dbopt_catalog::Table| {
            table
                .constraints
                .iter()
                .map(|constraint| (constraint.name.clone(), constraint.columns.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(constraints(read), constraints(live), "{name}");
    }
    assert_eq!(read.tables.len(), live.tables.len());
}
