//! Column statistics.

use super::{
    error::Error,
    indexes::Indexes,
    session::{Record, Session},
    tables::Tables,
};
use crate::{ColumnStatistics, CommonValue, Datum};

pub(super) async fn read(session: &Session<'_>, tables: &mut Tables, indexes: &mut Indexes) -> Result<(), Error> {
    let mut oids = tables.oids();
    oids.extend(indexes.oids());
    let rows = session.about("column statistics", include_str!("../queries/statistics.sql"), &oids).await?;
    for row in &rows {
        let (relation, attnum): (u32, i16) = (row.get("relation")?, row.get("attnum")?);
        if let Some(loaded) = tables.get_mut(relation) {
            if let Some(column) = loaded.column_of(attnum) {
                loaded.table.columns[column].statistics = Some(statistics(row)?);
            }
        } else if let Some(loaded) = indexes.get_mut(relation)
            && let Ok(number) = usize::try_from(attnum)
            && number > 0
        {
            // The columns of an index are numbered from 1, as its keys.
            loaded.index.expression_statistics.push((number - 1, statistics(row)?));
        }
    }
    Ok(())
}

fn statistics(row: &Record) -> Result<ColumnStatistics, Error> {
    Ok(ColumnStatistics {
        null_fraction: widen(row.get("null_fraction")?),
        average_width: f64::from(row.get::<i32>("average_width")?),
        n_distinct: widen(row.get("n_distinct")?),
        common: common(row, "common", "common_frequencies")?,
        histogram: row.get("histogram")?,
        correlation: row.get::<Option<f32>>("correlation")?.map(widen),
        common_elements: common(row, "elements", "element_frequencies")?,
    })
}

/// Values with their frequencies. Elements have a few frequencies more than values (the least, the most, and that of
/// null), which are left out.
fn common(row: &Record, values: &str, frequencies: &str) -> Result<Vec<CommonValue>, Error> {
    let values: Vec<String> = row.get(values)?;
    let frequencies: Vec<f32> = row.get::<Option<_>>(frequencies)?.unwrap_or_default();
    let each = values.into_iter().zip(frequencies);
    Ok(each.map(|(value, frequency)| CommonValue { value: Datum::Text(value), frequency: widen(frequency) }).collect())
}

/// The number that the shortest decimal of a `float4` stands for, so that 0.3 stays 0.3 and not 0.30000001192092896.
fn widen(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}
