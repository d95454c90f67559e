//! The statements.
//!
//! Rows are read in the order of a unique index, from key to key, and written where key and `xmin` are still those that
//! were read: a row's version is told by the transaction that wrote it, and no plain value has to be sent back to be
//! compared. A row that somebody holds is passed over, so that a batch waits for nobody and cannot be a part of a deadlock.

use std::fmt::Write as _;

use dbopt_sql::quote_ident;

/// Which keys a statement has as parameters: that of the row before, and that of the last row, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) after: bool,
    pub(crate) to: bool,
}

/// A table and what of it is written.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// About how many rows it has.
    pub(crate) rows: f64,
    /// In the order of a unique index.
    pub(crate) keys: Vec<KeyColumn>,
    pub(crate) members: Vec<Member>,
}

/// A column of the row's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyColumn {
    pub(crate) name: String,
    /// Its type as a cast takes it.
    pub(crate) cast: String,
}

/// An encrypted column.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its place among the policy's columns.
    pub(crate) field: usize,
    pub(crate) column: String,
    /// The column of plain values, and whether it holds bytes.
    pub(crate) plain: Option<(String, bool)>,
    /// The columns of terms, and the version that is written.
    pub(crate) terms: Vec<(String, u8)>,
    /// The column that says whose a row's values are, when each person has a key.
    pub(crate) subject: Option<String>,
    /// Places of the rule's row among the target's keys.
    pub(crate) row: Vec<usize>,
}

/// Rows that a statement looks at, when it looks for those where something is to be done.
const PAGE: u64 = 10_000;
/// Bytes of values that are read at once, so that memory is bounded whatever the rows hold.
const MOST_BYTES: u64 = 16 << 20;

impl Target {
    /// The table's name, quoted where it has to be.
    pub(crate) fn table(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }

    fn key_list(&self) -> String {
        let names: Vec<_> = self.keys.iter().map(|key| format!("t.{}", quote_ident(&key.name))).collect();
        names.join(", ")
    }

    /// Keys as parameters, from the `first` on.
    fn parameters(&self, first: usize) -> String {
        let of = |(at, key): (usize, &KeyColumn)| format!("${}::text::{}", first + at, key.cast);
        self.keys.iter().enumerate().map(of).collect::<Vec<_>>().join(", ")
    }

    /// The key at which a page of rows ends, which may have any number of rows to be read: no statement that looks for some should go on, and
    /// hold back a VACUUM, for long. `after` says that the parameters are the key of the row before.
    pub(crate) fn page(&self, after: bool) -> String {
        let texts: Vec<_> = self.keys.iter().map(|key| format!("t.{}::text", quote_ident(&key.name))).collect();
        let order = self.key_list();
        let condition =
            if after { format!(" WHERE ROW({order}) > ROW({})", self.parameters(1)) } else { String::new() };
        format!(
            "SELECT {} FROM {} AS t{condition} ORDER BY {order} OFFSET {} LIMIT 1",
            texts.join(", "),
            self.table(),
            PAGE - 1
        )
    }

