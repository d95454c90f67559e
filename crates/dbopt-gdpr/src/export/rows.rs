//! The rows of one table, as two files.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    pin::pin,
};

use dbopt_sql::quote_ident;
use futures_util::TryStreamExt as _;
use tokio_postgres::{
    Row as PgRow, Transaction,
    types::{FromSql, Type},
};

use super::{
    Error, Opener,
    choose::{Chosen, Content, Table},
    manifest::Missing,
    spool::{Sealing, Spool, Spooled},
    value::{self, Kind},
};
use crate::{
    graph::{Identity, Node},
    policy::Class,
    walk::{Key, KeyArrays, Row, failed},
};

/// Most keys in one query of a table with a key.
const CHUNK: usize = 10_000;

/// Bytes of a large object that are read at once.
const PIECE: i32 = 256 * 1024;

/// The files of one table.
pub(super) struct Files<'a> {
    pub(super) csv: Spooled<'a>,
    pub(super) json: Spooled<'a>,
    /// The large objects that its rows name.
    pub(super) objects: BTreeSet<u32>,
    /// Rows by class: owned, shared, about.
    pub(super) rows: [u64; 3],
}

/// A text as the server sent it; UTF-8, unless the database is of the encoding `SQL_ASCII`.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Reads the rows of a table and writes them.
pub(super) async fn write<'a>(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    opener: Option<&dyn Opener>,
    sealing: &'a Sealing<'a>,
    missing: &mut Vec<Missing>,
) -> Result<Files<'a>, Error> {
    let mut writer = Writer::new(table, opener, sealing)?;
    let query = Query::of(table);
    let mut rows: Vec<&Row> = table.found.rows().iter().filter(|row| table.gives(row.class)).collect();
    query.sort(&mut rows);
    for chunk in rows.chunks(query.chunk.unwrap_or(rows.len().max(1))) {
        let keys = KeyArrays::of(chunk.iter().map(|row| &row.key));
        let failed = |error| Error::from(failed(format!("`{}`", table.node.table), &error));
        let stream = transaction.query_typed_raw(&query.sql, keys.parameters()).await.map_err(failed)?;
        let mut stream = pin!(stream);
        while let Some(row) = stream.try_next().await.map_err(failed)? {
            writer.row(&row)?;
        }
    }
    if writer.rows.iter().sum::<u64>() != rows.len() as u64 {
        return Err(Error::Lost(table.node.table.to_string()));
    }
    writer.finish(missing)
}

struct Query {
    sql: String,
    /// Keys that are numbers are in their order.
    numbers: Vec<bool>,
    /// Most keys at once; none where the rows are in an order of their content, and all are asked for at once.
    chunk: Option<usize>,
}

impl Query {
    /// Columns: the key's texts, then for each column its value and the texts that a sealed value is bound to.
    fn of(table: &Table<'_>) -> Self {
        let node = table.node;
        let mut items = node.key_texts("t");
        let (key_width, keys) = (items.len(), items.clone());
        for chosen in &table.columns {
            let name = quote_ident(&chosen.column.name);
            // The type's own output function: a cast to text could be somebody's function. A row of NULLs `IS NULL` and is a value.
            items.push(format!("CASE num_nulls(t.{name}) WHEN 0 THEN format('%s', t.{name}) END"));
            if let Content::Sealed(row) = &chosen.content {
                items.extend(row.iter().map(|name| format!("t.{}::text", quote_ident(name))));
            }
        }
        let (order, numbers, chunk) = match &node.identity {
            Identity::Key(columns) => {
                let is_number = |cast: &str| matches!(cast, "smallint" | "integer" | "bigint");
                let numbers: Vec<bool> = columns.iter().map(|column| is_number(&column.cast)).collect();
                let order = columns.iter().zip(&keys).zip(&numbers).map(|((column, text), is_number)| {
                    if *is_number {
                        format!("t.{}", quote_ident(&column.name))
                    } else {
                        format!("{text} COLLATE \"C\"")
                    }
                });
                (order.collect::<Vec<_>>(), numbers, Some(CHUNK))
            }
            // A place changes with each vacuum and restore, and content does not.
            Identity::Place => {
                let texts = (key_width + 1..=items.len()).map(|at| format!("{} COLLATE \"C\"", items[at - 1]));
                (texts.chain(keys).collect(), vec![false; 2], None)
            }
        };
        let sql = format!("SELECT {} FROM {} ORDER BY {}", items.join(", "), node.by_keys("t"), order.join(", "));
        Self { sql, numbers, chunk }
    }

