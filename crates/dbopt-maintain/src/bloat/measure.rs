//! Estimating tables and their indexes, one table after the other, within a budget.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dbopt_pg::Session;

use super::ask::{Ask, IndexAsk, Numbers, ONLY_BTREES};
use super::btree::{self, Build, Group};
use super::catalogue::Catalogue;
use super::estimate::{Estimates, IndexBloat, Method, TableBloat};
use super::exact::Pgstattuple;
use super::sample::{self, Sample};
use super::{heap, repeats};
use crate::error::Error;
use crate::facts::{Facts, IndexFacts, IndexMethod, TableFacts, TableKind};

/// How much may be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// The most pages of a table. Up to so many are all read.
    pub pages: u32,
    /// Of how many rows the keys are looked up in each index that keeps equal keys once.
    pub lookups: u32,
    /// After this time what is left is answered with "unknown"; the largest come first.
    pub time: Duration,
    /// A table that takes no more bytes than this, with all that hangs on it, goes by what ANALYZE found and is not read.
    pub small: u64,
    /// Whether pgstattuple counts the rows, which reads whole tables, where it is there and allowed.
    pub exact: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { pages: 300, lookups: 120, time: Duration::from_secs(60), small: 256 << 10, exact: false }
    }
}

/// Names are looked up nowhere but in the server's own schema, and what is asked for is never had by reading all of a table.
const HABITS: &str = "SET search_path = pg_catalog; SET jit = off; SET max_parallel_workers_per_gather = 0; \
                      SET enable_seqscan = off";
const FORGET: &str = "RESET search_path; RESET jit; RESET max_parallel_workers_per_gather; RESET enable_seqscan";

/// Estimates the chosen tables, their TOAST tables and their indexes.
///
/// The statements only read, one short transaction each. What the role may not read, or what fails by itself, is an answer
/// of [`Method::Unknown`].
///
/// # Errors
/// When the session is lost.
pub async fn estimate(
    session: &Session,
    facts: &Facts,
    wanted: impl Fn(&TableFacts) -> bool,
    sampling: &Sampling,
) -> Result<Estimates, Error> {
    let mut tables: Vec<&TableFacts> = facts
        .tables
        .iter()
        .filter(|table| matches!(table.kind, TableKind::Ordinary | TableKind::Materialized) && wanted(table))
        .collect();
    tables.sort_by_key(|table| (std::cmp::Reverse(table.bytes), table.table.oid));
    session.batch(HABITS).await?;
    let end = Instant::now() + sampling.time;
    let exact = if sampling.exact { Pgstattuple::find(session).await? } else { None };
    let mut of_table: BTreeMap<u32, Vec<&IndexFacts>> = BTreeMap::new();
    for index in &facts.indexes {
        of_table.entry(index.index.table.oid).or_default().push(index);
    }
    let catalogue = if sampling.small > 0 { Catalogue::load(session).await? } else { Catalogue::default() };
    let mut work = Work { session, facts, of_table, catalogue, sampling, exact, estimates: Estimates::default() };
    for table in tables {
        if Instant::now() < end {
            work.table(table).await?;
        } else {
            let seconds = sampling.time.as_secs_f64();
            work.unknown(table, &format!("the {seconds} s for estimates were over"));
        }
    }
    let estimates = work.estimates;
    session.batch(FORGET).await?;
    Ok(estimates)
}

struct Work<'a> {
    session: &'a Session,
    facts: &'a Facts,
    /// The indexes of each table.
    of_table: BTreeMap<u32, Vec<&'a IndexFacts>>,
    catalogue: Catalogue,
    sampling: &'a Sampling,
    exact: Option<Pgstattuple>,
    estimates: Estimates,
}

impl<'a> Work<'a> {
    async fn table(&mut self, table: &TableFacts) -> Result<(), Error> {
        if let Some(reason) = unreadable(table) {
            self.unknown(table, &reason);
            return Ok(());
        }
        if self.small(table) {
            return Ok(());
        }
        let mut ask = match Ask::of_table(table) {
            Ok(ask) => ask,
            Err(hidden) => {
                let role = dbopt_sql::quote_ident(&self.facts.server.role);
                let reason = format!(
                    "this role may not read {} of its columns; GRANT SELECT ON {} TO {role}",
                    hidden.len(),
                    table.table
                );
                self.unknown(table, &reason);
                return Ok(());
            }
        };
        let mut indexes = Vec::new();
        for index in self.indexes(table) {
            match ask.add_index(index) {
                Ok(index) => indexes.push(index),
                Err(reason) => self.unknown_index(index, &reason),
            }
        }
        let sample = match sample::read(self.session, &self.facts.server, table, &ask, self.sampling.pages).await {
            Ok(sample) => sample,
            Err(error) => {
                self.unknown(table, &own(error)?);
                return Ok(());
            }
        };
        let rows = self.count(table, &sample).await?;
        self.heap(table, &ask, &sample, rows);
        for index in indexes {
            match self.index(table, &ask, &index, &sample, rows).await {
                Ok(bloat) => {
                    self.estimates.indexes.insert(index.facts.index.oid, bloat);
                }
                Err(error) => self.unknown_index(index.facts, &own(error)?),
            }
        }
        Ok(())
    }

