//! How often keys repeat.
//!
//! A sample shows many keys once that are in the table a dozen times, so the number of different keys cannot be had from it.
//! But of a row that is chosen by chance its key can be looked up, and if it is in g rows, the row stands for 1/g of a key:
//! the mean of that is the number of different keys by rows, without bias.

use std::collections::BTreeMap;

use dbopt_pg::Session;

use super::ask::{Ask, IndexAsk, Numbers};
use super::btree::Group;
use crate::facts::TableFacts;

/// Beyond so many rows a key's rows are not counted: its lists are as dense as they get, …
const MOST: u32 = 300;
/// … and it counts as one of so many, because full lists leave more of a page unused than those that end a group.
const LARGE: u32 = 3000;

/// The groups of equal keys of rows that are all there are.
pub(super) fn counted(ask: &IndexAsk<'_>, rows: &[&Numbers]) -> Vec<Group> {
    let mut groups: BTreeMap<(Option<i64>, usize), (u32, u32)> = BTreeMap::new();
    for (at, numbers) in rows.iter().enumerate() {
        let hash = ask.hash(numbers);
        // Without a hash each is its own.
        let key = (hash, if hash.is_some() { 0 } else { at });
        groups.entry(key).or_insert((ask.entry(numbers), 0)).1 += 1;
    }
    classes(groups.into_values().map(|(bytes, rows)| (bytes, rows, 1.0)))
}

/// The groups of equal keys as a few of the rows, chosen evenly, have them.
pub(super) async fn looked_up(
    session: &Session,
    table: &TableFacts,
    ask: &Ask,
    index: &IndexAsk<'_>,
    rows: &[&(String, Numbers)],
    most: u32,
) -> Result<Vec<Group>, dbopt_pg::Error> {
    let step = rows.len().div_ceil(most.max(1) as usize).max(1);
    let mut shapes: BTreeMap<Vec<bool>, Vec<&(String, Numbers)>> = BTreeMap::new();
    for row in rows.iter().skip(step / 2).step_by(step) {
        shapes.entry(index.nulls(&row.1)).or_default().push(row);
    }
    let mut found = Vec::new();
    for (nulls, rows) in shapes {
        let places: Vec<&str> = rows.iter().map(|(place, _)| place.as_str()).collect();
        let counts = session.query(&sql(table, ask, index, &nulls), &[&places]).await?;
        let counts: BTreeMap<&str, i64> = counts.iter().map(|row| (row.get(0), row.get(1))).collect();
        for (place, numbers) in rows {
            // A row that has gone since was there once.
            let count = counts.get(place.as_str()).copied().unwrap_or(1).clamp(1, i64::from(MOST)) as u32;
            let count = if count == MOST { LARGE } else { count };
            found.push((index.entry(numbers), count, 1.0 / f64::from(count)));
        }
    }
    Ok(classes(found.into_iter()))
}

/// Counts the rows that have the same key as those in the given places, where the given keys are null.
fn sql(table: &TableFacts, ask: &Ask, index: &IndexAsk<'_>, nulls: &[bool]) -> String {
    let mut keys = Vec::new();
    let mut conditions = Vec::new();
    for (at, key) in index.facts.keys.iter().enumerate() {
        let text = ask.key_text(key).unwrap_or_else(|| "NULL".to_owned());
        if nulls.get(at).copied().unwrap_or(false) {
            conditions.push(format!("{text} IS NULL"));
        } else {
            keys.push(format!("{text} AS k{at}"));
            conditions.push(format!("{text} = s.k{at}"));
        }
    }
    conditions.extend(index.facts.predicate.clone());
    let relation = &table.table;
    format!(
        "SELECT s.at, (SELECT count(*) FROM (SELECT FROM ONLY {relation} AS t WHERE {} LIMIT {MOST}) AS same) \
         FROM (SELECT t.ctid::text AS at{} FROM ONLY {relation} AS t WHERE t.ctid = ANY ($1::text[]::tid[]) OFFSET 0) AS s",
        conditions.join(" AND "),
        keys.iter().map(|key| format!(", {key}")).collect::<String>(),
    )
}

/// Groups of the same kind together.
fn classes(groups: impl Iterator<Item = (u32, u32, f64)>) -> Vec<Group> {
    let mut classes: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (bytes, rows, weight) in groups {
        *classes.entry((bytes, rows)).or_default() += weight;
    }
    classes.into_iter().map(|((bytes, rows), weight)| Group { bytes, rows, weight }).collect()
}
