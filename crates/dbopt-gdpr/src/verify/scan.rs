//! The search of a database.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use dbopt_sql::quote_ident;
use futures_util::{TryStreamExt as _, future::try_join_all};
use tokio_postgres::{
    Client, IsolationLevel, Transaction,
    types::{ToSql, Type},
};

use super::{
    identifier::Identifier,
    needle::Variant,
    places::{self, First, PIECE, Place},
    report::{Hit, Report, Scanned, Skipped},
    search::Search,
    tuple,
};
use crate::{
    graph::Graph,
    policy::{Class, ColumnErase, GdprPolicy, Keep, RowErase, TableName},
    walk::{Error, Key, KeyArrays, MOST_KEYS, Walked, ask, failed, guarded},
};

/// What is wanted of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// The most keys of rows to tell for each hit; none by default, because a key may be data of a person itself.
    pub keys: usize,
}

/// Searches a database. It only reads, a transaction for each table, so that no snapshot is held for longer than a table takes; memory is
/// that of the largest row of each session.
///
/// Sessions of `more` to the same database take tables, too. The server's part takes longer than the search here, so that a second session
/// on a machine with two processors nearly halves the time.
///
/// # Errors
/// When the catalogue cannot be read or a connection breaks. A table that cannot be read is in the report.
pub async fn scan(
    client: &mut Client,
    more: Vec<&mut Client>,
    policy: &GdprPolicy,
    search: &Search,
    options: ScanOptions,
) -> Result<Report, Error> {
    let mut report = Report::default();
    let transaction = begin(client).await?;
    let (mut places, skipped) =
        places::tables(&transaction, &policy.verify, search.identifiers(), options.keys > 0).await?;
    report.skipped.extend(skipped);
    let (others, skipped) = places::others(&transaction, &policy.verify).await?;
    places.extend(others);
    report.skipped.extend(skipped);
    end(transaction).await?;
    for identifier in search.short() {
        let why = format!("shorter than {} characters, as the policy says", policy.verify.shortest);
        report.skipped.push(Skipped { place: format!("identifier `{}`", identifier.name), why, expected: false });
    }
    let next = AtomicUsize::new(0);
    let sessions = std::iter::once(client).chain(more);
    let work = sessions.map(|client| some(client, &places, &next, policy, search, options));
    let mut done: Vec<_> = try_join_all(work).await?.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    for (_, found) in done {
        match found {
            Ok((scanned, hits)) => {
                report.scanned.push(scanned);
                report.hits.extend(hits);
            }
            Err(skipped) => report.skipped.push(skipped),
        }
    }
    Ok(report)
}

/// What was found in a place, or why it was not searched.
type Outcome = Result<(Scanned, Vec<Hit>), Skipped>;

/// Searches one place after the other that no other session has taken.
async fn some(
    client: &mut Client,
    places: &[Place],
    next: &AtomicUsize,
    policy: &GdprPolicy,
    search: &Search,
    options: ScanOptions,
) -> Result<Vec<(usize, Outcome)>, Error> {
    let mut done = Vec::new();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(place) = places.get(at) else { return Ok(done) };
        let transaction = begin(client).await?;
        let mut scan = Scan::new(place, search, options);
        match scan.run(&transaction).await {
            Ok(scanned) => {
                let kept = |column: &str| place.table.as_ref().and_then(|table| kept(policy, table, column));
                let hits = scan.finish(&transaction, kept).await?;
                end(transaction).await?;
                done.push((at, Ok((scanned, hits))));
            }
            Err(Error::Query { code: Some(_), said, .. } | Error::Hidden(said)) => {
                done.push((at, Err(Skipped { place: place.name.clone(), why: said, expected: false })));
            }
            Err(broken) => return Err(broken),
        }
    }
}