    /// Brings keys into the order of the query, so that parts of them follow each other.
    fn sort(&self, rows: &mut [&Row]) {
        rows.sort_by(|one, two| {
            let parts = one.key.iter().zip(&two.key).zip(&self.numbers);
            let order =
                parts.map(|((one, two), is_number)| match (is_number, one.parse::<i64>(), two.parse::<i64>()) {
                    (true, Ok(one), Ok(two)) => one.cmp(&two),
                    _ => one.as_bytes().cmp(two.as_bytes()),
                });
            order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
    }
}

struct Writer<'t, 'a> {
    table: &'t Table<'t>,
    opener: Option<&'t dyn Opener>,
    csv: Spool<'a>,
    json: Spool<'a>,
    line: Vec<u8>,
    record: Vec<u8>,
    objects: BTreeSet<u32>,
    rows: [u64; 3],
    /// Values that are not as they were, by column and why.
    odd: BTreeMap<(String, &'static str), usize>,
}

impl<'t, 'a> Writer<'t, 'a> {
    fn new(table: &'t Table<'t>, opener: Option<&'t dyn Opener>, sealing: &'a Sealing<'a>) -> Result<Self, Error> {
        let mut csv = sealing.spool();
        for (at, chosen) in table.columns.iter().enumerate() {
            if at > 0 {
                csv.write_all(b",")?;
            }
            value::field(&chosen.column.name, &mut csv)?;
        }
        csv.write_all(b"\r\n")?;
        let (line, record) = (Vec::new(), Vec::new());
        let (objects, odd) = (BTreeSet::new(), BTreeMap::new());
        Ok(Self { table, opener, csv, json: sealing.spool(), line, record, objects, rows: [0; 3], odd })
    }

    fn row(&mut self, row: &PgRow) -> Result<(), Error> {
        let table = self.table;
        let node = table.node;
        let width = node.identity.width();
        let lost = || Error::Lost(node.table.to_string());
        let key: Option<Key> = (0..width).map(|at| row.try_get::<_, &str>(at).ok().map(Box::from)).collect();
        let found = key.and_then(|key| table.found.get(&key)).ok_or_else(lost)?;
        let via = table.found.via(found);
        self.line.clear();
        self.record.clear();
        self.line.push(b'{');
        let (mut at, mut is_first) = (width, true);
        for (column, chosen) in table.columns.iter().enumerate() {
            let bound = if let Content::Sealed(row) = &chosen.content { row.len() } else { 0 };
            let raw = row.try_get::<_, Option<Raw<'_>>>(at).map_err(|_| lost())?;
            let texts: Option<Vec<&str>> = (at + 1..=at + bound).map(|at| row.try_get(at).ok()).collect();
            at += 1 + bound;
            if column > 0 {
                self.record.push(b',');
            }
            if !table.has(found.class, via, chosen) {
                continue;
            }
            let value = match raw {
                Some(raw) => match self.value(node, chosen, raw.0, texts.as_deref()) {
                    Some(value) => Some(value),
                    None => continue,
                },
                None => None,
            };
            if !is_first {
                self.line.push(b',');
            }
            is_first = false;
            value::string(&chosen.column.name, &mut self.line)?;
            self.line.push(b':');
            match value {
                None => self.line.extend_from_slice(b"null"),
                Some(text) => {
                    let kind = if matches!(chosen.content, Content::Sealed(_)) { &Kind::Text } else { &chosen.kind };
                    kind.json(&text, &mut self.line)?;
                    kind.csv(&text, &mut self.record)?;
                }
            }
        }
        self.line.extend_from_slice(b"}\n");
        self.record.extend_from_slice(b"\r\n");
        self.json.write_all(&self.line)?;
        self.csv.write_all(&self.record)?;
        let class = match found.class {
            Class::Owned => 0,
            Class::Shared => 1,
            _ => 2,
        };
        self.rows[class] += 1;
        Ok(())
    }

    /// A value as text; none where it does not open.
    fn value(&mut self, node: &Node, chosen: &Chosen<'_>, raw: &[u8], row: Option<&[&str]>) -> Option<String> {
        let name = &chosen.column.name;
        let mut odd = |why| *self.odd.entry((name.clone(), why)).or_default() += 1;
        let text = String::from_utf8_lossy(raw);
        match &chosen.content {
            Content::Value => {}
            Content::Object => {
                if let Ok(object) = text.parse() {
                    self.objects.insert(object);
                }
            }
            Content::Sealed(_) => {
                let sealed = text.strip_prefix("\\x").and_then(bytes);
                let opened = sealed
                    .zip(row)
                    .zip(self.opener)
                    .and_then(|((sealed, row), opener)| opener.open(&node.table, name, row, &sealed));
                let Some(opened) = opened else {
                    odd("it is encrypted and does not open: its key was destroyed or is not at hand");
                    return None;
                };
                return Some(String::from_utf8(opened).unwrap_or_else(|bytes| hex(bytes.as_bytes())));
            }
        }
        if let std::borrow::Cow::Owned(_) = text {
            odd("bytes of it are no UTF-8, and are written as U+FFFD");
        }
        Some(text.into_owned())
    }

    fn finish(self, missing: &mut Vec<Missing>) -> Result<Files<'a>, Error> {
        let odd = self.odd.iter().map(|((name, why), rows)| Missing::column(self.table.node, name, Some(*rows), why));
        missing.extend(odd);
        Ok(Files { csv: self.csv.finish()?, json: self.json.finish()?, objects: self.objects, rows: self.rows })
    }
}

/// Reads a large object; none, and why, where it cannot be had.
pub(super) async fn object<'a>(
    transaction: &Transaction<'_>,
    object: u32,
    sealing: &'a Sealing<'a>,
) -> Result<Result<Spooled<'a>, &'static str>, Error> {
    const HAS: &str = "SELECT FROM pg_largeobject_metadata WHERE oid = $1";
    const PART: &str = "SELECT lo_get($1, $2, $3)";
    let failed = |error| Error::from(failed("a large object", &error));
    if transaction.query_typed(HAS, &[(&object, Type::OID)]).await.map_err(failed)?.is_empty() {
        return Ok(Err("there is no such large object"));
    }
    transaction.batch_execute("SAVEPOINT dbopt_object").await.map_err(failed)?;
    let mut spool = sealing.spool();
    let mut offset = 0_i64;
    loop {
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&object, Type::OID), (&offset, Type::INT8), (&PIECE, Type::INT4)];
        let piece = match transaction.query_typed_one(PART, &parameters).await {
            Ok(row) => row,
            Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE) => {
                transaction.batch_execute("ROLLBACK TO SAVEPOINT dbopt_object").await.map_err(failed)?;
                return Ok(Err("the role that exported may not read this large object"));
            }
            Err(error) => return Err(failed(error)),
        };
        let piece: &[u8] = piece.get(0);
        spool.write_all(piece)?;
        offset += i64::from(PIECE);
        if piece.len() < usize::try_from(PIECE).unwrap_or(usize::MAX) {
            break;
        }
    }
    transaction.batch_execute("RELEASE SAVEPOINT dbopt_object").await.map_err(failed)?;
    Ok(Ok(spool.finish()?))
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::from("\\x");
    text.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
    text
}