    /// Answers for a small table without reading it, if that is possible.
    fn small(&mut self, table: &TableFacts) -> bool {
        let page = self.facts.server.block_size;
        let (indexes, toast) = (self.indexes(table), table.toast.and_then(|oid| self.facts.table(oid)));
        let bytes = table.bytes + indexes.iter().map(|index| index.bytes).sum::<u64>();
        if bytes > self.sampling.small || toast.is_some_and(|toast| toast.bytes > 0) {
            return false;
        }
        let Some(small) = self.catalogue.estimate(table, &indexes, page) else { return false };
        self.estimates.tables.insert(table.table.oid, small.heap);
        self.estimates.indexes.extend(small.indexes);
        for index in indexes.into_iter().filter(|index| index.method != IndexMethod::Btree) {
            self.unknown_index(index, ONLY_BTREES);
        }
        if let Some(toast) = toast {
            let bloat = TableBloat { bytes_now: 0, bytes_after: Some(0), rows: Some(0.0), method: Method::Catalogue };
            self.estimates.tables.insert(toast.table.oid, bloat);
            for index in self.indexes(toast) {
                // An empty index has one page.
                let bytes_after = Some(index.bytes.min(u64::from(page)));
                let bloat = IndexBloat { bytes_now: index.bytes, bytes_after, method: Method::Catalogue };
                self.estimates.indexes.insert(index.index.oid, bloat);
            }
        }
        true
    }

    /// Live rows, and whether pgstattuple counted them.
    async fn count(&self, table: &TableFacts, sample: &Sample) -> Result<(f64, bool), Error> {
        let sampled = (sample.rows.len() as f64 * sample.scale(), false);
        if sample.is_whole() {
            return Ok(sampled);
        }
        let Some(exact) = &self.exact else { return Ok(sampled) };
        match exact.count(self.session, table.table.oid).await {
            Ok(count) => Ok(count.map_or(sampled, |(rows, _)| (rows, true))),
            Err(error) => own(error).map(|_| sampled),
        }
    }

    /// The table and its TOAST table.
    fn heap(&mut self, table: &TableFacts, ask: &Ask, sample: &Sample, (rows, is_exact): (f64, bool)) {
        let page = self.facts.server.block_size;
        let method = method(sample, is_exact);
        let written: Vec<_> = sample.rows.iter().map(|(_, numbers)| ask.row(numbers, table.toast_target)).collect();
        let scale = if written.is_empty() { 0.0 } else { rows / written.len() as f64 };
        let size = |pages: f64| (pages * scale).ceil() as u64 * u64::from(page);
        let pages = heap::pages(written.iter().map(|row| row.bytes), table.fillfactor, page);
        let bloat = TableBloat {
            bytes_now: table.bytes,
            bytes_after: Some(size(pages)),
            rows: Some(rows),
            method: method.clone(),
        };
        self.estimates.tables.insert(table.table.oid, bloat);
        let Some(toast) = table.toast.and_then(|oid| self.facts.table(oid)) else { return };
        let pages = heap::pages(written.iter().flat_map(|row| row.chunks.iter().copied()), 100, page);
        let chunks = written.iter().map(|row| row.chunks.len()).sum::<usize>() as f64 * scale;
        let bloat = TableBloat {
            bytes_now: toast.bytes,
            bytes_after: Some(size(pages)),
            rows: Some(chunks),
            method: method.clone(),
        };
        self.estimates.tables.insert(toast.table.oid, bloat);
        // An entry is an identity and a number.
        const ENTRY: u32 = 16;
        let build = Build { fillfactor: 90, is_deduplicated: false, inner: ENTRY, page };
        let pages = btree::pages(&[Group { bytes: ENTRY, rows: 1, weight: 1.0 }], chunks, build);
        for index in self.indexes(toast) {
            let bytes_after = Some(pages * u64::from(page));
            let bloat = IndexBloat { bytes_now: index.bytes, bytes_after, method: method.clone() };
            self.estimates.indexes.insert(index.index.oid, bloat);
        }
    }

