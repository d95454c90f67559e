//! Loading the facts: one plain SELECT for each kind of thing, in one read-only snapshot.

use dbopt_pg::Session;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use super::autovacuum::is_on;
use super::{
    Autovacuum, Bound, ColumnFacts, Facts, Holder, HolderKind, IndexFacts, IndexMethod, KeyFacts, PartitionFacts,
    ServerFacts, Storage, TableFacts, TableKind,
};
use crate::error::Error;
use crate::object::{IndexRef, TableRef};

/// What the facts need of the session: names are never looked up in a stranger's schema, and bounds are printed in one way.
const HABITS: &str = "SET LOCAL search_path = ''; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
                      SET LOCAL jit = off";

impl Facts {
    /// Reads them in one short read-only transaction. A table that someone holds exclusively is not waited for.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn load(session: &mut Session) -> Result<Self, Error> {
        let result = {
            let transaction = session.read_only().await?;
            match load(&transaction).await {
                Ok(facts) => transaction.commit().await.map(|()| facts).map_err(Failure::Query),
                Err(failure) => Err(failure),
            }
        };
        result.map_err(|failure| failure.of(session))
    }
}

/// Who holds the horizon now, the oldest first: what is asked before and after a VACUUM.
///
/// # Errors
/// When the session fails.
pub async fn horizon(session: &Session) -> Result<Vec<Holder>, Error> {
    let rows = session.query(include_str!("../queries/horizon.sql"), &[]).await?;
    let holders: Result<Vec<_>, Failure> =
        rows.iter().map(|row| holder(&Answer { what: "the horizon", row })).collect();
    holders.map_err(|failure| failure.of(session))
}

/// An error that has yet to be told apart with the help of the session, which the transaction borrows.
enum Failure {
    Query(tokio_postgres::Error),
    Answer(&'static str, tokio_postgres::Error),
}

impl Failure {
    fn of(self, session: &Session) -> Error {
        match self {
            Self::Query(error) => Error::Session(session.error(error)),
            Self::Answer(what, source) => Error::Answer { what, source },
        }
    }
}

/// A row, and what it is about.
struct Answer<'a> {
    what: &'static str,
    row: &'a Row,
}

impl<'a> Answer<'a> {
    fn get<T: FromSql<'a>>(&self, column: &str) -> Result<T, Failure> {
        self.row.try_get(column).map_err(|error| Failure::Answer(self.what, error))
    }
}

type Transaction<'a> = tokio_postgres::Transaction<'a>;

async fn query(transaction: &Transaction<'_>, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    transaction.query(sql, values).await.map_err(Failure::Query)
}

async fn load(transaction: &Transaction<'_>) -> Result<Facts, Failure> {
    transaction.batch_execute(HABITS).await.map_err(Failure::Query)?;
    let server = server(transaction).await?;
    let tables = tables(transaction, &server).await?;
    let indexes = indexes(transaction, &tables, &server).await?;
    let rows = query(transaction, include_str!("../queries/horizon.sql"), &[]).await?;
    let horizon = rows.iter().map(|row| holder(&Answer { what: "the horizon", row })).collect::<Result<_, _>>()?;
    let rows = query(transaction, include_str!("../queries/partitions.sql"), &[]).await?;
    let partitions = rows.iter().map(|row| partition(&Answer { what: "partitions", row })).collect::<Result<_, _>>()?;
    Ok(Facts { server, tables, indexes, horizon, partitions })
}

/// The settings that [`ServerFacts`] keeps.
const SETTINGS: &[&str] = &[
    "autovacuum",
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_freeze_max_age",
    "autovacuum_max_workers",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "max_slot_wal_keep_size",
    "track_counts",
    "vacuum_cost_delay",
    "vacuum_cost_limit",
];

