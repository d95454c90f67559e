//! Tables, views and the like.

use std::collections::HashMap;

use dbopt_finding::Finding;
use tokio_postgres::types::{ToSql, Type};

use super::{
    error::Error,
    report::{counted, list},
    session::{Record, Session, option},
};
use crate::{Activity, Relkind, Table};

/// The tables being read, findable by the server's numbers.
pub(super) struct Tables {
    pub(super) tables: Vec<Loaded>,
    by_oid: HashMap<u32, usize>,
}

/// A table and what the model does not keep of it.
pub(super) struct Loaded {
    pub(super) table: Table,
    /// `attnum` of each of its columns.
    pub(super) attnums: Vec<i16>,
    pub(super) relpages: f64,
    pub(super) reltuples: f64,
    pub(super) relallvisible: f64,
    pub(super) row_security: bool,
}

impl Tables {
    pub(super) fn oids(&self) -> Vec<u32> {
        let mut oids: Vec<u32> = self.by_oid.keys().copied().collect();
        oids.sort_unstable();
        oids
    }

    pub(super) fn at(&self, oid: u32) -> Option<usize> {
        self.by_oid.get(&oid).copied()
    }

    pub(super) fn get_mut(&mut self, oid: u32) -> Option<&mut Loaded> {
        let at = self.at(oid)?;
        self.tables.get_mut(at)
    }
}

impl Loaded {
    /// Position of the column of a number.
    pub(super) fn column_of(&self, attnum: i16) -> Option<usize> {
        self.attnums.iter().position(|known| *known == attnum)
    }
}

pub(super) async fn read(session: &Session<'_>, schemas: &[u32], except: &[u32]) -> Result<Tables, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&schemas, Type::OID_ARRAY), (&except, Type::OID_ARRAY)];
    let rows = session.query("tables", include_str!("../queries/tables.sql"), &parameters).await?;
    let mut tables = Tables { tables: Vec::with_capacity(rows.len()), by_oid: HashMap::with_capacity(rows.len()) };
    for row in &rows {
        tables.by_oid.insert(row.get("oid")?, tables.tables.len());
        tables.tables.push(loaded(row)?);
    }
    Ok(tables)
}

/// The oids of tables that are locked now.
pub(super) async fn locked(session: &Session<'_>, findings: &mut Vec<Finding>) -> Result<Vec<u32>, Error> {
    let rows = session.query("locks", include_str!("../queries/locked.sql"), &[]).await?;
    let names = rows.iter().filter_map(|row| row.qualified("schema", "name").transpose());
    let names =
        names.map(|name| name.map(|(schema, name)| format!("{schema}.{name}"))).collect::<Result<Vec<_>, _>>()?;
    let message =
        format!("{} left out, being locked: {}", counted(names.len(), "table is", "tables are"), list(&names));
    findings.push(Finding::warning("catalog-locked", message).help("Read the catalogue again when the lock is gone."));
    rows.iter().map(|row| row.get("oid")).collect()
}

/// Reads the queries of views. When what they read is locked, they are left out.
pub(super) async fn read_views(
    session: &Session<'_>,
    tables: &mut Tables,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let sql = include_str!("../queries/views.sql");
    let Some(rows) = session.about_unless_locked("views", sql, &tables.oids()).await? else {
        let message = "the queries of views were left out, since what they read is locked";
        findings.push(Finding::warning("catalog-locked", message));
        return Ok(());
    };
    for row in &rows {
        if let Some(view) = tables.get_mut(row.get("oid")?) {
            view.table.definition = row.get("definition")?;
        }
    }
    Ok(())
}

fn loaded(row: &Record) -> Result<Loaded, Error> {
    let kind: &str = row.get("kind")?;
    let options: Option<Vec<String>> = row.get("options")?;
    let table = Table {
        schema: row.get("schema")?,
        name: row.get("name")?,
        kind: match kind {
            "p" => Relkind::Partitioned,
            "m" => Relkind::MaterializedView,
            "f" => Relkind::Foreign,
            "v" => Relkind::View,
            _ => Relkind::Table,
        },
        fillfactor: option(options.as_deref(), "fillfactor").and_then(|percent| percent.parse().ok()).unwrap_or(100),
        activity: activity(row)?,
        parent: row.qualified("parent_schema", "parent_name")?,
        partition_key: partition_key(row)?,
        partition_bound: row.get("partition_bound")?,
        ..Table::default()
    };
    Ok(Loaded {
        table,
        attnums: Vec::new(),
        relpages: f64::from(row.get::<i32>("relpages")?),
        reltuples: row.get("reltuples")?,
        relallvisible: f64::from(row.get::<i32>("relallvisible")?),
        row_security: row.get("row_security")?,
    })
}

/// The strategy, and the key's columns; expressions are left out.
fn partition_key(row: &Record) -> Result<Option<(String, Vec<String>)>, Error> {
    let Some(text) = row.get::<Option<String>>("partition_key")? else {
        return Ok(None);
    };
    let strategy = text.split_whitespace().next().unwrap_or_default().to_owned();
    let columns: Option<Vec<Option<String>>> = row.get("partition_columns")?;
    Ok(Some((strategy, columns.unwrap_or_default().into_iter().flatten().collect())))
}

fn activity(row: &Record) -> Result<Option<Activity>, Error> {
    if !row.get::<bool>("has_activity")? {
        return Ok(None);
    }
    let count = |column| row.count(column).map(Option::unwrap_or_default);
    Ok(Some(Activity {
        seq_scans: count("seq_scan")?,
        seq_rows: count("seq_tup_read")?,
        index_scans: count("idx_scan")?,
        inserted: count("n_tup_ins")?,
        updated: count("n_tup_upd")?,
        hot_updated: count("n_tup_hot_upd")?,
        deleted: count("n_tup_del")?,
        live: count("n_live_tup")?,
        dead: count("n_dead_tup")?,
        last_analyze: row.get("last_analyze")?,
        last_vacuum: row.get("last_vacuum")?,
    }))
}
