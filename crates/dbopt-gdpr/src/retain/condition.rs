//! Conditions in SQL by which rows stay.

use dbopt_sql::{quote_ident, quote_literal};
use jiff::{Timestamp, tz::TimeZone};
use tokio_postgres::{Transaction, types::Type};

use super::{Exemption, TABLE};
use crate::{
    graph::{Identity, Node},
    policy::{ColumnErase, GdprPolicy, HoldSource, Keep, RowErase, TableRule},
    walk::{Error, failed},
};

/// Foreign keys that refer to a table or a part of it, each with the operators by which it compares
/// (<https://www.postgresql.org/docs/current/catalog-pg-constraint.html>). Those of parts that come from the whole are left out.
const REFERENCES: &str = "
    WITH whole AS (
        SELECT $1::text::pg_catalog.regclass::oid AS oid
        UNION SELECT t.relid::oid FROM pg_catalog.pg_partition_tree($1::text::pg_catalog.regclass) t)
    SELECT n.nspname::text, c.relname::text, k.conrelid IN (SELECT oid FROM whole),
           ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u (number, at)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.at),
           ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u (number, at)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.at),
           ARRAY(SELECT 'OPERATOR(' || pg_catalog.quote_ident(s.nspname) || '.' || o.oprname || ')'
                 FROM pg_catalog.unnest(k.conpfeqop) WITH ORDINALITY u (number, at)
                 JOIN pg_catalog.pg_operator o ON o.oid = u.number
                 JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace ORDER BY u.at)
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT oid FROM whole)
    ORDER BY 1, 2, k.conname";

/// The identities of a table and its parts.
const PARTS: &str = "
    SELECT $1::text::pg_catalog.regclass::oid::text
    UNION SELECT t.relid::oid::text FROM pg_catalog.pg_partition_tree($1::text::pg_catalog.regclass) t ORDER BY 1";

/// The reasons for which rows of a table stay.
pub(super) async fn exemptions(
    transaction: &Transaction<'_>,
    node: &Node,
    rule: &TableRule,
    policy: &GdprPolicy,
    as_of: Timestamp,
) -> Result<Vec<Exemption>, Error> {
    let mut all = held(transaction, node, policy).await?;
    if let RowErase::Keep(keep) = &rule.erase {
        all.extend(kept(keep, as_of, None));
    }
    for (name, column) in &rule.columns {
        if let ColumnErase::Keep(keep) = &column.erase {
            all.extend(kept(keep, as_of, Some(name)));
        }
    }
    all.extend(referred(transaction, node).await?);
    Ok(all)
}

/// Rows that are held, or a field of which is.
async fn held(transaction: &Transaction<'_>, node: &Node, policy: &GdprPolicy) -> Result<Vec<Exemption>, Error> {
    let Identity::Key(columns) = &node.identity else { return Ok(Vec::new()) };
    let asked = || format!("the parts of `{}`", node.table);
    let rows = transaction.query_typed(PARTS, &[(&node.table.to_string(), Type::TEXT)]).await;
    let parts: Vec<String> =
        rows.map_err(|error| failed(asked(), &error))?.iter().map(|row| row.get::<_, String>(0)).collect();
    let key: Vec<String> =
        columns.iter().map(|column| format!("{TABLE}.{}::text", quote_ident(&column.name))).collect();
    let mut all = Vec::new();
    for rule in &policy.holds {
        // Those of files are refused before.
        let HoldSource::Table { table, relation, row, until, .. } = &rule.source else { continue };
        let (relation, row) = (quote_ident(relation), quote_ident(row));
        let until = until.as_ref().map_or_else(String::new, |until| {
            let until = quote_ident(until);
            format!(" AND (h.{until} IS NULL OR h.{until}::timestamptz > pg_catalog.now())")
        });
        // One comparison, so that the server can hash it; a key of one column is a text, or an array of it like the others.
        let condition = format!(
            "EXISTS (SELECT FROM {table} AS h WHERE pg_catalog.to_regclass(h.{relation}::text)::oid IN ({}) AND \
             CASE WHEN h.{row}::text ~ '^\\s*\\[' THEN h.{row}::text::jsonb ELSE pg_catalog.jsonb_build_array(h.{row}::text) END \
             = pg_catalog.jsonb_build_array({}){until})",
            parts.join(", "),
            key.join(", ")
        );
        all.push(Exemption { why: format!("`{}` holds", rule.name), condition });
    }
    Ok(all)
}

/// Rows that the law wants kept, or a field of which it does that is not NULL.
fn kept(keep: &Keep, as_of: Timestamp, column: Option<&str>) -> Vec<Exemption> {
    let what =
        column.map_or_else(|| "are to be kept".to_owned(), |name| format!("have `{}` to be kept", quote_ident(name)));
    let field = column.map_or_else(String::new, |name| format!("{TABLE}.{} IS NOT NULL AND ", quote_ident(name)));
    let mut all = Vec::new();
    if let Some((from, length)) = &keep.after {
        let why = format!("{what} for {length} after `{}` ({})", quote_ident(from), keep.basis);
        let interval = quote_literal(&format!("{} milliseconds", length.get().as_millis()));
        // A row without a time stays: nobody knows that it may go.
        let is_still = format!(
            "({TABLE}.{}::timestamptz + {interval}::interval > pg_catalog.now()) IS NOT FALSE",
            quote_ident(from)
        );
        all.push(Exemption { why, condition: format!("{field}{is_still}") });
    }
    if let Some(until) = keep.until.filter(|until| *until >= as_of.to_zoned(TimeZone::UTC).date()) {
        all.push(Exemption {
            why: format!("{what} until {until} ({})", keep.basis),
            condition: format!("{field}true"),
        });
    }
    all
}

/// Rows that others refer to by a foreign key; a row that refers to itself does not keep itself.
async fn referred(transaction: &Transaction<'_>, node: &Node) -> Result<Vec<Exemption>, Error> {
    let rows = transaction.query_typed(REFERENCES, &[(&node.table.to_string(), Type::TEXT)]).await;
    let rows = rows.map_err(|error| failed(format!("what refers to `{}`", node.table), &error))?;
    let one = |row: &tokio_postgres::Row| {
        let (schema, table, is_own): (&str, &str, bool) = (row.get(0), row.get(1), row.get(2));
        let (from, to, by): (Vec<&str>, Vec<&str>, Vec<&str>) = (row.get(3), row.get(4), row.get(5));
        let child = format!("{}.{}", quote_ident(schema), quote_ident(table));
        let pairs = from.iter().zip(&to).zip(&by);
        let mut tests: Vec<String> =
            pairs.map(|((from, to), by)| format!("{TABLE}.{} {by} r.{}", quote_ident(to), quote_ident(from))).collect();
        if is_own {
            tests.push(format!("NOT (r.tableoid = {TABLE}.tableoid AND r.ctid = {TABLE}.ctid)"));
        }
        let names: Vec<String> = from.iter().map(|name| quote_ident(name).to_string()).collect();
        Exemption {
            why: format!("`{child}` refers to by `{}`", names.join(", ")),
            condition: format!("EXISTS (SELECT FROM {child} AS r WHERE {})", tests.join(" AND ")),
        }
    };
    Ok(rows.iter().map(one).collect())
}
