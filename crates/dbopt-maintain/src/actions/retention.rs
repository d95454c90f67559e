//! Which rows go, how they are found, and the statements that take them away.

use jiff::Timestamp;

use crate::exempt::Exempt;
use crate::facts::Moment;
use crate::object::TableRef;
use crate::plan::Archived;

/// The range of a batch, in a statement as it is planned.
pub(super) const ANY: (&str, &str) = ("$1", "$2");

/// A day, in microseconds.
pub(super) const DAY: i64 = 86_400_000_000;

/// Which rows of a table go, and under which conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// The column with the time.
    pub column: String,
    /// Rows before this go, fixed once from the server's clock: an instant for a column with time zone, a time on the
    /// application's clock for one without. A time of `-infinity` is no time, and stays.
    pub cutoff: Moment,
    /// How the rows are found.
    pub method: Method,
    /// When more would go, none does.
    pub most_rows: u64,
    /// When more than this share of the rows would go, none does.
    pub most_share: f64,
    /// Selectors of tables whose rows may go along.
    pub cascades: Vec<String>,
    /// Triggers that may fire.
    pub triggers: Vec<String>,
    /// Which rows stay all the same.
    pub exempt: Exempt,
    /// Where rows are put first.
    pub archive: Option<Archived>,
    /// After so many rows the table is vacuumed before more go, so that the next rows of the application find room.
    pub vacuum_after: u64,
}

/// How expired rows are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Page by page from the beginning of the table, each once: needs no index, and is the quicker way where much is
    /// expired (from version 14, which scans ranges of `ctid`).
    #[default]
    Pages,
    /// By the column's index, from the oldest on: the quicker way where little is.
    Keys,
}

impl Method {
    /// The quicker way, for the share of the rows that is expired where it is known, the column's physical correlation
    /// (`pg_stats`), and whether an index begins with it.
    ///
    /// Pages are read in full, whatever is expired on them. By keys each row costs a descent to another page unless rows
    /// lie in the order of their times, and so a fifth of scattered rows is the same work as all pages.
    #[must_use]
    pub fn choose(share: Option<f64>, correlation: Option<f64>, is_indexed: bool, server_version_num: u32) -> Self {
        let few = if correlation.is_some_and(|correlation| correlation.abs() > 0.9) { 0.2 } else { 0.02 };
        let has_few = share.is_some_and(|share| share < few);
        if is_indexed && (has_few || server_version_num < 140_000) { Self::Keys } else { Self::Pages }
    }
}

impl Retention {
    /// Rows before a time, page by page, at most half of them and ten million, with nothing going along.
    #[must_use]
    pub fn new(column: &str, cutoff: Moment) -> Self {
        Self {
            column: column.to_owned(),
            cutoff,
            method: Method::default(),
            most_rows: 10_000_000,
            most_share: 0.5,
            cascades: Vec::new(),
            triggers: Vec::new(),
            exempt: Exempt::default(),
            archive: None,
            vacuum_after: 2_000_000,
        }
    }

    /// The condition by which a row goes.
    pub(super) fn condition(&self, table: &TableRef) -> String {
        let column = dbopt_sql::quote_ident(&self.column);
        format!("{column} < {} AND {column} > '-infinity'{}", literal(self.cutoff), self.exempt.condition(table))
    }

    /// The range of a batch.
    fn range(&self, (from, to): (&str, &str)) -> String {
        let column = dbopt_sql::quote_ident(&self.column);
        match self.method {
            Method::Pages => format!("ctid >= '({from},0)' AND ctid < '({to},0)'"),
            Method::Keys => format!("{column} > {from} AND {column} <= {to}"),
        }
    }

    /// The statement before that of a batch, in the same transaction, where rows may be exempt. Once a row is locked nothing can
    /// refer to it anew, and the statement that follows sees all that refers to it by then.
    pub(super) fn lock(&self, table: &TableRef, range: (&str, &str)) -> Option<String> {
        let sql = || {
            format!("SELECT FROM ONLY {table} WHERE {} AND {} FOR UPDATE;", self.range(range), self.condition(table))
        };
        (!self.exempt.reasons.is_empty()).then(sql)
    }

    /// The statement of one batch, of a range.
    pub(super) fn batch(&self, table: &TableRef, range: (&str, &str)) -> String {
        let delete = format!("DELETE FROM ONLY {table} WHERE {} AND {}", self.range(range), self.condition(table));
        match &self.archive {
            None => format!("{delete};"),
            Some(Archived::Table { schema, name }) => {
                let archive = TableRef { oid: 0, schema: schema.clone(), name: name.clone() };
                // What left is counted beside what arrived, because a batch is committed only when they are the same.
                format!(
                    "WITH gone AS ({delete} RETURNING *), kept AS (INSERT INTO {archive} SELECT * FROM gone RETURNING 1) \
                     SELECT (SELECT pg_catalog.count(*) FROM gone), (SELECT pg_catalog.count(*) FROM kept);"
                )
            }
            Some(Archived::Folder(_)) => format!("COPY ({delete} RETURNING *) TO STDOUT;"),
        }
    }
}

