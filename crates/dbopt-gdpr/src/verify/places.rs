//! What is searched, and in which columns.

use std::net::IpAddr;

use dbopt_sql::quote_ident;
use tokio_postgres::{Row, Transaction};

use super::{identifier::Identifier, report::Skipped};
use crate::{
    policy::{TableName, VerifyScope},
    walk::{Error, failed},
};

/// A query whose rows are searched.
pub(super) struct Place {
    /// A table as in SQL, or what else.
    pub(super) name: String,
    /// The table that the policy speaks of, when it is one.
    pub(super) table: Option<TableName>,
    /// Names of the columns that are searched.
    pub(super) columns: Vec<String>,
    /// Selects what tells a row, unless it is [`First::Nothing`], then the columns.
    pub(super) sql: String,
    /// Selects the key of the rows of some places, as texts; none where there is no key.
    pub(super) keys: Option<String>,
    /// What the first column is.
    pub(super) first: First,
}

/// What the first column of a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Its place in its table.
    Place,
    /// Nothing, since it is a value: which row it is cannot be told, or nobody asks.
    Nothing,
    /// What it belongs to: a column, an object with a comment.
    Name,
    /// The number of a large object.
    Object,
}

/// What kinds of columns can hold one of the values, other than texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holds {
    numbers: bool,
    uuids: bool,
    addresses: bool,
}

impl Holds {
    fn of(identifiers: &[Identifier]) -> Self {
        let mut holds = Self::default();
        for identifier in identifiers {
            let value = identifier.value.trim();
            let is_hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
            holds.numbers |= value.bytes().all(|byte| byte.is_ascii_digit());
            holds.uuids |= value.len() == 36 && value.bytes().all(is_hex);
            holds.addresses |= value.parse::<IpAddr>().is_ok();
        }
        holds
    }
}

/// The tables and materialised views that are searched, and those that are not. Places of rows are asked for only when keys are
/// wanted, because they are a tenth of the time.
pub(super) async fn tables(
    transaction: &Transaction<'_>,
    scope: &VerifyScope,
    identifiers: &[Identifier],
    with_keys: bool,
) -> Result<(Vec<Place>, Vec<Skipped>), Error> {
    let holds = Holds::of(identifiers);
    let rows = transaction
        .query_typed(include_str!("queries/relations.sql"), &[])
        .await
        .map_err(|error| failed("the tables", &error))?;
    let (mut places, mut skipped) = (Vec::new(), Vec::new());
    for row in &rows {
        let table = TableName::new(row.get::<_, String>("schema"), row.get::<_, String>("name"));
        // The policy speaks of partitions by the table they are parts of.
        let root = TableName::new(row.get::<_, String>("root_schema"), row.get::<_, String>("root_name"));
        let mut skip = |what: String, why: &str, expected: bool| {
            skipped.push(Skipped { place: what, why: why.to_owned(), expected });
        };
        let columns = columns(row, holds);
        let is_view = row.get::<_, i8>("kind") as u8 == b'm';
        if !scope.contains(&root.schema, &root.name) {
            skip(table.to_string(), "the policy leaves it out", true);
        } else if is_view && !scope.views {
            skip(table.to_string(), "the policy leaves materialised views out", true);
        } else if columns.is_empty() {
            skip(table.to_string(), "no column of it can hold the values", true);
        } else if row.get::<_, i8>("kind") as u8 == b'f' {
            skip(table.to_string(), "its rows are on another server", false);
        } else if !row.get::<_, bool>("populated") {
            skip(table.to_string(), "it is not populated", true);
        } else if row.get::<_, bool>("absent") {
            skip(table.to_string(), "a standby has no rows of unlogged tables", false);
        } else if row.get::<_, bool>("secured") {
            skip(table.to_string(), "row-level security may hide rows from this role", false);
        } else if !row.get::<_, bool>("reachable") {
            skip(table.to_string(), "this role may not use its schema", false);
        } else {
            let (readable, hidden): (Vec<_>, Vec<_>) = columns.into_iter().partition(|column| column.readable);
            for column in &hidden {
                let what = format!("{table}.{}", quote_ident(&column.name));
                skip(what, "this role may not read it", false);
            }
            if !readable.is_empty() {
                places.push(place(row, &table, root, &readable, with_keys));
            }
        }
    }
    Ok((places, skipped))
}

struct Column {
    name: String,
    readable: bool,
    as_text: bool,
}

fn columns(row: &Row, holds: Holds) -> Vec<Column> {
    let flags = |name: &str| row.get::<_, Option<Vec<bool>>>(name).unwrap_or_default();
    let (texts, numbers, uuids, addresses) = (flags("texts"), flags("numbers"), flags("uuids"), flags("addresses"));
    let (as_text, readable) = (flags("as_text"), flags("readable"));
    let is = |flags: &[bool], at: usize| flags.get(at).copied().unwrap_or_default();
    let names = row.get::<_, Vec<String>>("columns").into_iter().enumerate();
    names
        .filter_map(|(at, name)| {
            let other = holds.numbers && is(&numbers, at)
                || holds.uuids && is(&uuids, at)
                || holds.addresses && is(&addresses, at);
            let column = Column { name, readable: is(&readable, at), as_text: other || is(&as_text, at) };
            (other || is(&texts, at)).then_some(column)
        })
        .collect()
}

