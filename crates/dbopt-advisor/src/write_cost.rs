//! What an index costs the writes of the workload.
//!
//! PostgreSQL writes an entry into every index for each row inserted and for each update that is not HOT
//! (<https://www.postgresql.org/docs/current/storage-hot.html>). An update can be HOT when it changes no indexed
//! column, so an index over a column that is updated makes such updates write to *every* index of the table. The rows
//! come from the logged statements; where the server's own counters, scaled to the workload's period, say more, they
//! win, since a log with a duration threshold misses quick writes.
//!
//! The planner does not cost index maintenance. In its units one entry costs a descent, as `btcostestimate` charges
//! it, and the leaf page: read as any single lookup pays for it (`random_page_cost`), and written back once
//! (`seq_page_cost`). Entries that arrive in the order of the key share their page.

use std::collections::{BTreeMap, BTreeSet};

use dbopt_catalog::{Catalog, Index, KeyPart, Method, Table, TableId};
use dbopt_sql::ir::StatementKind;

use crate::{advice::WriteCost, query::Query, whatif::Candidate};

/// The share of updates that are HOT when neither the log nor the server says.
const HOT_SHARE: f64 = 0.5;

/// Keys whose correlation with the row order is at least this arrive in order.
const IN_ORDER: f64 = 0.9;

/// Entries of an inverted index for one row.
const ELEMENTS: f64 = 5.0;

/// Rows written by a workload, by table.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    tables: BTreeMap<TableId, TableWrites>,
}

#[derive(Clone, Debug, Default)]
struct TableWrites {
    inserted: f64,
    deleted: f64,
    /// Rows updated, by the columns that were set; no columns when they are not known.
    updated: Vec<(BTreeSet<String>, f64)>,
    /// Share of updates that are HOT as things are.
    hot_share: f64,
    /// Rows updated with new entries in every index that no logged statement accounts for.
    unlogged_updates: f64,
}

impl Writes {
    /// The rows that the queries write, and the server's counters scaled to a period in seconds when it is known.
    #[must_use]
    pub fn of(catalog: &Catalog, queries: &[Query], period: Option<f64>) -> Self {
        let mut writes = Self::default();
        for query in queries {
            let Some(target) = &query.statement.target else { continue };
            let schema = target.table.schema.as_ref().map(dbopt_sql::Name::as_str);
            let Some(table) = catalog.find(schema, target.table.name.as_str()) else { continue };
            // A write whose rows nobody counted changes one: that is what applications mostly do.
            let rows = query.calls * query.rows.unwrap_or_else(|| target.values_rows.unwrap_or(1) as f64);
            let entry = writes.entry(catalog, table);
            let columns = target.columns.iter().map(|name| name.as_str().to_owned()).collect();
            match query.statement.kind {
                StatementKind::Insert => entry.inserted += rows,
                StatementKind::Update => entry.updated.push((columns, rows)),
                StatementKind::Delete => entry.deleted += rows,
                // It may do all three; an update of unknown columns is the middle.
                StatementKind::Merge => entry.updated.push((BTreeSet::new(), rows)),
                StatementKind::Select | StatementKind::Utility => {}
            }
        }
        for at in 0..catalog.tables.len() {
            writes.add_counters(catalog, TableId(at), period);
        }
        writes
    }

    /// Rows deleted from a table, when anything is known of it.
    #[must_use]
    pub fn deleted(&self, table: TableId) -> Option<f64> {
        self.tables.get(&table).map(|writes| writes.deleted)
    }

    /// What a candidate costs these writes; its share of the gain is left at 0.
    #[must_use]
    pub fn cost(&self, catalog: &Catalog, candidate: &Candidate) -> WriteCost {
        let Some(writes) = self.tables.get(&candidate.table) else { return WriteCost::default() };
        let table = catalog.table(candidate.table);
        let own = columns_of(table, &candidate.index);
        let indexed: BTreeSet<String> = table.indexes.iter().flat_map(|existing| columns_of(table, existing)).collect();
        let (mut updated, mut elsewhere, mut stops_hot) = (writes.unlogged_updates, 0.0, false);
        for (columns, rows) in &writes.updated {
            if columns.is_empty() {
                updated += rows * (1.0 - writes.hot_share);
            } else if !columns.is_disjoint(&indexed) {
                updated += rows;
            } else if !columns.is_disjoint(&own) {
                stops_hot = true;
                updated += rows;
                elsewhere += rows * writes.hot_share * table.indexes.len() as f64;
            } else {
                updated += rows * (1.0 - writes.hot_share);
            }
        }
        let covered = covered_share(catalog, candidate);
        let entries = (writes.inserted + updated) * covered;
        let per_entry = entry_cost(catalog, table, &candidate.index, candidate.bytes);
        let settings = &catalog.settings;
        // A deleted row costs the vacuum that removes its entry; it reads the leaves in order.
        let per_delete = settings.cpu_index_tuple_cost + settings.seq_page_cost / entries_per_page(candidate, table);
        // The other indexes of the table are of like size as far as one entry is concerned.
        let cost = entries * per_entry + elsewhere * per_entry + writes.deleted * covered * per_delete;
        WriteCost { entries: entries + elsewhere, cost, share_of_gain: 0.0, stops_hot }
    }

