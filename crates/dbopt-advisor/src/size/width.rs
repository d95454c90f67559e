//! How wide is a key within an index tuple?
//!
//! `index_form_tuple` stores fixed types at their alignment and short variable ones unaligned behind a one-byte header.
//! Tuples are rounded up to eight bytes, so that the mean of the rounded sizes is not the rounded mean; the histogram's
//! bounds are a sample of the values and show the spread.

use dbopt_catalog::{Column, ColumnStatistics, Index, KeyPart, Table, TypeName};

use super::max_align;

/// One column of an index, as far as widths go.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// Its type, when it is a column.
    pub(super) kind: Option<&'a TypeName>,
    /// Its statistics, when there are some.
    pub(super) statistics: Option<&'a ColumnStatistics>,
    /// Whether it is declared to have no nulls.
    pub(super) not_null: bool,
    /// Whether values that compare as equal may differ in their bytes by collation.
    pub(super) collation: Option<&'a str>,
}

/// The key columns of an index.
pub(super) fn keys<'a>(table: &'a Table, index: &'a Index) -> Vec<Part<'a>> {
    let key = |(position, key): (usize, &'a dbopt_catalog::IndexKey)| match &key.part {
        KeyPart::Column(name) => {
            let mut part = column(table, name);
            part.collation = key.collation.as_deref().or(part.collation);
            part
        }
        KeyPart::Expression(_) => Part {
            kind: None,
            statistics: index.expression_statistics.iter().find(|(at, _)| *at == position).map(|(_, found)| found),
            not_null: false,
            collation: key.collation.as_deref(),
        },
    };
    index.keys.iter().enumerate().map(key).collect()
}

/// The `INCLUDE` columns of an index.
pub(super) fn included<'a>(table: &'a Table, index: &'a Index) -> Vec<Part<'a>> {
    index.include.iter().map(|name| column(table, name)).collect()
}

fn column<'a>(table: &'a Table, name: &str) -> Part<'a> {
    let column = table.column(name).map(|id| &table.columns[id.0]);
    Part {
        kind: column.map(|column| &column.kind),
        statistics: column.and_then(|column| column.statistics.as_ref()),
        not_null: column.is_some_and(|column| column.not_null),
        collation: column.and_then(|column| column.collation.as_deref()),
    }
}

/// Average stored width of a column in bytes (`get_attavgwidth` and `get_typavgwidth` in `lsyscache.c`).
pub(crate) fn average(column: &Column) -> f64 {
    match &column.statistics {
        Some(statistics) if statistics.average_width > 0.0 && column.kind.length <= 0 => statistics.average_width,
        _ => type_width(&column.kind),
    }
}

/// Width of a type's values when nothing is known of them.
pub(super) fn type_width(kind: &TypeName) -> f64 {
    if kind.length > 0 {
        return f64::from(kind.length);
    }
    let limit: Option<f64> = kind.modifier.trim_matches(['(', ')']).parse().ok();
    match (limit, kind.base.as_deref().unwrap_or(&kind.name)) {
        // bpchar is filled up to its limit; varchar is taken to be half full, or less when it is long.
        (Some(limit), "character") => limit + 4.0,
        (Some(limit), "character varying") if limit <= 32.0 => limit + 4.0,
        (Some(limit), "character varying") if limit < 1000.0 => 32.0 + (limit - 32.0) * 0.5,
        (Some(_), "character varying") => 516.0,
        _ => 32.0,
    }
}

