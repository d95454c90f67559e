//! Query classes over the web shop, from a seed: what applications ask, in as many forms as there are columns.
//!
//! A template holds `{table.column@N}` where a value belongs: the column's N-th percentile, so that the values are real
//! ones and ranges have a known width.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::example::rng::Rng;
use crate::example::session::Session;

/// A table with the columns that queries compare, range over or test for NULL. Every one has an `id`.
struct Table {
    name: &'static str,
    equal: &'static [&'static str],
    range: &'static [&'static str],
    nullable: &'static [&'static str],
}

const TABLES: &[Table] = &[
    table("customers", &["email", "country", "name"], &["created_at", "last_seen_at"], &["deleted_at"]),
    table("addresses", &["customer_id", "postcode", "city"], &["postcode"], &[]),
    table("products", &["name", "price_cents"], &["price_cents", "created_at"], &[]),
    table(
        "orders",
        &["customer_id", "status", "coupon_code", "shipping_address_id"],
        &["created_at", "updated_at", "total_cents"],
        &["coupon_code"],
    ),
    table("order_items", &["order_id", "product_id", "quantity"], &["unit_price_cents"], &[]),
    table("payments", &["order_id", "provider", "provider_ref", "status"], &["created_at", "amount_cents"], &[]),
    table("shipments", &["order_id", "carrier", "tracking_number"], &["shipped_at"], &["delivered_at"]),
    table("reviews", &["product_id", "customer_id", "rating"], &["created_at"], &["title"]),
    table("carts", &["customer_id", "token"], &["updated_at"], &["checked_out_at"]),
    table("inventory_movements", &["product_id", "warehouse_id", "reason"], &["created_at"], &[]),
    table("sessions", &["customer_id"], &["started_at", "expires_at"], &[]),
    table("events", &["session_id", "customer_id", "kind"], &["occurred_at"], &["customer_id"]),
];

/// Child, its column, parent.
const JOINS: &[(&str, &str, &str)] = &[
    ("orders", "customer_id", "customers"),
    ("addresses", "customer_id", "customers"),
    ("carts", "customer_id", "customers"),
    ("reviews", "customer_id", "customers"),
    ("reviews", "product_id", "products"),
    ("order_items", "product_id", "products"),
    ("inventory_movements", "product_id", "products"),
    ("order_items", "order_id", "orders"),
    ("payments", "order_id", "orders"),
    ("shipments", "order_id", "orders"),
];

const fn table(
    name: &'static str,
    equal: &'static [&'static str],
    range: &'static [&'static str],
    nullable: &'static [&'static str],
) -> Table {
    Table { name, equal, range, nullable }
}

/// This many different templates.
pub(super) fn templates(seed: u64, count: usize) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let (mut shapes, mut templates) = (BTreeSet::new(), Vec::new());
    // The forms give several thousand shapes; the bound is for those who ask for more.
    for _ in 0..count * 200 {
        if templates.len() == count {
            break;
        }
        let template = template(&mut rng);
        if shapes.insert(without_percentiles(&template)) {
            templates.push(template);
        }
    }
    templates
}

fn template(rng: &mut Rng) -> String {
    let table = &TABLES[rng.below(TABLES.len() as u64) as usize];
    let t = table.name;
    match rng.below(18) {
        0 | 1 => format!("SELECT * FROM {t} WHERE {}", equal(rng, table)),
        2 => format!("SELECT id FROM {t} WHERE {} AND {}", equal(rng, table), equal(rng, table)),
        3 => format!("SELECT id FROM {t} WHERE {} AND {}", equal(rng, table), range(rng, table)),
        4 => format!("SELECT * FROM {t} WHERE {}", range(rng, table)),
        5 => {
            let order = rng.pick(table.range);
            format!("SELECT * FROM {t} WHERE {} ORDER BY {order} DESC LIMIT 10", equal(rng, table))
        }
        6 => format!("SELECT * FROM {t} ORDER BY {} DESC LIMIT 20", rng.pick(table.range)),
        7 => {
            let column = rng.pick(table.equal);
            let values: Vec<String> =
                (0..2 + rng.below(4)).map(|_| format!("{{{t}.{column}@{}}}", rng.below(100))).collect();
            format!("SELECT * FROM {t} WHERE {column} IN ({})", values.join(", "))
        }
        8 => format!("SELECT count(*) FROM {t} WHERE {}", equal(rng, table)),
        9 => {
            let column = rng.pick(table.equal);
            format!("SELECT {column}, count(*) FROM {t} WHERE {} GROUP BY {column}", range(rng, table))
        }
        10 => match table.nullable {
            [] => format!("SELECT max({}) FROM {t}", rng.pick(table.range)),
            nullable => {
                let null = rng.pick(nullable);
                // Not the same column: nothing is NULL and equal to a value.
                let other: Vec<&str> = table.equal.iter().copied().filter(|column| *column != null).collect();
                let column = rng.pick(&other);
                format!("SELECT id FROM {t} WHERE {null} IS NULL AND {column} = {{{t}.{column}@{}}}", rng.below(100))
            }
        },
        11 => format!("SELECT min({}) FROM {t} WHERE {}", rng.pick(table.range), equal(rng, table)),
        12 => format!("UPDATE {t} SET {0} = {0} WHERE {1}", table.range[0], equal(rng, table)),
        13 => {
            let (child, parent, on) = join(rng);
            format!(
                "SELECT p.* FROM {} c JOIN {} p ON {on} WHERE {}",
                child.name,
                parent.name,
                of("c", &equal(rng, child))
            )
        }
        14 => {
            let (child, parent, on) = join(rng);
            format!(
                "SELECT c.* FROM {} c JOIN {} p ON {on} WHERE {}",
                child.name,
                parent.name,
                of("p", &equal(rng, parent))
            )
        }
        15 => {
            let (child, parent, on) = join(rng);
            format!(
                "SELECT c.id, p.id FROM {} c JOIN {} p ON {on} WHERE {} AND {}",
                child.name,
                parent.name,
                of("c", &equal(rng, child)),
                of("p", &range(rng, parent))
            )
        }
        16 => {
            let (child, parent, on) = join(rng);
            format!(
                "SELECT p.id FROM {} p WHERE {} AND EXISTS (SELECT 1 FROM {} c WHERE {on} AND {})",
                parent.name,
                of("p", &range(rng, parent)),
                child.name,
                of("c", &equal(rng, child))
            )
        }
        _ => match rng.below(4) {
            0 => "SELECT * FROM customers WHERE lower(email) = lower({customers.email@40})".to_owned(),
            1 => format!("SELECT id FROM products WHERE attributes ->> 'brand' = 'brand-{}'", 1 + rng.below(100)),
            2 => format!("SELECT id FROM {t} WHERE {} OFFSET 5 LIMIT 5", equal(rng, table)),
            _ => format!("DELETE FROM {t} WHERE {}", range(rng, table)),
        },
    }
}

