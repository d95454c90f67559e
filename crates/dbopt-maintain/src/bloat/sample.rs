//! Reading a bounded part of a table.
//!
//! `TABLESAMPLE` does not say which pages it read when they are empty, and how full pages are is what is asked. So the pages are
//! chosen here, one by chance from each of as many equal stretches of the table, and read as ranges of `ctid`, which touches
//! no other page (<https://www.postgresql.org/docs/current/ddl-system-columns.html>).

use dbopt_pg::Session;

use super::ask::{Ask, Numbers};
use crate::facts::{ServerFacts, TableFacts};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// The pages that were read, …
    pub(super) pages: u32,
    /// … and how many there are.
    pub(super) of: u32,
    /// Live rows on them, with their places.
    pub(super) rows: Vec<(String, Numbers)>,
}

impl Sample {
    pub(super) fn is_whole(&self) -> bool {
        self.pages >= self.of
    }

    /// How many times as many rows the table has.
    pub(super) fn scale(&self) -> f64 {
        if self.pages == 0 { 1.0 } else { f64::from(self.of) / f64::from(self.pages) }
    }
}

/// Reads at most so many pages.
pub(super) async fn read(
    session: &Session,
    server: &ServerFacts,
    table: &TableFacts,
    ask: &Ask,
    most: u32,
) -> Result<Sample, dbopt_pg::Error> {
    let of = u32::try_from(table.bytes / u64::from(server.block_size.max(1))).unwrap_or(u32::MAX);
    let (numbers, relation) = (ask.sql(), &table.table);
    if of <= most {
        // Only pages that were there when they were counted.
        let sql = format!("SELECT t.ctid::text, {numbers} FROM ONLY {relation} AS t WHERE t.ctid < '({of},0)'::tid");
        return Ok(Sample { pages: of, of, rows: rows(session, &sql, &[]).await? });
    }
    let blocks = spread(most, of, table.table.oid);
    let pages = u32::try_from(blocks.len()).unwrap_or(most);
    let bounds = |add: u32| blocks.iter().map(|block| format!("({},0)", block + add)).collect::<Vec<_>>();
    // OFFSET keeps the sub-select whole: only there are its bounds known when the range is read. Before 14 no range of
    // places could be read but each place could.
    let pages_of = if server.version_num >= 140_000 {
        "t.ctid >= b.low AND t.ctid < b.high".to_owned()
    } else {
        "t.ctid = ANY (ARRAY(SELECT format('(%s,%s)', split_part(ltrim(b.low::text, '('), ',', 1), o)::tid \
         FROM generate_series(1, 291) AS o)) AND b.high IS NOT NULL"
            .to_owned()
    };
    let sql = format!(
        "SELECT s.at, s.numbers FROM unnest($1::text[]::tid[], $2::text[]::tid[]) AS b (low, high) CROSS JOIN LATERAL \
         (SELECT t.ctid::text AS at, {numbers} AS numbers FROM ONLY {relation} AS t WHERE {pages_of} OFFSET 0) AS s"
    );
    Ok(Sample { pages, of, rows: rows(session, &sql, &[&bounds(0), &bounds(1)]).await? })
}

/// Reads rows that satisfy a condition, at most so many.
pub(super) async fn matching(
    session: &Session,
    table: &TableFacts,
    ask: &Ask,
    condition: &str,
    most: u32,
) -> Result<Vec<(String, Numbers)>, dbopt_pg::Error> {
    let (numbers, relation) = (ask.sql(), &table.table);
    let sql = format!("SELECT t.ctid::text, {numbers} FROM ONLY {relation} AS t WHERE {condition} LIMIT {most}");
    rows(session, &sql, &[]).await
}

async fn rows(
    session: &Session,
    sql: &str,
    values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<(String, Numbers)>, dbopt_pg::Error> {
    let rows = session.query(sql, values).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| session.error(error))
}

/// One page of each of so many stretches, by chance, but the same ones each time.
fn spread(count: u32, of: u32, seed: u32) -> Vec<u32> {
    let mut state = u64::from(seed) | 1;
    let mut chance = || {
        // xorshift64* (Marsaglia 2003, Vigna 2016).
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let stretch = f64::from(of) / f64::from(count);
    (0..count).map(|at| ((f64::from(at) + chance()) * stretch) as u32).map(|block| block.min(of - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_has_a_page() {
        let blocks = spread(300, 10_000, 16_384);
        assert_eq!(blocks.len(), 300);
        for (at, block) in blocks.iter().enumerate() {
            let begin = at as f64 * 100.0 / 3.0;
            assert!((begin.floor()..begin + 34.0).contains(&f64::from(*block)), "{at}: {block}");
        }
        assert!(blocks.windows(2).any(|pair| pair[1] - pair[0] != blocks[1] - blocks[0]), "by chance");
    }
}