impl Part<'_> {
    /// Average stored width in bytes of the values that are not null.
    pub(super) fn width(&self) -> f64 {
        match (self.kind, self.statistics) {
            (Some(kind), _) if kind.length > 0 => f64::from(kind.length),
            (_, Some(statistics)) if statistics.average_width > 0.0 => statistics.average_width,
            (Some(kind), _) => type_width(kind),
            (None, _) => 32.0,
        }
    }

    /// Alignment in bytes; short variable-length values have none.
    fn align(&self) -> f64 {
        match self.kind {
            Some(kind) if kind.length > 0 => f64::from(kind.align.max(1)),
            _ if self.width() > 127.0 => 4.0,
            _ => 1.0,
        }
    }

    fn is_fixed(&self) -> bool {
        self.kind.is_some_and(|kind| kind.length > 0)
    }

    /// Share of nulls, 0 to 1.
    pub(super) fn null_fraction(&self) -> f64 {
        match self.statistics {
            Some(statistics) if !self.not_null => statistics.null_fraction.clamp(0.0, 1.0),
            _ => 0.0,
        }
    }

    /// Stored widths of a sample of the values, scaled to their average; empty when nothing is known.
    fn sample(&self) -> Vec<f64> {
        let Some(statistics) = self.statistics else { return Vec::new() };
        let name = self.kind.map_or("text", |kind| kind.base.as_deref().unwrap_or(&kind.name));
        let common = statistics.common.iter().filter_map(|common| match &common.value {
            dbopt_catalog::Datum::Text(text) => Some(text),
            dbopt_catalog::Datum::Hashed(_) => None,
        });
        let widths = |values: &mut dyn Iterator<Item = &String>| -> Option<Vec<f64>> {
            values.map(|text| stored_width(name, text)).collect()
        };
        let sample = match statistics.histogram.as_slice() {
            [] => widths(&mut common.into_iter()),
            bounds => widths(&mut bounds.iter()),
        };
        let sample = sample.unwrap_or_default();
        let mean = sample.iter().sum::<f64>() / sample.len().max(1) as f64;
        if mean <= 0.0 {
            return Vec::new();
        }
        // A sample that is off by the rounding of the average only is taken as it is.
        let scale = if (mean - self.width()).abs() < 0.75 { 1.0 } else { self.width() / mean };
        sample.into_iter().map(|width| width * scale).collect()
    }
}

/// Bytes of an index tuple with these columns, null ones left out by the caller; `nulls` says whether there are any.
pub(super) fn tuple(parts: &[&Part<'_>], nulls: bool) -> f64 {
    // IndexTupleData, and the null bitmap of 32 columns when there are nulls.
    let header = if nulls { 16.0 } else { 8.0 };
    let place = |vary: &dyn Fn(&Part<'_>) -> f64| {
        parts.iter().fold(header, |at, part| {
            let align = part.align();
            (at / align).ceil() * align + vary(part)
        })
    };
    let mut varying = parts.iter().filter(|part| !part.is_fixed());
    let Some(first) = varying.next() else { return max_align(place(&|part| part.width())) };
    if varying.next().is_none() {
        let sample = first.sample();
        if !sample.is_empty() {
            let total: f64 = sample
                .iter()
                .map(|width| max_align(place(&|part| if part.is_fixed() { part.width() } else { width.round() })))
                .sum();
            return total / sample.len() as f64;
        }
    }
    // Several varying widths: the rounded-off part is anything from 0 to 7.
    place(&|part| part.width()) + 3.5
}

/// Bytes that a value takes, its header included, by its text form; `None` when the text form does not tell.
fn stored_width(kind: &str, text: &str) -> Option<f64> {
    let header = |bytes: f64| bytes + if bytes < 127.0 { 1.0 } else { 4.0 };
    match kind {
        "text" | "character varying" | "character" | "citext" => Some(header(text.len() as f64)),
        "numeric" => {
            let digits = text.trim_start_matches(['-', '+']);
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
            // Groups of four decimal digits, counted from the point; trailing zero groups are not stored.
            let mut groups = whole.len().div_ceil(4) + fraction.len().div_ceil(4);
            if fraction.is_empty() {
                groups -= (whole.len() - whole.trim_end_matches('0').len()) / 4;
            }
            if whole.is_empty() {
                groups -= (fraction.len() - fraction.trim_start_matches('0').len()) / 4;
            }
            Some(header(2.0 + 2.0 * groups as f64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_store_groups_of_four_digits() {
        let widths =
            ["0", "7", "12345", "10000", "0.5", "1234.5678", "0.00001"].map(|text| stored_width("numeric", text));
        assert_eq!(widths, [3.0, 5.0, 7.0, 5.0, 5.0, 7.0, 5.0].map(Some));
    }

    #[test]
    fn fixed_columns_are_aligned() {
        let kind = |length, align| TypeName { length, align, ..TypeName::default() };
        let (int, big) = (kind(4, 4), kind(8, 8));
        let part = |kind| Part { kind: Some(kind), statistics: None, not_null: true, collation: None };
        assert_eq!(tuple(&[&part(&int)], false), 16.0);
        assert_eq!(tuple(&[&part(&int), &part(&int)], false), 16.0);
        assert_eq!(tuple(&[&part(&int), &part(&big)], false), 24.0);
        assert_eq!(tuple(&[&part(&int)], true), 24.0);
        assert_eq!(tuple(&[], true), 16.0);
    }
}