fn equal(rng: &mut Rng, table: &Table) -> String {
    let column = rng.pick(table.equal);
    format!("{column} = {{{}.{column}@{}}}", table.name, rng.below(100))
}

/// One to five percent of the rows, or open to one side.
fn range(rng: &mut Rng, table: &Table) -> String {
    let (t, column) = (table.name, rng.pick(table.range));
    let from = rng.below(94);
    match rng.below(3) {
        0 => format!("{column} >= {{{t}.{column}@{}}}", 95 + rng.below(4)),
        1 => format!("{column} BETWEEN {{{t}.{column}@{from}}} AND {{{t}.{column}@{}}}", from + 1 + rng.below(4)),
        _ => format!("{column} >= {{{t}.{column}@{from}}} AND {column} < {{{t}.{column}@{}}}", from + 1 + rng.below(4)),
    }
}

/// A condition with its columns qualified; the column stands where a condition or its second half begins.
fn of(alias: &str, condition: &str) -> String {
    let qualified = condition.replace(" AND {", "\u{0}").replace(" AND ", &format!(" AND {alias}."));
    format!("{alias}.{}", qualified.replace('\u{0}', " AND {"))
}

fn join(rng: &mut Rng) -> (&'static Table, &'static Table, String) {
    let (child, column, parent) = JOINS[rng.below(JOINS.len() as u64) as usize];
    let find = |name: &str| TABLES.iter().find(|table| table.name == name).unwrap_or(&TABLES[0]);
    (find(child), find(parent), format!("c.{column} = p.id"))
}

/// What makes two templates the same class: all but the values.
fn without_percentiles(template: &str) -> String {
    let mut shape: String = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        shape.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    // Lists of any length are one class.
    let mut shape = shape + rest;
    if let Some((before, _)) = shape.split_once(" IN (") {
        shape = before.to_owned();
    }
    shape
}

/// The percentiles of columns, looked up once each.
#[derive(Debug, Default)]
pub(super) struct Values {
    of: BTreeMap<String, Vec<Option<String>>>,
}

impl Values {
    /// The template with values in their places.
    pub(super) async fn fill_in(&mut self, session: &Session, template: &str) -> Result<String> {
        let mut sql = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').context("an open brace is closed")?;
            let (column, percentile) = place.split_once('@').context("a place names a percentile")?;
            let percentile: usize = percentile.parse()?;
            if !self.of.contains_key(column) {
                self.of.insert(column.to_owned(), percentiles(session, column).await?);
            }
            let value = self.of.get(column).and_then(|values| values.get(percentile)).cloned().flatten();
            let value = value.with_context(|| format!("{column} has no values"))?;
            sql.push_str(before);
            match value.parse::<i64>() {
                Ok(_) if !column.ends_with("postcode") => sql.push_str(&value),
                _ => sql.push_str(&format!("'{}'", value.replace('\'', "''"))),
            }
            rest = after;
        }
        Ok(sql + rest)
    }
}

/// The values at 0 %, 1 % … 100 %, in the column's order; NULLs are left out.
async fn percentiles(session: &Session, column: &str) -> Result<Vec<Option<String>>> {
    let (table, column) = column.split_once('.').context("a place names table and column")?;
    let sql = format!(
        "SELECT v::text FROM unnest((SELECT percentile_disc(ARRAY(SELECT p / 100.0::float8 FROM generate_series(0, 100) p)) WITHIN GROUP (ORDER BY {column}) FROM {table})) v"
    );
    Ok(session.script(&sql).await?.into_iter().map(|mut row| row.pop().flatten()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_many_different_and_repeatable() {
        let all = templates(1, 250);
        assert_eq!(all.len(), 250);
        assert_eq!(all, templates(1, 250));
        let shapes: BTreeSet<String> = all.iter().map(|template| without_percentiles(template)).collect();
        assert_eq!(shapes.len(), 250);
    }

    #[test]
    fn shapes_have_no_values() {
        assert_eq!(without_percentiles("a = {t.a@12} AND b < {t.b@3}"), "a = {t.a} AND b < {t.b}");
        assert_eq!(without_percentiles("x WHERE a IN ({t.a@1}, {t.a@2})"), "x WHERE a");
    }

    #[test]
    fn conditions_are_qualified_column_by_column() {
        assert_eq!(of("p", "a >= {t.a@1} AND a < {t.a@2}"), "p.a >= {t.a@1} AND p.a < {t.a@2}");
        assert_eq!(of("p", "a BETWEEN {t.a@1} AND {t.a@2}"), "p.a BETWEEN {t.a@1} AND {t.a@2}");
    }
}
