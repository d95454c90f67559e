//! `pg_stat_statements`: rows of a live session, or a CSV file with a header.
//!
//! Column names changed over time: `total_time` (to 12) is `total_exec_time` now, and so on; `plan` times exist from 13
//! on. Texts are already normalised; constants are `$n`.

use dbopt_finding::{Finding, Place};

use crate::builder::Builder;
use crate::error::Error;
use crate::input::Blocks;
use crate::model::{InputCoverage, QueryClass, Workload};
use crate::options::ReadOptions;
use crate::{read, sql};

/// The largest file that is read.
const LARGEST: usize = 256 << 20;

/// One row of `pg_stat_statements`, with the names of user and database resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatementRow {
    /// `query`.
    pub query: String,
    /// `calls`.
    pub calls: u64,
    /// `total_exec_time` (`total_time` before 13), in milliseconds.
    pub total_ms: f64,
    /// `total_plan_time`, in milliseconds.
    pub plan_ms: f64,
    /// `min_exec_time`, in milliseconds.
    pub min_ms: f64,
    /// `max_exec_time`, in milliseconds.
    pub max_ms: f64,
    /// `stddev_exec_time`, in milliseconds.
    pub stddev_ms: f64,
    /// `rows`.
    pub rows: u64,
    /// `temp_blks_written` in bytes.
    pub temp_bytes: u64,
    /// The user, when it is known.
    pub user: Option<String>,
    /// The database, when it is known.
    pub database: Option<String>,
    /// `toplevel` (14 and later); false for statements inside functions.
    pub nested: bool,
}

impl Workload {
    /// The workload of `pg_stat_statements` rows. Rows without a text (`<insufficient privilege>`) are left out and
    /// reported.
    #[must_use]
    pub fn from_statement_rows(
        name: &str,
        rows: impl IntoIterator<Item = StatementRow>,
        options: &ReadOptions,
    ) -> Self {
        let mut builder = Builder::new(options.memory_cap);
        let mut covered = InputCoverage::new(name);
        covered.format = Some(crate::Format::PgStatStatements);
        for row in rows {
            add(row, &mut builder, &mut covered, options);
        }
        let findings = hidden(&covered);
        let mut workload = builder.finish();
        workload.findings = findings.into_iter().collect();
        workload.coverage.inputs.push(covered);
        workload
    }
}

const HIDDEN: &str = "with a hidden text";

fn add(row: StatementRow, builder: &mut Builder, covered: &mut InputCoverage, options: &ReadOptions) {
    covered.records += 1;
    if row.query == "<insufficient privilege>" || row.query.is_empty() {
        covered.skip(HIDDEN, 1, None);
        return;
    }
    covered.recognised += 1;
    covered.with_duration += 1;
    if let Some(database) = &row.database
        && !options.databases.is_empty()
        && !options.databases.contains(database)
    {
        return;
    }
    let mut class =
        QueryClass::new(sql::fingerprint(row.query.as_bytes()), sql::normalize(&row.query), sql::kind(&row.query));
    class.sources.pg_stat_statements = true;
    let total = nanoseconds(row.total_ms);
    if row.nested {
        class.nested_calls = row.calls;
        class.nested_ns = total;
    } else {
        class.calls = row.calls;
        class.time.add_summary(row.calls, total, nanoseconds(row.min_ms), nanoseconds(row.max_ms), row.stddev_ms * 1e6);
        class.bind_ns = nanoseconds(row.plan_ms);
    }
    class.rows = Some(row.rows);
    class.temp_bytes = row.temp_bytes;
    for (name, set) in [(&row.user, &mut class.users), (&row.database, &mut class.databases)] {
        if let Some(name) = name.as_deref().and_then(|name| builder.intern(name)) {
            set.insert(&name);
        }
    }
    builder.add(class);
}

