//! Everything of one person in a package that opens without dbopt (Articles 15 and 20).
//!
//! One transaction sees one moment; rows stream through it table by table, in the order of their keys, into two files each: JSON Lines
//! and CSV. Values are the texts of their types' output functions under settings that are fixed here, so that the same rows give
//! the same bytes, whatever session, role or locale asks. [`Sink`] is where the files go: [`Archive`] or [`Folder`], and with the feature
//! `age` through `Lock`.
//!
//! Memory is bounded: keys are held (as [`crate::walk`] found them), one row at a time, and a little of each file; the rest of a file
//! waits sealed on disk until its size is known.

mod archive;
mod choose;
mod manifest;
mod name;
mod page;
mod rows;
#[cfg(feature = "age")]
mod seal;
mod spool;
mod value;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::Path,
};

use jiff::Timestamp;
use tokio_postgres::{
    Transaction,
    types::{ToSql, Type},
};

pub use archive::{Archive, Folder, Sink};
pub use manifest::{Column, File, MANIFEST_VERSION, Manifest, Missing, Purpose, Table};
#[cfg(feature = "age")]
pub use seal::{Lock, RecipientError, Sealed};

use spool::{Sealing, Spooled};

use crate::{
    graph::Graph,
    policy::{ColumnErase, GdprPolicy, Keep, RowErase, SubjectRule, TableName, TableRule},
    walk::{self, Walked, failed, guarded},
};

/// What a person is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Article {
    /// Article 15: all data about the person.
    Access,
    /// Article 20: what the person provided, on the ground of consent or a contract.
    Portability,
}

impl Article {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Access => 15,
            Self::Portability => 20,
        }
    }
}

/// Opens values of encrypted columns.
pub trait Opener: Send + Sync {
    /// The columns whose texts a value of a column is bound to; none where the column is not encrypted.
    fn row(&self, table: &TableName, column: &str) -> Option<Vec<String>>;

    /// Opens a value of a row; none where it does not open.
    fn open(&self, table: &TableName, column: &str, row: &[&str], sealed: &[u8]) -> Option<Vec<u8>>;
}