async fn server(transaction: &Transaction<'_>) -> Result<ServerFacts, Failure> {
    let rows = query(transaction, include_str!("../queries/server.sql"), &[&SETTINGS]).await?;
    let Some(row) = rows.first() else { return Ok(ServerFacts::default()) };
    let row = Answer { what: "the server", row };
    let (names, values): (Vec<String>, Vec<String>) = (row.get("names")?, row.get("settings")?);
    let text = |name: &str| names.iter().position(|other| other == name).map(|at| values[at].as_str());
    let number = |name: &str| text(name).and_then(|value| value.parse::<f64>().ok());
    let whole = |name: &str, default: i64| number(name).map_or(default, |value| value as i64);
    let default = Autovacuum::default();
    // -1 stands for the setting that VACUUM itself has.
    let or_manual = |name: &str, manual: &str| number(name).filter(|value| *value >= 0.0).or_else(|| number(manual));
    Ok(ServerFacts {
        version_num: row.get::<i32>("version_num")?.unsigned_abs(),
        now: row.get("now")?,
        in_recovery: row.get("in_recovery")?,
        block_size: row.get::<i32>("block_size")?.unsigned_abs(),
        database: row.get("database")?,
        role: row.get("role")?,
        sees_sessions: row.get("sees_sessions")?,
        autovacuum: Autovacuum {
            enabled: text("autovacuum").is_none_or(is_on),
            vacuum_threshold: whole("autovacuum_vacuum_threshold", default.vacuum_threshold),
            vacuum_scale: number("autovacuum_vacuum_scale_factor").unwrap_or(default.vacuum_scale),
            vacuum_max_threshold: number("autovacuum_vacuum_max_threshold")
                .filter(|value| *value >= 0.0)
                .map(|value| value as i64),
            insert_threshold: whole("autovacuum_vacuum_insert_threshold", default.insert_threshold),
            insert_scale: number("autovacuum_vacuum_insert_scale_factor").unwrap_or(default.insert_scale),
            analyze_threshold: whole("autovacuum_analyze_threshold", default.analyze_threshold),
            analyze_scale: number("autovacuum_analyze_scale_factor").unwrap_or(default.analyze_scale),
            freeze_max_age: whole("autovacuum_freeze_max_age", default.freeze_max_age),
            multixact_freeze_max_age: whole("autovacuum_multixact_freeze_max_age", default.multixact_freeze_max_age),
            own_cost: (None, None),
            own: Vec::new(),
        },
        autovacuum_workers: whole("autovacuum_max_workers", 3) as u32,
        cost_limit: or_manual("autovacuum_vacuum_cost_limit", "vacuum_cost_limit").unwrap_or(200.0) as u32,
        cost_delay_ms: or_manual("autovacuum_vacuum_cost_delay", "vacuum_cost_delay").unwrap_or(2.0),
        track_counts: text("track_counts").is_none_or(is_on),
        slot_keep_bytes: number("max_slot_wal_keep_size").filter(|mb| *mb >= 0.0).map(|mb| (mb as u64) << 20),
    })
}

async fn tables(transaction: &Transaction<'_>, server: &ServerFacts) -> Result<Vec<TableFacts>, Failure> {
    let rows = query(transaction, include_str!("../queries/tables.sql"), &[]).await?;
    let mut tables = Vec::with_capacity(rows.len());
    let mut reachable = Vec::with_capacity(rows.len());
    let mut own_options = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Answer { what: "tables", row };
        let options = options(row.get("options")?);
        tables.push(table(&row, &options, server)?);
        reachable.push(row.get::<bool>("is_reachable")?);
        own_options.push(options);
    }
    // A TOAST table without settings of its own goes by those of its table.
    let inherited: Vec<(u32, usize)> =
        tables.iter().enumerate().filter_map(|(at, table)| Some((table.toast?, at))).collect();
    for (toast, at) in inherited {
        if let Ok(toast) = tables.binary_search_by_key(&toast, |table| table.table.oid)
            && !own_options[toast].iter().any(|(name, _)| name.starts_with("autovacuum_"))
        {
            tables[toast].autovacuum = server.autovacuum.with_own(&own_options[at]);
        }
    }
    for row in &query(transaction, include_str!("../queries/columns.sql"), &[]).await? {
        let row = Answer { what: "columns", row };
        let Ok(at) = tables.binary_search_by_key(&row.get("relation")?, |table| table.table.oid) else { continue };
        tables[at].columns.push(ColumnFacts {
            number: row.get("number")?,
            name: row.get("name")?,
            is_stored: row.get("is_stored")?,
            is_added: row.get("is_added")?,
            length: row.get("length")?,
            align: align(row.get("align")?),
            storage: storage(row.get("storage")?),
            is_readable: reachable[at] && row.get("is_readable")?,
        });
    }
    Ok(tables)
}