/// The identifiers of a person, from the rows that were found: for a search after these rows are gone.
///
/// # Errors
/// When a query fails.
pub async fn identifiers(
    transaction: &Transaction<'_>,
    graph: &Graph,
    policy: &GdprPolicy,
    walked: &Walked,
) -> Result<Vec<Identifier>, Error> {
    let before = guarded(transaction).await?;
    let mut identifiers: Vec<Identifier> = Vec::new();
    let subject = policy.subject(Some(&walked.subject.rule));
    for rule in subject.map(|subject| &*subject.identifiers).unwrap_or_default() {
        let Some(node) = graph.find(&rule.table) else { continue };
        let Some(found) = walked.of(node) else { continue };
        let node = graph.node(node);
        if node.column(&rule.column).is_none() {
            continue;
        }
        let own: Vec<_> = found.rows().iter().filter(|row| row.class == Class::Owned).collect();
        let sql =
            format!("SELECT DISTINCT t.{}::text FROM {} ORDER BY 1", quote_ident(&rule.column), node.by_keys("t"));
        for rows in own.chunks(MOST_KEYS) {
            let keys = KeyArrays::of(rows.iter().map(|row| &row.key));
            for row in ask(transaction, &sql, &keys, || format!("identifiers of `{}`", rule.table)).await? {
                let Some(value) = row.get::<_, Option<&str>>(0).filter(|value| !value.trim().is_empty()) else {
                    continue;
                };
                let identifier = Identifier::new(&rule.name, value, subject);
                if !identifiers.contains(&identifier) {
                    identifiers.push(identifier);
                }
            }
        }
    }
    before.restore(transaction).await?;
    Ok(identifiers)
}

async fn begin(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let begin = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = begin.start().await.map_err(|error| failed("a transaction", &error))?;
    // It ends with the transaction.
    guarded(&transaction).await?;
    Ok(transaction)
}

async fn end(transaction: Transaction<'_>) -> Result<(), Error> {
    transaction.commit().await.map_err(|error| failed("the end of a transaction", &error))
}

/// Why the policy keeps a column, or all rows of a table.
fn kept(policy: &GdprPolicy, table: &TableName, column: &str) -> Option<String> {
    let rule = policy.table(table)?;
    let of_column = rule.columns.iter().find(|(name, _)| name == column).map(|(_, rule)| &rule.erase);
    let keep: &Keep = match (&rule.erase, of_column) {
        (_, Some(ColumnErase::Keep(keep))) | (RowErase::Keep(keep), _) => keep,
        _ => return None,
    };
    Some(match &keep.until {
        Some(day) => format!("{}, until {day}", keep.basis),
        None => keep.basis.clone(),
    })
}

/// The search of one place.
struct Scan<'a> {
    place: &'a Place,
    search: &'a Search,
    options: ScanOptions,
    /// By what the row belongs to, the column, the identifier and how it is written.
    counts: BTreeMap<(Option<String>, usize, usize, Variant), Count>,
    /// Large objects that go on beyond their first piece.
    long: Vec<String>,
}

#[derive(Default)]
struct Count {
    rows: u64,
    within: u64,
    firsts: Vec<String>,
}

impl<'a> Scan<'a> {
    fn new(place: &'a Place, search: &'a Search, options: ScanOptions) -> Self {
        Self { place, search, options, counts: BTreeMap::new(), long: Vec::new() }
    }

    async fn run(&mut self, transaction: &Transaction<'_>) -> Result<Scanned, Error> {
        let begun = Instant::now();
        let place = self.place;
        let of = |error: &tokio_postgres::Error| failed(format!("`{}`", place.name), error);
        let sql = format!("COPY ({}) TO STDOUT (FORMAT binary)", place.sql);
        let stream = transaction.copy_out(&sql).await.map_err(|error| of(&error))?;
        let mut stream = std::pin::pin!(stream);
        let (mut rows, mut bytes, mut is_first) = (0, 0, true);
        while let Some(message) = stream.try_next().await.map_err(|error| of(&error))? {
            let mut row = &*message;
            if is_first {
                row = tuple::after_header(row).ok_or_else(|| odd(place))?;
                is_first = false;
            }
            if tuple::is_end(row) || row.is_empty() {
                continue;
            }
            rows += 1;
            bytes += row.len() as u64;
            // Most rows have nothing, and are looked at once and as a whole.
            if self.search.may_contain(row) || place.first == First::Object {
                let fields = tuple::fields(row).ok_or_else(|| odd(place))?;
                self.row(&fields).ok_or_else(|| odd(place))?;
            }
        }
        for object in std::mem::take(&mut self.long) {
            bytes += self.read_on(transaction, &object).await?;
        }
        let columns = place.columns.clone();
        Ok(Scanned { place: place.name.clone(), columns, rows, bytes, took: begun.elapsed() })
    }