    /// Reads a batch: the key's columns as text, the row's version, and for each column its value, its plain value, its terms
    /// and whose it is. `bounds` says what the parameters are; `headers` are the first bytes of values under
    /// the active keys, to read only rows where something is to be done.
    pub(crate) fn read(&self, limit: u64, bounds: Bounds, headers: Option<&[Vec<u8>]>) -> String {
        let (mut columns, mut sizes) = (String::new(), Vec::new());
        for (at, key) in self.keys.iter().enumerate() {
            let _ = write!(columns, "t.{}::text AS k{at}, ", quote_ident(&key.name));
        }
        columns.push_str("t.xmin::text AS version");
        for (at, member) in self.members.iter().enumerate() {
            let column = quote_ident(&member.column);
            let _ = write!(columns, ", t.{column} AS v{at}");
            sizes.push(format!("coalesce(pg_catalog.octet_length(t.{column}), 0)"));
            if let Some(plain) = member.plain_bytes() {
                let _ = write!(columns, ", {plain} AS p{at}");
                sizes.push(format!("coalesce(pg_catalog.octet_length({plain}), 0)"));
            }
            for (term, (column, _)) in member.terms.iter().enumerate() {
                let _ = write!(columns, ", t.{} AS t{at}_{term}", quote_ident(column));
            }
            if let Some(subject) = &member.subject {
                let _ = write!(columns, ", {} AS s{at}", digest(subject));
            }
        }
        let mut conditions = Vec::new();
        let mut first = 1;
        for (is_bound, comparison) in [(bounds.after, ">"), (bounds.to, "<=")] {
            if is_bound {
                conditions.push(format!("ROW({}) {comparison} ROW({})", self.key_list(), self.parameters(first)));
                first += self.keys.len();
            }
        }
        if let Some(headers) = headers {
            let todo: Vec<_> = self.members.iter().zip(headers).map(|(member, header)| member.todo(header)).collect();
            conditions.push(format!("({})", todo.join(" OR ")));
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let (order, size) = (self.key_list(), sizes.join(" + "));
        format!(
            "SELECT s.* FROM (SELECT {columns}, coalesce(pg_catalog.sum({size}) OVER (ORDER BY {order} \
             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM {} AS t{condition} \
             ORDER BY {order} LIMIT {limit}) AS s WHERE s.before <= {MOST_BYTES}",
            self.table()
        )
    }

    /// Writes a batch, and says which of its rows were still as they had been read. The parameters are arrays: the key's
    /// columns and the version, and for each column whether it is written, its value and its terms.
    pub(crate) fn write(&self) -> String {
        let (mut names, mut casts, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..self.keys.len() {
            names.push(format!("k{at}"));
            casts.push("text[]");
        }
        names.push("version".to_owned());
        casts.push("text[]");
        for (at, member) in self.members.iter().enumerate() {
            let mut set = |column: &str, new: String| {
                let column = quote_ident(column);
                sets.push(format!("{column} = CASE WHEN n.w{at} THEN {new} ELSE t.{column} END"));
            };
            names.push(format!("w{at}"));
            casts.push("boolean[]");
            names.push(format!("v{at}"));
            casts.push("bytea[]");
            set(&member.column, format!("n.v{at}"));
            if let Some((plain, _)) = &member.plain {
                set(plain, "NULL".to_owned());
            }
            for (term, (column, _)) in member.terms.iter().enumerate() {
                names.push(format!("t{at}_{term}"));
                casts.push("bytea[]");
                set(column, format!("n.t{at}_{term}"));
            }
        }
        let arrays: Vec<_> = casts.iter().enumerate().map(|(at, cast)| format!("${}::{cast}", at + 1)).collect();
        let keys = || self.keys.iter().enumerate().map(|(at, key)| (at, quote_ident(&key.name), &key.cast));
        let found: Vec<_> = keys().map(|(at, name, cast)| format!("t.{name} = n.k{at}::{cast}")).collect();
        let locked: Vec<_> = keys().map(|(at, name, _)| format!("t.{name} AS i{at}")).collect();
        let same: Vec<_> = keys().map(|(at, name, _)| format!("t.{name} = n.i{at}")).collect();
        format!(
            "UPDATE {table} AS t SET {sets} FROM (SELECT {locked}, n.* FROM unnest({arrays}) WITH ORDINALITY AS n({names}, at) \
             JOIN {table} AS t ON {found} AND t.xmin = n.version::xid FOR NO KEY UPDATE OF t SKIP LOCKED) AS n \
             WHERE {same} RETURNING n.at;",
            table = self.table(),
            sets = sets.join(", "),
            locked = locked.join(", "),
            arrays = arrays.join(", "),
            names = names.join(", "),
            found = found.join(" AND "),
            same = same.join(" AND "),
        )
    }

    /// Removes the versions that were replaced, plain values among them.
    pub(crate) fn vacuum(&self) -> String {
        format!("VACUUM (TRUNCATE OFF, SKIP_LOCKED) {};", self.table())
    }
}

impl Member {
    /// The plain value as bytes.
    fn plain_bytes(&self) -> Option<String> {
        let (plain, is_bytes) = self.plain.as_ref()?;
        let column = quote_ident(plain);
        Some(if *is_bytes { format!("t.{column}") } else { format!("pg_catalog.convert_to(t.{column}::text, 'UTF8')") })
    }

    /// Whether there is something to do in a row, as far as first bytes tell.
    fn todo(&self, header: &[u8]) -> String {
        let column = quote_ident(&self.column);
        let mut any = vec![format!("pg_catalog.substr(t.{column}, 1, {}) <> {}", header.len(), literal(header))];
        if let Some((plain, _)) = &self.plain {
            any.push(format!("t.{} IS NOT NULL", quote_ident(plain)));
        }
        for (term, version) in &self.terms {
            let term = quote_ident(term);
            any.push(format!("pg_catalog.substr(t.{term}, 1, 1) <> {}", literal(&[*version])));
            any.push(format!("(t.{term} IS NULL) <> (t.{column} IS NULL)"));
        }
        any.join(" OR ")
    }
}

/// A person as `dbopt.subject_key` names them; the name itself is not sent back and forth, and so in no log.
pub(crate) fn digest(subject: &str) -> String {
    format!("pg_catalog.sha256(pg_catalog.convert_to(t.{}::text, 'UTF8'))", quote_ident(subject))
}

/// Bytes as a constant.
fn literal(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("'\\x{hex}'::bytea")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        let key = |name: &str, cast: &str| KeyColumn { name: name.to_owned(), cast: cast.to_owned() };
        Target {
            oid: 1,
            schema: "public".to_owned(),
            name: "Customer".to_owned(),
            rows: 0.0,
            keys: vec![key("tenant", "bpchar"), key("id", "bigint")],
            members: vec![Member {
                field: 0,
                column: "sealed".to_owned(),
                plain: Some(("e mail".to_owned(), false)),
                terms: vec![("term".to_owned(), 2)],
                subject: None,
                row: vec![1, 0],
            }],
        }
    }

    #[test]
    fn rows_are_read_from_key_to_key() {
        assert_eq!(
            target().read(100, Bounds { after: true, to: true }, Some(&[vec![1, 1, 0, 0, 0, 7]])),
            "SELECT s.* FROM (SELECT t.tenant::text AS k0, t.id::text AS k1, t.xmin::text AS version, t.sealed AS v0, \
             pg_catalog.convert_to(t.\"e mail\"::text, 'UTF8') AS p0, t.term AS t0_0, \
             coalesce(pg_catalog.sum(coalesce(pg_catalog.octet_length(t.sealed), 0) + \
             coalesce(pg_catalog.octet_length(pg_catalog.convert_to(t.\"e mail\"::text, 'UTF8')), 0)) \
             OVER (ORDER BY t.tenant, t.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before \
             FROM public.\"Customer\" AS t WHERE ROW(t.tenant, t.id) > ROW($1::text::bpchar, $2::text::bigint) \
             AND ROW(t.tenant, t.id) <= ROW($3::text::bpchar, $4::text::bigint) AND (pg_catalog.substr(t.sealed, 1, 6) <> '\\x010100000007'::bytea OR t.\"e mail\" IS NOT NULL OR \
             pg_catalog.substr(t.term, 1, 1) <> '\\x02'::bytea OR (t.term IS NULL) <> (t.sealed IS NULL)) \
             ORDER BY t.tenant, t.id LIMIT 100) AS s WHERE s.before <= 16777216"
        );
    }

    #[test]
    fn rows_are_written_by_key_and_version() {
        assert_eq!(
            target().write(),
            "UPDATE public.\"Customer\" AS t SET sealed = CASE WHEN n.w0 THEN n.v0 ELSE t.sealed END, \
             \"e mail\" = CASE WHEN n.w0 THEN NULL ELSE t.\"e mail\" END, term = CASE WHEN n.w0 THEN n.t0_0 ELSE t.term END \
             FROM (SELECT t.tenant AS i0, t.id AS i1, n.* \
             FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bytea[], $6::bytea[]) \
             WITH ORDINALITY AS n(k0, k1, version, w0, v0, t0_0, at) \
             JOIN public.\"Customer\" AS t ON t.tenant = n.k0::bpchar AND t.id = n.k1::bigint AND t.xmin = n.version::xid \
             FOR NO KEY UPDATE OF t SKIP LOCKED) AS n \
             WHERE t.tenant = n.i0 AND t.id = n.i1 RETURNING n.at;"
        );
    }
}