fn table(row: &Answer<'_>, options: &[(String, String)], server: &ServerFacts) -> Result<TableFacts, Failure> {
    /// `TOAST_TUPLE_TARGET` for pages of 8 KiB; a quarter of what a page holds.
    const TOAST_TARGET: u32 = 2032;
    let kind = match row.get("kind")? {
        "p" => TableKind::Partitioned,
        "m" => TableKind::Materialized,
        "t" => TableKind::Toast,
        _ => TableKind::Ordinary,
    };
    let persistence: &str = row.get("persistence")?;
    let number = |name: &str, default| {
        options.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
    };
    let pages = row.get::<i32>("pages")?.cast_unsigned();
    let toast: u32 = row.get("toast")?;
    Ok(TableFacts {
        table: TableRef { oid: row.get("oid")?, schema: row.get("schema")?, name: row.get("name")? },
        kind,
        relfilenode: row.get("relfilenode")?,
        owner: row.get("owner")?,
        owner_is_superuser: row.get("owner_is_superuser")?,
        is_locked: row.get("is_locked")?,
        toast: (toast != 0).then_some(toast),
        parent: row.get("parent")?,
        is_system: row.get("is_system")?,
        is_unlogged: persistence == "u",
        is_temp: persistence == "t",
        bytes: bytes(row.get("bytes")?),
        pages,
        rows: counted(row.get("rows")?, pages, server),
        fillfactor: number("fillfactor", 100),
        toast_target: number("toast_tuple_target", TOAST_TARGET),
        columns: Vec::new(),
        xid_age: row.get::<Option<i32>>("xid_age")?.map(i64::from),
        mxid_age: row.get::<Option<i32>>("mxid_age")?.map(i64::from),
        n_live: row.get("n_live")?,
        n_dead: row.get("n_dead")?,
        n_mod_since_analyze: row.get("n_mod_since_analyze")?,
        n_ins_since_vacuum: row.get("n_ins_since_vacuum")?,
        last_vacuum: row.get("last_vacuum")?,
        last_autovacuum: row.get("last_autovacuum")?,
        last_analyze: row.get("last_analyze")?,
        last_autoanalyze: row.get("last_autoanalyze")?,
        autovacuum_count: row.get("autovacuum_count")?,
        autovacuum: server.autovacuum.with_own(options),
        may_maintain: row.get("may_maintain")?,
        row_security: row.get("row_security")?,
    })
}

/// `reltuples`. Before 14 a table that was never counted had 0 rows on 0 pages, since then -1.
fn counted(rows: f64, pages: u32, server: &ServerFacts) -> Option<f64> {
    (rows >= 0.0 && (server.version_num >= 140_000 || pages > 0)).then_some(rows)
}

async fn indexes(
    transaction: &Transaction<'_>,
    tables: &[TableFacts],
    server: &ServerFacts,
) -> Result<Vec<IndexFacts>, Failure> {
    let rows = query(transaction, include_str!("../queries/indexes.sql"), &[]).await?;
    let mut indexes = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Answer { what: "indexes", row };
        // It is the same snapshot, so that the table is there.
        let Ok(table) = tables.binary_search_by_key(&row.get("relation")?, |table| table.table.oid) else { continue };
        indexes.push(index(&row, &tables[table].table, server)?);
    }
    for row in &query(transaction, include_str!("../queries/keys.sql"), &[]).await? {
        let row = Answer { what: "the keys of indexes", row };
        let Ok(at) = indexes.binary_search_by_key(&row.get("relation")?, |index| index.index.oid) else { continue };
        indexes[at].keys.push(KeyFacts {
            column: row.get("column_number")?,
            expression: row.get("expression")?,
            length: row.get("length")?,
            align: align(row.get("align")?),
            storage: storage(row.get("storage")?),
        });
    }
    Ok(indexes)
}