/// The statement that makes the table of an archive.
pub(super) fn create_archive(archive: &Archived, like: &TableRef) -> Option<String> {
    let Archived::Table { schema, name } = archive else { return None };
    let archive = TableRef { oid: 0, schema: schema.clone(), name: name.clone() };
    Some(format!("CREATE TABLE IF NOT EXISTS {archive} (LIKE {like});"))
}

/// A point of time as a constant.
pub(super) fn literal(moment: Moment) -> String {
    let text = |micros| {
        Timestamp::from_microsecond(micros).map_or_else(
            // Beyond what a time can be nothing is expired.
            |_| "-infinity".to_owned(),
            |at| at.strftime("%Y-%m-%d %H:%M:%S%.f").to_string(),
        )
    };
    match moment {
        Moment::Instant(micros) => {
            format!("'{}+00'::timestamp with time zone", text(micros)).replace("infinity+00", "infinity")
        }
        Moment::Civil(micros) => format!("'{}'::timestamp without time zone", text(micros)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_exact() {
        let table = TableRef { oid: 1, schema: "public".to_owned(), name: "Events".to_owned() };
        let mut retention = Retention::new("at", Moment::Instant(1_500_000));
        let rest = "at < '1970-01-01 00:00:01.5+00'::timestamp with time zone AND at > '-infinity'";
        let delete =
            format!("DELETE FROM ONLY public.\"Events\" WHERE ctid >= '($1,0)' AND ctid < '($2,0)' AND {rest}");
        assert_eq!(retention.batch(&table, ANY), format!("{delete};"));
        assert_eq!(retention.lock(&table, ANY), None);
        retention.archive = Some(Archived::Folder("/archive".into()));
        assert_eq!(retention.batch(&table, ANY), format!("COPY ({delete} RETURNING *) TO STDOUT;"));
        let archive = Archived::Table { schema: "old".to_owned(), name: "events".to_owned() };
        let create = create_archive(&archive, &table);
        assert_eq!(create.as_deref(), Some("CREATE TABLE IF NOT EXISTS old.events (LIKE public.\"Events\");"));
        retention.archive = Some(archive);
        let sql = format!(
            "WITH gone AS ({delete} RETURNING *), kept AS (INSERT INTO old.events SELECT * FROM gone RETURNING 1) \
             SELECT (SELECT pg_catalog.count(*) FROM gone), (SELECT pg_catalog.count(*) FROM kept);"
        );
        assert_eq!(retention.batch(&table, ANY), sql);
        let keys = Retention { method: Method::Keys, cutoff: Moment::Civil(0), archive: None, ..retention };
        assert_eq!(
            keys.batch(&table, ANY),
            "DELETE FROM ONLY public.\"Events\" WHERE at > $1 AND at <= $2 AND \
             at < '1970-01-01 00:00:00'::timestamp without time zone AND at > '-infinity';"
        );
        assert_eq!(literal(Moment::Instant(i64::MIN)), "'-infinity'::timestamp with time zone");
    }

    #[test]
    fn exempt_rows_are_left_out_and_others_locked_before() {
        let table = TableRef { oid: 1, schema: "public".to_owned(), name: "Events".to_owned() };
        let mut retention = Retention::new("at", Moment::Civil(0));
        let condition = format!("EXISTS (SELECT FROM hold AS h WHERE h.id = {}.id)", crate::Exemption::TABLE);
        retention.exempt.reasons = vec![crate::Exemption { why: "are held".to_owned(), condition }];
        let which = "FROM ONLY public.\"Events\" WHERE ctid >= '(3,0)' AND ctid < '(9,0)' AND \
                     at < '1970-01-01 00:00:00'::timestamp without time zone AND at > '-infinity' AND \
                     NOT (EXISTS (SELECT FROM hold AS h WHERE h.id = public.\"Events\".id))";
        assert_eq!(retention.batch(&table, ("3", "9")), format!("DELETE {which};"));
        assert_eq!(retention.lock(&table, ("3", "9")), Some(format!("SELECT {which} FOR UPDATE;")));
    }

    #[test]
    fn the_way_depends_on_how_much_is_expired_and_how_it_lies() {
        let choose = Method::choose;
        assert_eq!(choose(Some(0.3), Some(1.0), true, 150_000), Method::Pages);
        assert_eq!(choose(Some(0.1), Some(-0.99), true, 150_000), Method::Keys);
        assert_eq!(choose(Some(0.1), Some(0.1), true, 150_000), Method::Pages);
        assert_eq!(choose(Some(0.001), None, false, 150_000), Method::Pages);
        assert_eq!(choose(Some(0.3), None, true, 130_000), Method::Keys);
    }
}