/// How a package is made.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The moment that the package is dated with. It does not travel in time: the rows are those of the transaction's snapshot.
    pub as_of: Timestamp,
    /// What is in it.
    pub article: Article,
    /// A folder for what does not fit into memory, best the one where the package goes. What is there has no name and is
    /// sealed with a key that is in memory only.
    pub scratch: &'a Path,
    /// Opens encrypted columns; without it they are left out.
    pub opener: Option<&'a dyn Opener>,
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The person was not found, or the server refused.
    #[error(transparent)]
    Ask(#[from] walk::Error),
    /// The package cannot be written.
    #[error("could not write the package: {0}")]
    Write(#[from] io::Error),
    /// Each statement of the transaction sees another moment.
    #[error("the transaction is not of the isolation level `repeatable read`, and would see several moments")]
    Isolation,
    /// A row that was found is not there any more, which within one snapshot cannot be.
    #[error("rows of `{0}` were not found again")]
    Lost(String),
    /// A file of the package could not be made.
    #[error("could not make `{0}`")]
    Form(&'static str),
}

/// The moment at which the transaction began, for [`Options::as_of`].
///
/// # Errors
/// When the server does not answer.
pub async fn now(transaction: &Transaction<'_>) -> Result<Timestamp, Error> {
    const SQL: &str = "SELECT (pg_catalog.date_part('epoch', pg_catalog.now()) * 1000)::pg_catalog.int8";
    let row = transaction.query_typed_one(SQL, &[]).await.map_err(|error| failed("the time", &error))?;
    Timestamp::from_millisecond(row.get(0)).map_err(|_| Error::Form("the time"))
}

/// Settings under which a value has one text.
const FIXED: [(&str, &str); 7] = [
    ("DateStyle", "ISO, YMD"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "iso_8601"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("quote_all_identifiers", "off"),
];

/// Finds the rows of a person and writes the package, in a transaction of the caller that is `REPEATABLE READ`, best `READ ONLY`.
/// `key` is the values of the subject's key as texts.
///
/// Tables that the policy does not speak of are no part of it, and are among [`Manifest::missing`]; whoever wants to be sure asks
/// [`Graph::uncovered`] before.
///
/// # Errors
/// When there is no such person, the server refuses, or the package cannot be written. What the sink has by then is not
/// a package.
pub async fn write(
    transaction: &Transaction<'_>,
    (graph, policy): (&Graph, &GdprPolicy),
    (subject, key): (&SubjectRule, &[String]),
    options: &Options<'_>,
    sink: &mut dyn Sink,
) -> Result<Manifest, Error> {
    let before = fix(transaction).await?;
    // Before the walk, so that keys have the same texts there and here.
    let walked = walk::walk(transaction, graph, policy, subject, key).await?;
    let guard = guarded(transaction).await?;
    let package = Package { transaction, graph, policy, options, sink, files: Vec::new(), missing: Vec::new() };
    let manifest = package.write(&walked).await?;
    guard.restore(transaction).await?;
    set(transaction, before.iter().map(|(name, value)| (*name, value.as_str()))).await?;
    Ok(manifest)
}

/// Fixes the settings for the rest of the transaction, and gives back what they were.
async fn fix(transaction: &Transaction<'_>) -> Result<Vec<(&'static str, String)>, Error> {
    let names: Vec<_> = FIXED.iter().map(|(name, _)| format!("pg_catalog.current_setting('{name}')")).collect();
    let sql = format!("SELECT pg_catalog.current_setting('transaction_isolation'), {}", names.join(", "));
    let row = transaction.query_typed_one(&sql, &[]).await.map_err(|error| failed("the session's settings", &error))?;
    if !matches!(row.get(0), "repeatable read" | "serializable") {
        return Err(Error::Isolation);
    }
    let before = FIXED.iter().enumerate().map(|(at, (name, _))| (*name, row.get(at + 1))).collect();
    set(transaction, FIXED).await?;
    Ok(before)
}

async fn set<'a>(
    transaction: &Transaction<'_>,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Error> {
    let settings: Vec<_> = settings.into_iter().collect();
    let one = |(at, (name, _)): (usize, &(&str, &str))| format!("pg_catalog.set_config('{name}', ${}, true)", at + 1);
    let sql = format!("SELECT {}", settings.iter().enumerate().map(one).collect::<Vec<_>>().join(", "));
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        settings.iter().map(|(_, value)| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
    let done = transaction.query_typed(&sql, &parameters).await;
    done.map_err(|error| failed("the session's settings", &error))?;
    Ok(())
}

struct Package<'a> {
    transaction: &'a Transaction<'a>,
    graph: &'a Graph,
    policy: &'a GdprPolicy,
    options: &'a Options<'a>,
    sink: &'a mut dyn Sink,
    files: Vec<File>,
    missing: Vec<Missing>,
}

impl Package<'_> {
    async fn write(mut self, walked: &Walked) -> Result<Manifest, Error> {
        let comments = comments(self.transaction).await?;
        let Options { article, opener, .. } = *self.options;
        let mut chosen = choose::tables((self.graph, self.policy), &walked.found, article, opener, &mut self.missing);
        chosen.sort_by_cached_key(|table| format!("{}.", name::stem(&table.node.table)));
        let sealing = Sealing::new(self.options.scratch)?;
        let mut tables = Vec::new();
        for table in &chosen {
            tables.push(self.table(table, &sealing, &comments).await?);
        }
        self.left_out(walked);
        let mut manifest = Manifest {
            schema_version: MANIFEST_VERSION,
            article: article.number(),
            as_of: self.options.as_of.to_string(),
            subject: walked.subject.rule.clone(),
            purposes: self.purposes(&tables),
            tables,
            files: std::mem::take(&mut self.files),
            missing: std::mem::take(&mut self.missing),
        };
        let page = page::page(&manifest).map_err(|_| Error::Form("index.html"))?;
        self.put("index.html".to_owned(), spooled(&sealing, page.as_bytes())?)?;
        manifest.files.append(&mut self.files);
        let mut text = serde_json::to_vec_pretty(&manifest).map_err(|_| Error::Form("manifest.json"))?;
        text.push(b'\n');
        self.put("manifest.json".to_owned(), spooled(&sealing, &text)?)?;
        Ok(manifest)
    }

    async fn table(
        &mut self,
        table: &choose::Table<'_>,
        sealing: &Sealing<'_>,
        comments: &Comments,
    ) -> Result<Table, Error> {
        let stem = format!("data/{}", name::stem(&table.node.table));
        let files = rows::write(self.transaction, table, self.options.opener, sealing, &mut self.missing).await?;
        let name = &table.node.table;
        let (csv, json) = (format!("{stem}.csv"), format!("{stem}.jsonl"));
        self.put(csv.clone(), files.csv)?;
        self.put(json.clone(), files.json)?;
        for object in files.objects {
            match rows::object(self.transaction, object, sealing).await? {
                Ok(content) => self.put(format!("{stem}.objects/{object:010}"), content)?,
                Err(why) => self.missing.push(Missing::table(table.node, 1, why)),
            }
        }
        let comment = |column: Option<&str>| comments.get(&(name.clone(), column.map(str::to_owned))).cloned();
        let columns = table.columns.iter().map(|chosen| {
            let (own, kind) = (chosen.rule, &chosen.column.kind);
            Column {
                name: chosen.column.name.clone(),
                kind: format!("{}{}", kind.name, kind.modifier),
                about: own.and_then(|own| own.about.clone()),
                comment: comment(Some(&chosen.column.name)),
                purpose: own.and_then(|own| own.purpose.clone()),
                provided: own.map(|own| own.provided),
                retention: own.and_then(|own| match &own.erase {
                    ColumnErase::Keep(keep) => Some(kept(keep)),
                    _ => None,
                }),
            }
        });
        let [owned, shared, others] = files.rows;
        Ok(Table {
            schema: name.schema.clone(),
            name: name.name.clone(),
            about: table.rule.and_then(|rule| rule.about.clone()),
            comment: comment(None),
            rows: owned + shared + others,
            owned,
            shared,
            others,
            purpose: table.rule.and_then(|rule| rule.purpose.clone()),
            retention: table.rule.and_then(retention),
            json,
            csv,
            columns: columns.collect(),
        })
    }

    fn put(&mut self, name: String, content: Spooled<'_>) -> Result<(), Error> {
        let (size, sha256) = (content.size, content.hash.clone());
        content.read(|from| self.sink.file(&name, size, from))?;
        self.files.push(File { name, size, sha256 });
        Ok(())
    }

    /// The purposes that the tables name, in the policy's order.
    fn purposes(&self, tables: &[Table]) -> Vec<Purpose> {
        let is_named = |name: &String| {
            let columns = tables.iter().flat_map(|table| &table.columns).filter_map(|column| column.purpose.as_ref());
            columns.chain(tables.iter().filter_map(|table| table.purpose.as_ref())).any(|other| other == name)
        };
        let purposes = self.policy.purposes.iter().filter(|(name, _)| is_named(name)).map(|(name, purpose)| Purpose {
            name: name.clone(),
            about: purpose.about.clone(),
            basis: purpose.basis.name().to_owned(),
            recipients: purpose.recipients.clone().unwrap_or_default(),
            transfers: purpose.transfers.clone(),
            retention: purpose.retention.map(|retention| retention.to_string()),
        });
        purposes.collect()
    }

    /// What no table tells.
    fn left_out(&mut self, walked: &Walked) {
        for node in self.graph.nodes.iter().filter(|node| node.class.is_none()) {
            let why = "the policy does not say whose the rows of this table are, and it was not searched";
            self.missing.push(Missing::table(node, None, why));
        }
        let mut others: BTreeMap<_, usize> = BTreeMap::new();
        for one in &walked.others {
            *others.entry(one.table).or_default() += one.keys.len();
        }
        for (table, rows) in others {
            let why = "these rows are others', and refer to rows of the person";
            self.missing.push(Missing::table(self.graph.node(table), rows, why));
        }
        if self.options.article == Article::Access {
            let why = "where data came from that the person did not give, and whether decisions are made by programs alone \
                       (Article 15(1)(g) and (h)), is not written down in the policy";
            self.missing.push(Missing::package(why));
        }
        self.missing.push(Missing::package("backups, log files and other systems are no part of this database"));
        self.missing.sort();
    }
}

fn spooled<'a>(sealing: &'a Sealing<'a>, bytes: &[u8]) -> io::Result<Spooled<'a>> {
    let mut spool = sealing.spool();
    spool.write_all(bytes)?;
    spool.finish()
}

fn retention(rule: &TableRule) -> Option<String> {
    let by_time = rule.retention.as_ref().map(|retention| format!("{} after {}", retention.keep, retention.column));
    let by_law = match &rule.erase {
        RowErase::Keep(keep) => Some(kept(keep)),
        _ => None,
    };
    let both: Vec<_> = by_time.into_iter().chain(by_law).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

fn kept(keep: &Keep) -> String {
    match (&keep.after, keep.until) {
        (Some((column, length)), _) => format!("{}: {length} after {column}", keep.basis),
        (None, Some(day)) => format!("{}: until {day}", keep.basis),
        (None, None) => keep.basis.clone(),
    }
}

/// What the database says of tables, and of columns where one is named.
type Comments = BTreeMap<(TableName, Option<String>), String>;

async fn comments(transaction: &Transaction<'_>) -> Result<Comments, Error> {
    const SQL: &str = "SELECT n.nspname::text, c.relname::text, a.attname::text, d.description FROM pg_description AS d \
         JOIN pg_class AS c ON c.oid = d.objoid AND c.relkind IN ('r', 'p', 'f') JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 AND NOT a.attisdropped \
         WHERE d.classoid = 'pg_class'::regclass AND (d.objsubid = 0 OR a.attnum IS NOT NULL) \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    let rows = transaction.query_typed(SQL, &[]).await.map_err(|error| failed("comments", &error))?;
    let comment = |row: &tokio_postgres::Row| {
        ((TableName::new(row.get::<_, &str>(0), row.get::<_, &str>(1)), row.get(2)), row.get(3))
    };
    Ok(rows.iter().map(comment).collect())
}