    fn entry(&mut self, catalog: &Catalog, table: TableId) -> &mut TableWrites {
        self.tables.entry(table).or_insert_with(|| {
            let activity = catalog.table(table).activity.as_ref();
            let counted = activity.filter(|activity| activity.updated >= 100);
            let hot_share = counted.map_or(HOT_SHARE, |activity| activity.hot_updated as f64 / activity.updated as f64);
            TableWrites { hot_share: hot_share.clamp(0.0, 1.0), ..TableWrites::default() }
        })
    }

    fn add_counters(&mut self, catalog: &Catalog, table: TableId, period: Option<f64>) {
        let Some(activity) = &catalog.table(table).activity else { return };
        let server = &catalog.server;
        let (Some(reset), Some(read), Some(period)) = (server.statistics_reset, server.read_at, period) else { return };
        let counted = (read - reset) as f64;
        // Counters over less than an hour say little about any other time.
        if counted < 3600.0 || period <= 0.0 {
            return;
        }
        let share = period / counted;
        if activity.inserted + activity.updated + activity.deleted == 0 {
            return;
        }
        let entry = self.entry(catalog, table);
        entry.inserted = entry.inserted.max(activity.inserted as f64 * share);
        entry.deleted = entry.deleted.max(activity.deleted as f64 * share);
        let logged: f64 = entry.updated.iter().map(|(_, rows)| rows).sum();
        let unlogged = (activity.updated as f64 * share - logged).max(0.0);
        entry.unlogged_updates = unlogged * (1.0 - entry.hot_share);
    }
}

/// The cost of one more entry, in the planner's units.
#[must_use]
pub fn entry_cost(catalog: &Catalog, table: &Table, index: &Index, bytes: f64) -> f64 {
    let settings = &catalog.settings;
    let pages = (bytes / f64::from(catalog.server.block_size.max(1))).max(1.0);
    let entries = index.rows.or(table.rows).unwrap_or(1.0).max(2.0);
    // `btcostestimate`: comparisons by binary search, and 50 operators for each page on the way down.
    let height = (pages.ln() / 285.0_f64.ln()).ceil().max(0.0);
    let descent = settings.cpu_operator_cost * (entries.log2().ceil() + (height + 1.0) * 50.0);
    let in_order = index.keys.first().and_then(|key| key.as_column()).and_then(|name| table.column(name));
    let correlation = in_order
        .and_then(|id| table.columns[id.0].statistics.as_ref())
        .and_then(|statistics| statistics.correlation)
        .unwrap_or(0.0);
    let share_of_page = if correlation >= IN_ORDER { (pages / entries).min(1.0) } else { 1.0 };
    let leaf = share_of_page * (settings.random_page_cost + settings.seq_page_cost);
    let elements = match index.method {
        Method::Gin => ELEMENTS,
        // A block range is summarised by vacuum, and updated in place when a value falls outside.
        Method::Brin => return settings.cpu_operator_cost * 2.0 * index.keys.len() as f64,
        _ => 1.0,
    };
    elements * (descent + settings.cpu_index_tuple_cost + leaf)
}

fn entries_per_page(candidate: &Candidate, table: &Table) -> f64 {
    let pages = (candidate.bytes / 8192.0).max(1.0);
    (table.rows.unwrap_or(1.0) / pages).max(1.0)
}

/// The share of the table's rows that the index has entries for.
fn covered_share(catalog: &Catalog, candidate: &Candidate) -> f64 {
    let rows = catalog.table(candidate.table).rows;
    match (&candidate.index.predicate, candidate.index.rows, rows) {
        (Some(_), Some(entries), Some(rows)) if rows > 0.0 => (entries / rows).clamp(0.0, 1.0),
        _ => 1.0,
    }
}

