//! Extended statistics.

use std::collections::BTreeMap;

use super::{
    error::Error,
    session::Session,
    tables::{Loaded, Tables},
};
use crate::ExtendedStatistics;

/// Reads what is declared, and the values as far as they are shown; the names of those without are returned.
pub(super) async fn read(session: &Session<'_>, tables: &mut Tables) -> Result<Vec<String>, Error> {
    let mut without_values = Vec::new();
    let rows = session.about("extended statistics", include_str!("../queries/extended.sql"), &tables.oids()).await?;
    for row in &rows {
        let Some(loaded) = tables.get_mut(row.get("relation")?) else { continue };
        let (schema, name): (&str, &str) = (row.get("schema")?, row.get("name")?);
        let extended = ExtendedStatistics {
            name: format!("{schema}.{name}"),
            columns: row.get("columns")?,
            n_distinct: row.get::<Option<&str>>("n_distinct")?.map_or(Vec::new(), |text| n_distinct(text, loaded)),
            dependencies: row
                .get::<Option<&str>>("dependencies")?
                .map_or(Vec::new(), |text| dependencies(text, loaded)),
        };
        if loaded.reltuples > 0.0 && !row.get::<bool>("has_values")? {
            without_values.push(extended.name.clone());
        }
        loaded.table.extended.push(extended);
    }
    Ok(without_values)
}

/// The text form of `pg_ndistinct`: `{"1, 2": 3}`, sets of column numbers with counts. Sets with an expression, which
/// have numbers below 0, are left out.
fn n_distinct(text: &str, table: &Loaded) -> Vec<(Vec<String>, f64)> {
    let sets: BTreeMap<String, f64> = serde_json::from_str(text).unwrap_or_default();
    let mut sets: Vec<_> = sets.iter().filter_map(|(set, count)| Some((numbers(set)?, *count))).collect();
    sets.sort_by(|one, two| one.0.cmp(&two.0));
    sets.into_iter().filter_map(|(set, count)| Some((names(&set, table)?, count))).collect()
}

/// The text form of `pg_dependencies`: `{"1, 2 => 3": 0.500000}`.
fn dependencies(text: &str, table: &Loaded) -> Vec<(Vec<String>, String, f64)> {
    let all: BTreeMap<String, f64> = serde_json::from_str(text).unwrap_or_default();
    let parsed = all.iter().filter_map(|(text, degree)| {
        let (from, to) = text.split_once("=>")?;
        Some((numbers(from)?, numbers(to)?, *degree))
    });
    let mut all: Vec<_> = parsed.collect();
    all.sort_by(|one, two| (&one.0, &one.1).cmp(&(&two.0, &two.1)));
    all.into_iter()
        .filter_map(|(from, to, degree)| Some((names(&from, table)?, names(&to, table)?.pop()?, degree)))
        .collect()
}

fn numbers(text: &str) -> Option<Vec<i16>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn names(numbers: &[i16], table: &Loaded) -> Option<Vec<String>> {
    numbers.iter().map(|number| Some(table.table.columns[table.column_of(*number)?].name.clone())).collect()
}