    async fn index(
        &self,
        table: &TableFacts,
        ask: &Ask,
        index: &IndexAsk<'_>,
        sample: &Sample,
        (rows, is_exact): (f64, bool),
    ) -> Result<IndexBloat, dbopt_pg::Error> {
        /// So many rows of a sample show what the entries of a partial index are like and how many there are.
        const FEW: usize = 2000;
        /// At most so many entries of a partial index are counted one by one.
        const COUNTED: u32 = 200_000;
        let mut all: Vec<&(String, Numbers)> =
            sample.rows.iter().filter(|(_, numbers)| index.has_entry(numbers)).collect();
        let share = if sample.rows.is_empty() { 0.0 } else { all.len() as f64 / sample.rows.len() as f64 };
        let mut entries = rows * share;
        let fetched;
        if let Some(predicate) = index.facts.predicate.as_ref().filter(|_| !sample.is_whole() && all.len() < FEW) {
            let sql = format!(
                "SELECT count(*) FROM (SELECT FROM ONLY {} AS t WHERE {predicate} LIMIT {COUNTED}) AS entries",
                table.table
            );
            let counted: i64 = self.session.query(&sql, &[]).await?.first().map_or(0, |row| row.get(0));
            if counted < i64::from(COUNTED) {
                entries = counted as f64;
            }
            fetched = sample::matching(self.session, table, ask, predicate, FEW as u32).await?;
            all = fetched.iter().collect();
        }
        let numbers: Vec<&Numbers> = all.iter().map(|(_, numbers)| numbers).collect();
        let is_all = numbers.len() as f64 >= entries;
        let groups = if index.facts.is_deduplicated && !is_all {
            repeats::looked_up(self.session, table, ask, index, &all, self.sampling.lookups).await?
        } else {
            repeats::counted(index, &numbers)
        };
        let inner =
            numbers.iter().map(|numbers| f64::from(index.inner(numbers))).sum::<f64>() / numbers.len().max(1) as f64;
        let page = self.facts.server.block_size;
        let build = Build {
            fillfactor: index.facts.fillfactor,
            is_deduplicated: index.facts.is_deduplicated,
            inner: inner.round() as u32,
            page,
        };
        let bytes = btree::pages(&groups, entries, build) * u64::from(page);
        let bytes_now = index.facts.bytes;
        Ok(IndexBloat { bytes_now, bytes_after: Some(bytes), method: method(sample, is_exact) })
    }

    fn indexes(&self, table: &TableFacts) -> Vec<&'a IndexFacts> {
        self.of_table.get(&table.table.oid).cloned().unwrap_or_default()
    }

    /// There is no answer for a table and all that hangs on it.
    fn unknown(&mut self, table: &TableFacts, reason: &str) {
        let toast = table.toast.and_then(|oid| self.facts.table(oid));
        for table in std::iter::once(table).chain(toast) {
            let method = Method::Unknown(reason.to_owned());
            let bloat = TableBloat { bytes_now: table.bytes, bytes_after: None, rows: None, method };
            self.estimates.tables.insert(table.table.oid, bloat);
            for index in self.indexes(table) {
                self.unknown_index(index, reason);
            }
        }
    }

    fn unknown_index(&mut self, index: &IndexFacts, reason: &str) {
        let method = Method::Unknown(reason.to_owned());
        let bloat = IndexBloat { bytes_now: index.bytes, bytes_after: None, method };
        self.estimates.indexes.insert(index.index.oid, bloat);
    }
}

/// Why a table cannot be read, as far as the facts tell.
fn unreadable(table: &TableFacts) -> Option<String> {
    if table.row_security {
        return Some("row-level security hides rows from this role; BYPASSRLS or its owner sees them".to_owned());
    }
    table.is_temp.then(|| "it is a temporary table of a session".to_owned())
}

fn method(sample: &Sample, is_exact: bool) -> Method {
    match sample {
        sample if sample.is_whole() => Method::Whole,
        _ if is_exact => Method::Pgstattuple,
        sample => Method::Sample { pages: sample.pages },
    }
}

/// What concerns one object only, as a reason; a lost session is an error.
fn own(error: dbopt_pg::Error) -> Result<String, Error> {
    use dbopt_pg::Error as Pg;
    match error {
        Pg::Cancelled { .. } | Pg::LockTimeout { .. } | Pg::PermissionDenied { .. } | Pg::Statement { .. } => {
            Ok(error.to_string())
        }
        other => Err(other.into()),
    }
}