fn nanoseconds(ms: f64) -> u64 {
    if ms.is_finite() && ms > 0.0 { (ms * 1e6).round() as u64 } else { 0 }
}

fn hidden(covered: &InputCoverage) -> Option<Finding> {
    let skipped = covered.skipped.iter().find(|skipped| skipped.why == HIDDEN)?;
    let message = format!("the text of {} statements is hidden", skipped.count);
    let help = "Grant the role pg_read_all_stats to see the statements of other users.";
    Some(Finding::warning("statements-hidden", message).at(Place::file(&covered.name)).help(help))
}

/// Reads a CSV file with a header, as `COPY (SELECT …) TO … CSV HEADER` writes it.
pub(crate) fn read_csv(
    blocks: &mut Blocks,
    builder: &mut Builder,
    covered: &mut InputCoverage,
    options: &ReadOptions,
) -> Result<Vec<Finding>, Error> {
    let name = covered.name.clone();
    let text = read::whole(blocks, LARGEST).map_err(|source| Error::Read { name: name.clone(), source })?;
    covered.bytes = text.len() as u64;
    covered.lines = memchr::memchr_iter(b'\n', &text).count() as u64;
    let unusable = |line: u64, message: String, help: &str| {
        Error::Unusable(Box::new(
            Finding::error("statements-unusable", message).at(Place::at(&name, line, 1)).help(help),
        ))
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
    let help = "Export with `COPY (SELECT s.*, d.datname, u.rolname …) TO STDOUT (FORMAT csv, HEADER)`.";
    let header = reader.byte_headers().map_err(|error| unusable(1, error.to_string(), help))?.clone();
    let column = |names: &[&str]| header.iter().position(|held| names.iter().any(|name| held == name.as_bytes()));
    let columns = Columns {
        query: column(&["query"]).ok_or_else(|| unusable(1, "the column `query` is missing".to_owned(), help))?,
        calls: column(&["calls"]).ok_or_else(|| unusable(1, "the column `calls` is missing".to_owned(), help))?,
        total: column(&["total_exec_time", "total_time"])
            .ok_or_else(|| unusable(1, "the column `total_exec_time` is missing".to_owned(), help))?,
        plan: column(&["total_plan_time"]),
        min: column(&["min_exec_time", "min_time"]),
        max: column(&["max_exec_time", "max_time"]),
        stddev: column(&["stddev_exec_time", "stddev_time"]),
        rows: column(&["rows"]),
        temp: column(&["temp_blks_written"]),
        user: column(&["rolname", "usename", "username"]),
        database: column(&["datname", "database"]),
        toplevel: column(&["toplevel"]),
    };
    let mut record = csv::ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => match columns.row(&record) {
                Some(row) => add(row, builder, covered, options),
                None => {
                    covered.records += 1;
                    covered.skip(crate::record::BROKEN, 1, Some(Place::at(&name, line, 1)));
                }
            },
            Err(_) => {
                covered.records += 1;
                covered.skip(crate::record::BROKEN, 1, Some(Place::at(&name, line, 1)));
                if reader.is_done() {
                    break;
                }
            }
        }
    }
    Ok(hidden(covered).into_iter().collect())
}

struct Columns {
    query: usize,
    calls: usize,
    total: usize,
    plan: Option<usize>,
    min: Option<usize>,
    max: Option<usize>,
    stddev: Option<usize>,
    rows: Option<usize>,
    temp: Option<usize>,
    user: Option<usize>,
    database: Option<usize>,
    toplevel: Option<usize>,
}