fn index(row: &Answer<'_>, table: &TableRef, server: &ServerFacts) -> Result<IndexFacts, Failure> {
    let method = match row.get("method")? {
        "btree" => IndexMethod::Btree,
        "hash" => IndexMethod::Hash,
        "gin" => IndexMethod::Gin,
        "gist" => IndexMethod::Gist,
        "spgist" => IndexMethod::Spgist,
        "brin" => IndexMethod::Brin,
        _ => IndexMethod::Other,
    };
    let options = options(row.get("options")?);
    let option = |name: &str| options.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let pages = row.get::<i32>("pages")?.cast_unsigned();
    Ok(IndexFacts {
        index: IndexRef {
            oid: row.get("oid")?,
            relfilenode: row.get("relfilenode")?,
            name: row.get("name")?,
            table: table.clone(),
        },
        method,
        is_valid: row.get("is_valid")?,
        is_ready: row.get("is_ready")?,
        is_unique: row.get("is_unique")?,
        is_exclusion: row.get("is_exclusion")?,
        constraint: row.get("constraint_name")?,
        is_referenced: row.get("is_referenced")?,
        bytes: bytes(row.get("bytes")?),
        pages,
        rows: counted(row.get("rows")?, pages, server),
        fillfactor: option("fillfactor").and_then(|value| value.parse().ok()).unwrap_or(90),
        is_deduplicated: row.get("is_equal_image")? && option("deduplicate_items").is_none_or(is_on),
        keys: Vec::new(),
        key_count: usize::try_from(row.get::<i32>("key_count")?).unwrap_or(0),
        is_partial: row.get("is_partial")?,
        predicate: row.get("predicate")?,
        is_built_in: row.get("has_built_in_expressions")? && row.get("has_built_in_classes")?,
        scans: row.get("scans")?,
    })
}

fn holder(row: &Answer<'_>) -> Result<Holder, Failure> {
    let (kind, name): (&str, String) = (row.get("kind")?, row.get("name")?);
    let pid: Option<i32> = row.get("pid")?;
    let quoted = dbopt_sql::quote_literal(&name);
    let (kind, remedy) = match kind {
        "prepared" => (HolderKind::Prepared, format!("COMMIT PREPARED {quoted}; or ROLLBACK PREPARED {quoted};")),
        "slot" => (HolderKind::Slot, format!("SELECT pg_drop_replication_slot({quoted});")),
        "standby" => {
            (HolderKind::Standby, "SET hot_standby_feedback = off on that standby, or end its long query".to_owned())
        }
        _ => (HolderKind::Session, format!("SELECT pg_terminate_backend({});", pid.unwrap_or_default())),
    };
    Ok(Holder {
        kind,
        name,
        pid,
        database: row.get("database")?,
        xid_age: row.get("xid_age")?,
        seconds: row.get("seconds")?,
        only_catalogues: row.get("only_catalogues")?,
        remedy,
    })
}

fn partition(row: &Answer<'_>) -> Result<PartitionFacts, Failure> {
    let bound: Option<String> = row.get("bound")?;
    Ok(PartitionFacts {
        table: TableRef { oid: row.get("oid")?, schema: row.get("schema")?, name: row.get("name")? },
        parent: TableRef { oid: row.get("parent")?, schema: row.get("parent_schema")?, name: row.get("parent_name")? },
        key: row.get("columns")?,
        key_types: row.get("types")?,
        bound: bound.map_or_else(|| Bound::Unreadable(String::new()), |text| Bound::parse(&text)),
        detach_pending: row.get("detach_pending")?,
        is_partitioned: row.get("is_partitioned")?,
    })
}

/// `reloptions`, taken apart.
fn options(all: Option<Vec<String>>) -> Vec<(String, String)> {
    let pair = |option: String| option.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    all.unwrap_or_default().into_iter().filter_map(pair).collect()
}

fn bytes(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
}

/// `typalign`.
fn align(code: &str) -> u8 {
    match code {
        "c" => 1,
        "s" => 2,
        "i" => 4,
        _ => 8,
    }
}

/// `attstorage`.
fn storage(code: &str) -> Storage {
    match code {
        "e" => Storage::External,
        "m" => Storage::Main,
        "x" => Storage::Extended,
        _ => Storage::Plain,
    }
}