    fn row(&mut self, fields: &[Option<&[u8]>]) -> Option<()> {
        let (label, values) = match self.place.first {
            First::Nothing => (String::new(), fields),
            First::Place => {
                let (first, values) = fields.split_first()?;
                let (block, line) = tuple::place((*first)?)?;
                (format!("({block},{line})"), values)
            }
            First::Name | First::Object => {
                let (first, values) = fields.split_first()?;
                (String::from_utf8_lossy((*first)?).into_owned(), values)
            }
        };
        for (column, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            if self.place.first == First::Object && value.len() >= PIECE {
                self.long.push(label);
                return Some(());
            }
            let found = self.search.find(value).into_iter().map(|one| (one.identifier, one.variant, one.whole));
            self.count(&label, column, found.collect());
        }
        Some(())
    }

    /// Counts what was found in one value: once for each way in which it is written.
    fn count(&mut self, label: &str, column: usize, found: BTreeSet<(usize, Variant, bool)>) {
        for &(identifier, variant, whole) in &found {
            if !whole && found.contains(&(identifier, variant, true)) {
                continue;
            }
            let name = (self.place.first == First::Name).then(|| label.to_owned());
            let count = self.counts.entry((name, column, identifier, variant)).or_default();
            if whole {
                count.rows += 1;
                if self.place.first != First::Nothing && count.firsts.len() < self.options.keys {
                    count.firsts.push(label.to_owned());
                }
            } else {
                count.within += 1;
            }
        }
    }

    /// Reads a large object in pieces that overlap by more than the longest needle.
    async fn read_on(&mut self, transaction: &Transaction<'_>, object: &str) -> Result<u64, Error> {
        const SQL: &str = "SELECT lo_get($1::text::oid, $2, $3)";
        let step = PIECE.max(self.search.reach() * 4);
        let (mut at, mut found) = (0_i64, BTreeSet::new());
        loop {
            let wanted = i32::try_from(step + self.search.reach()).unwrap_or(i32::MAX);
            let parameters: [(&(dyn ToSql + Sync), Type); 3] =
                [(&object, Type::TEXT), (&at, Type::INT8), (&wanted, Type::INT4)];
            let row = transaction.query_typed_one(SQL, &parameters).await;
            let row = row.map_err(|error| failed("a large object", &error))?;
            let piece: &[u8] = row.get(0);
            found.extend(self.search.find(piece).into_iter().map(|one| (one.identifier, one.variant, one.whole)));
            if piece.len() < step {
                self.count(object, 0, found);
                return Ok(at.unsigned_abs() + piece.len() as u64);
            }
            at += i64::try_from(step).unwrap_or(i64::MAX);
        }
    }

    async fn finish(
        self,
        transaction: &Transaction<'_>,
        kept: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Hit>, Error> {
        let mut hits = Vec::new();
        for ((name, column, identifier, variant), count) in self.counts {
            let own = self.place.columns.get(column).cloned().unwrap_or_default();
            let keys = match &self.place.keys {
                Some(sql) if !count.firsts.is_empty() => {
                    keys(transaction, sql, &count.firsts, &self.place.name).await?
                }
                _ => count.firsts.iter().map(|first| Key::from([Box::from(first.as_str())])).collect(),
            };
            hits.push(Hit {
                place: self.place.name.clone(),
                kept: kept(&own),
                column: name.map_or_else(|| own.clone(), |name| format!("{own} of {name}")),
                identifier: self.search.identifiers()[identifier].name.clone(),
                variant,
                rows: count.rows,
                within: count.within,
                keys,
            });
        }
        Ok(hits)
    }
}

/// The keys of the rows of some places.
async fn keys(transaction: &Transaction<'_>, sql: &str, places: &[String], of: &str) -> Result<Vec<Key>, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&places, Type::TEXT_ARRAY)];
    let rows =
        transaction.query_typed(sql, &parameters).await.map_err(|error| failed(format!("keys of `{of}`"), &error))?;
    let text = |row: &tokio_postgres::Row, at| Box::from(row.get::<_, Option<&str>>(at).unwrap_or_default());
    Ok(rows.iter().map(|row| (0..row.len()).map(|at| text(row, at)).collect()).collect())
}

/// The server sent what is no row.
fn odd(place: &Place) -> Error {
    Error::Query { what: format!("`{}`", place.name), said: "the server sent no binary rows".to_owned(), code: None }
}