/// The columns whose change needs a new entry: keys, included columns, and those that expressions and the predicate
/// name (found by their words, which errs on the side of more).
fn columns_of(table: &Table, index: &Index) -> BTreeSet<String> {
    let mut columns: BTreeSet<String> = index.include.iter().cloned().collect();
    let mut texts: Vec<&str> = index.predicate.iter().map(String::as_str).collect();
    for key in &index.keys {
        match &key.part {
            KeyPart::Column(name) => {
                columns.insert(name.clone());
            }
            KeyPart::Expression(text) => texts.push(text),
        }
    }
    for text in texts {
        let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        columns.extend(
            table.columns.iter().filter(|column| words.contains(&*column.name)).map(|column| column.name.clone()),
        );
    }
    columns
}

#[cfg(test)]
mod tests {
    use dbopt_catalog::{Activity, Column, IndexKey};
    use dbopt_sql::{
        Name, TableName,
        ir::{Source, Statement, WriteTarget},
    };

    use super::*;

    fn catalog() -> Catalog {
        let column = |name: &str| Column { name: name.to_owned(), ..Column::default() };
        let table = Table {
            schema: "public".to_owned(),
            name: "t".to_owned(),
            rows: Some(1e6),
            columns: vec![column("id"), column("state"), column("note")],
            indexes: vec![Index { keys: vec![IndexKey::column("id")], ..Index::default() }],
            ..Table::default()
        };
        let mut catalog = Catalog { search_path: vec!["public".to_owned()], ..Catalog::default() };
        catalog.tables.push(table);
        catalog
    }

    fn write(kind: StatementKind, columns: &[&str], calls: f64) -> Query {
        let target = WriteTarget {
            table: TableName { schema: None, name: "t".into() },
            columns: columns.iter().map(|name| Name::folded(name)).collect(),
            relation: None,
            values_rows: None,
            on_conflict: Vec::new(),
        };
        Query {
            fingerprint: String::new(),
            sql: String::new(),
            normalized: String::new(),
            statement: Statement { kind, target: Some(target), blocks: Vec::new(), source: Source::Parser },
            constants: Vec::new(),
            calls,
            total_ms: None,
            rows: None,
        }
    }

    fn candidate(name: &str) -> Candidate {
        let index = Index { keys: vec![IndexKey::column(name)], ..Index::default() };
        Candidate { table: TableId(0), index, bytes: 2e7 }
    }

    #[test]
    fn inserts_write_one_entry_each_and_updates_as_far_as_they_are_not_hot() {
        let queries = [write(StatementKind::Insert, &[], 100.0), write(StatementKind::Update, &["note"], 10.0)];
        let writes = Writes::of(&catalog(), &queries, None);
        let cost = writes.cost(&catalog(), &candidate("state"));
        assert_eq!((cost.entries, cost.stops_hot), (105.0, false));
        // 20 comparisons and 3 pages down of 50 operators each, one entry, one page read and written.
        let each = 0.0025 * (20.0 + 150.0) + 0.005 + 5.0;
        assert!((cost.cost - 105.0 * each).abs() < 1e-6, "{}", cost.cost);
    }

    #[test]
    fn an_index_over_an_updated_column_makes_every_index_pay() {
        let queries = [write(StatementKind::Update, &["state"], 10.0)];
        let writes = Writes::of(&catalog(), &queries, None);
        let over = writes.cost(&catalog(), &candidate("state"));
        assert_eq!((over.entries, over.stops_hot), (15.0, true), "its own, and half as many in the existing index");
        let mut partial = candidate("note");
        partial.index.predicate = Some("(state = 'open'::text)".to_owned());
        assert!(writes.cost(&catalog(), &partial).stops_hot, "a predicate's column counts as indexed");
        assert!(!writes.cost(&catalog(), &candidate("note")).stops_hot);
        let by_key = Writes::of(&catalog(), &[write(StatementKind::Update, &["id"], 10.0)], None);
        assert_eq!(by_key.cost(&catalog(), &candidate("note")).entries, 10.0, "never HOT as things are");
    }

    #[test]
    fn the_servers_counters_win_where_they_say_more() {
        let mut catalog = catalog();
        catalog.server.statistics_reset = Some(0);
        catalog.server.read_at = Some(1_000_000);
        catalog.tables[0].activity =
            Some(Activity { inserted: 50_000, updated: 10_000, hot_updated: 8_000, ..Activity::default() });
        let logged = [write(StatementKind::Insert, &[], 10.0)];
        let cost = Writes::of(&catalog, &logged, Some(100_000.0)).cost(&catalog, &candidate("note"));
        assert!((cost.entries - (5_000.0 + 200.0)).abs() < 1e-6, "{}", cost.entries);
        let cost = Writes::of(&catalog, &logged, None).cost(&catalog, &candidate("note"));
        assert_eq!(cost.entries, 10.0);
    }
}