fn place(row: &Row, table: &TableName, root: TableName, columns: &[Column], with_keys: bool) -> Place {
    let item = if row.get::<_, i8>("kind") as u8 == b'm' { table.to_string() } else { format!("ONLY {table}") };
    let values: Vec<_> = columns
        .iter()
        .map(|column| format!("t.{}{}", quote_ident(&column.name), if column.as_text { "::text" } else { "" }))
        .collect();
    let key: Vec<_> = row.get::<_, Vec<String>>("key").iter().map(|column| format!("t.{column}::text")).collect();
    // Places of rows can be read only by who can read all columns.
    let has_place = with_keys && row.get::<_, bool>("whole");
    let keys = (has_place && !key.is_empty())
        .then(|| format!("SELECT {} FROM {item} AS t WHERE t.ctid = ANY ($1::text[]::tid[])", key.join(", ")));
    let values = if has_place { format!("t.ctid, {}", values.join(", ")) } else { values.join(", ") };
    Place {
        name: table.to_string(),
        table: Some(root),
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        sql: format!("SELECT {values} FROM {item} AS t"),
        keys,
        first: if has_place { First::Place } else { First::Nothing },
    }
}

/// What else keeps values: statistics, comments, labels of enums, large objects.
pub(super) async fn others(
    transaction: &Transaction<'_>,
    scope: &VerifyScope,
) -> Result<(Vec<Place>, Vec<Skipped>), Error> {
    let mut places = Vec::new();
    let mut skipped = Vec::new();
    let place = |name: &str, columns: &[&str], sql: &str| Place {
        name: name.to_owned(),
        table: None,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        sql: sql.to_owned(),
        keys: None,
        first: First::Name,
    };
    if scope.statistics {
        let columns = ["most_common_vals", "histogram_bounds", "most_common_elems"];
        places.push(place("pg_stats", &columns, STATISTICS));
        places.push(place("pg_stats_ext", &["most_common_vals"], EXTENDED));
    } else {
        skipped.push(Skipped {
            place: "pg_stats".to_owned(),
            why: "the policy leaves statistics out".to_owned(),
            expected: true,
        });
    }
    places.push(place("pg_description", &["description"], COMMENTS));
    places.push(place("pg_enum", &["enumlabel"], LABELS));
    let row = transaction.query_typed_one(LARGE, &[]).await.map_err(|error| failed("the large objects", &error))?;
    let (readable, hidden): (i64, i64) = (row.get(0), row.get(1));
    if hidden > 0 {
        let why = format!("this role may not read {hidden} of them");
        skipped.push(Skipped { place: "large objects".to_owned(), why, expected: false });
    }
    if scope.statistics {
        let hidden: i64 =
            transaction.query_typed_one(HIDDEN, &[]).await.map_err(|error| failed("the statistics", &error))?.get(0);
        if hidden > 0 {
            let why = format!("this role may not read the statistics of {hidden} columns");
            skipped.push(Skipped { place: "pg_stats".to_owned(), why, expected: false });
        }
    }
    if readable > 0 {
        places.push(Place { first: First::Object, ..place("large objects", &["data"], OBJECTS) });
    }
    Ok((places, skipped))
}

const STATISTICS: &str = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) || '.' || quote_ident(attname), \
    most_common_vals::text, histogram_bounds::text, most_common_elems::text FROM pg_stats WHERE schemaname <> 'pg_catalog'";

const EXTENDED: &str = "SELECT quote_ident(statistics_schemaname) || '.' || quote_ident(statistics_name), most_common_vals::text \
    FROM pg_stats_ext WHERE most_common_vals IS NOT NULL";

const COMMENTS: &str = "SELECT pg_describe_object(classoid, objoid, objsubid), description FROM pg_description \
    WHERE objoid >= 16384 UNION ALL \
    SELECT pg_describe_object(classoid, objoid, 0), description FROM pg_shdescription WHERE objoid >= 16384";

const LABELS: &str = "SELECT enumtypid::regtype::text, enumlabel::text FROM pg_enum";

/// Columns with statistics that `pg_stats` does not show: `pg_class.reltuples` says that there are rows, and a table that was analysed has
/// statistics for each column, which the view leaves out without the right to read it.
const HIDDEN: &str = "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'm', 'f', 'p') AND c.reltuples > 0 AND a.attnum > 0 AND NOT a.attisdropped \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' \
        AND (NOT has_column_privilege(c.oid, a.attnum, 'SELECT') OR row_security_active(c.oid))";

/// As `lo_get` judges: the owner, or whom `SELECT` was granted.
macro_rules! may_read {
    () => {
        "(pg_has_role(m.lomowner, 'USAGE') OR current_setting('lo_compat_privileges')::boolean OR EXISTS (SELECT \
         FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE'))))"
    };
}

const LARGE: &str = concat!(
    "SELECT count(*) FILTER (WHERE ",
    may_read!(),
    "), count(*) FILTER (WHERE NOT ",
    may_read!(),
    ") FROM pg_largeobject_metadata m"
);

/// The first piece of each; longer ones are read on.
const OBJECTS: &str =
    concat!("SELECT m.oid::text, lo_get(m.oid, 0, 262144) FROM pg_largeobject_metadata m WHERE ", may_read!());

/// Bytes of a piece of a large object, as above.
pub(super) const PIECE: usize = 262_144;