impl Columns {
    fn row(&self, record: &csv::ByteRecord) -> Option<StatementRow> {
        let text = |at: usize| record.get(at).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let number = |at: Option<usize>| at.and_then(text).and_then(|text| text.trim().parse::<f64>().ok());
        let name = |at: Option<usize>| at.and_then(text).filter(|name| !name.is_empty());
        let calls = text(self.calls)?.trim().parse().ok()?;
        let total_ms = number(Some(self.total))?;
        let mean = if calls == 0 { 0.0 } else { total_ms / calls as f64 };
        Some(StatementRow {
            query: text(self.query)?,
            calls,
            total_ms,
            plan_ms: number(self.plan).unwrap_or(0.0),
            min_ms: number(self.min).unwrap_or(mean),
            max_ms: number(self.max).unwrap_or(mean),
            stddev_ms: number(self.stddev).unwrap_or(0.0),
            rows: self.rows.and_then(text).and_then(|text| text.trim().parse().ok()).unwrap_or(0),
            temp_bytes: self
                .temp
                .and_then(text)
                .and_then(|text| text.trim().parse::<u64>().ok())
                .unwrap_or(0)
                .saturating_mul(8_192),
            user: name(self.user),
            database: name(self.database),
            nested: self.toplevel.and_then(text).is_some_and(|text| text == "f" || text == "false"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::{Input, read_inputs};

    fn read(text: &str) -> Result<Workload, Error> {
        read_inputs(vec![Input::bytes("s.csv", text)], &ReadOptions::default(), &|_| ControlFlow::Continue(()))
    }

    #[test]
    fn rows_become_classes() {
        let workload = read(
            "rolname,datname,query,calls,total_exec_time,min_exec_time,max_exec_time,stddev_exec_time,rows\n\
             bob,shop,\"select *\nfrom t where id = $1\",10,25.5,1,9.5,0.5,10\n\
             ann,shop,<insufficient privilege>,1,1,1,1,0,1\n\
             ann,shop,select 1,x,1,1,1,0,1\n",
        )
        .expect("the file is usable");
        let class = &workload.classes[0];
        assert_eq!((class.calls, class.time.total_ms(), class.rows), (10, 25.5, Some(10)));
        assert_eq!((class.time.max_ms(), class.users.sorted()), (9.5, vec!["bob"]));
        assert!((class.time.stddev_ms() - 0.5).abs() < 1e-3);
        let covered = &workload.coverage.inputs[0];
        assert_eq!((covered.records, covered.recognised), (3, 1));
        assert!(workload.findings.iter().any(|finding| finding.code.0 == "statements-hidden"));
    }

    #[test]
    fn counters_at_their_limit_stay_there() {
        let most = u64::MAX;
        let row = |query: &str, top: &str| format!("{query},{most},1e300,1e300,9,1,{most},{most},{top}\n");
        let text = format!(
            "query,calls,total_exec_time,total_plan_time,min_exec_time,max_exec_time,rows,temp_blks_written,toplevel\n{}",
            [row("select 1", "t"), row("select 2", "t"), row("select a", "t"), row("select 3", "f")].concat()
        );
        let mut workload = read(&text).expect("the file is usable");
        workload.merge(read(&text).expect("the file is usable"));
        assert_eq!((workload.calls(), workload.classes.len()), (most, 2));
        for class in &workload.classes {
            assert_eq!((class.calls, class.rows, class.temp_bytes), (most, Some(most), most));
            assert!(class.total_ms().is_finite() && class.time.quantile_ms(0.5) >= class.time.min_ms());
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = read("query,calls\nselect 1,2\n").expect_err("there are no times");
        assert!(error.to_string().contains("total_exec_time"), "{error}");
    }

    #[test]
    fn live_rows_of_two_users_are_one_class() {
        let row = |user: &str| StatementRow {
            query: "select $1".to_owned(),
            calls: 2,
            total_ms: 3.0,
            user: Some(user.to_owned()),
            ..StatementRow::default()
        };
        let workload = Workload::from_statement_rows("live", [row("a"), row("b")], &ReadOptions::default());
        assert_eq!(workload.classes.len(), 1);
        assert_eq!((workload.calls(), workload.total_ms()), (4, 6.0));
        assert_eq!(workload.classes[0].users.sorted(), ["a", "b"]);
    }
}
