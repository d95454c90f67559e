//! Tables of traffic: CSV with a line of column names.

use std::{borrow::Cow, num::NonZeroU32};

use jiff::Timestamp;

use super::{Hit, read::UnreadableTraffic};
use crate::{Part, Request};

/// Most lines of a row; a field may have a few, when it is quoted.
const MOST_LINES: u64 = 100;

/// What a column holds.
enum Column {
    Time,
    Plan,
    Cost,
    Part(Part),
}

impl Column {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "time" => Self::Time,
            "plan" => Self::Plan,
            "cost" => Self::Cost,
            name => Self::Part(name.parse().ok()?),
        })
    }
}

/// Whether a line names columns of which one is the time.
pub(super) fn is_header(line: &str) -> bool {
    line.split(',').any(|name| name.trim().trim_matches('"').eq_ignore_ascii_case("time"))
}

/// Reads a table, and hands out each row as a request or why it is none, with its line.
pub(super) fn rows(
    bytes: &[u8],
    mut each: impl FnMut(u64, Result<Hit, Cow<'static, str>>),
) -> Result<(), UnreadableTraffic> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|_| UnreadableTraffic::NoTime)?.clone();
    let mut columns = Vec::new();
    let names: Vec<_> = header.iter().map(str::to_ascii_lowercase).collect();
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = names[..at].iter().position(|earlier| earlier == name) {
            return Err(UnreadableTraffic::SameColumn(first + 1, at + 1));
        }
        // What stands in the first line of another format is not for a message.
        let column = Column::of(name);
        columns.push(column.ok_or(UnreadableTraffic::UnknownColumn(at + 1))?);
    }
    if !columns.iter().any(|column| matches!(column, Column::Time)) {
        return Err(UnreadableTraffic::NoTime);
    }
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(line, |position| begins(bytes, position));
                // The reader takes a quotation mark that is never closed for a field up to the end of the file.
                if reader.position().line().saturating_sub(line) > MOST_LINES {
                    return Err(UnreadableTraffic::OpenQuote(line));
                }
                each(line, row(&columns, &record, line));
            }
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                each(line, Err("the row is not UTF-8".into()));
            }
        }
    }
}

/// The line that a record begins in: the reader counts blank lines before it as part of it.
fn begins(bytes: &[u8], position: &csv::Position) -> u64 {
    let at = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let blank = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

fn row(columns: &[Column], record: &csv::StringRecord, line: u64) -> Result<Hit, Cow<'static, str>> {
    if record.len() != columns.len() {
        return Err(format!("{} columns instead of {}", record.len(), columns.len()).into());
    }
    let (mut at, mut request) = (None, Request::new());
    for (column, text) in columns.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        let owned = || text.to_owned();
        request = match column {
            Column::Time => {
                at = time(text);
                request
            }
            Column::Plan => request.plan(owned()),
            Column::Cost => {
                let cost: NonZeroU32 = text.parse().map_err(|_| "the cost is no whole number above zero")?;
                request.cost(cost)
            }
            Column::Part(Part::User) => request.user(owned()),
            Column::Part(Part::Tenant) => request.tenant(owned()),
            Column::Part(Part::ApiKey) => request.api_key(owned()),
            Column::Part(Part::Address) => {
                let address: std::net::IpAddr = text.parse().map_err(|_| "the address is none")?;
                request.address(address)
            }
            Column::Part(Part::Route) => request.route(owned()),
            Column::Part(Part::Method) => request.method(owned()),
            Column::Part(Part::Header(name)) => request.header(name.to_string(), owned()),
            Column::Part(Part::Claim(name)) => request.claim(name.to_string(), owned()),
        };
    }
    Ok(Hit { at: at.ok_or("the time is none: neither ISO 8601 with a zone nor seconds since 1970")?, line, request })
}

/// `2026-01-01T12:00:00Z`, or seconds since 1970 with or without a fraction.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if seconds.is_empty() || !digits(seconds) || !digits(fraction) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    Timestamp::new(seconds.parse().ok()?, nanos.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Facts as _;

    fn read(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let outcome = rows(text.as_bytes(), |line, hit| {
            found.push(match hit {
                Ok(hit) => {
                    let header = hit.request.fact(&Part::Header("x-org".into())).unwrap_or_default().into_owned();
                    let plan = crate::Facts::plan(&hit.request).unwrap_or_default().into_owned();
                    format!("{line} {} {:?} {header} {plan}", hit.at, crate::Facts::address(&hit.request))
                }
                Err(why) => format!("{line} {why}"),
            });
        });
        if let Err(error) = outcome {
            found.push(error.to_string());
        }
        found
    }

    #[test]
    fn rows_are_requests() {
        assert_eq!(
            read("Time,address,header:X-Org,plan,cost\n2026-01-01T00:00:00Z,192.0.2.1,a,pro,2\n\n1767225601.5,,,,\n"),
            ["2 2026-01-01T00:00:00Z Some(192.0.2.1) a pro", "4 2026-01-01T00:00:01.5Z None  ",]
        );
    }

    #[test]
    fn what_is_none_says_why() {
        assert_eq!(
            read("time,address,cost\nnoon,,\n1,here,\n1,,0\n1,2\n"),
            [
                "2 the time is none: neither ISO 8601 with a zone nor seconds since 1970",
                "3 the address is none",
                "4 the cost is no whole number above zero",
                "5 2 columns instead of 3",
            ]
        );
        assert_eq!(read("time,usr\n"), ["column 2 of the table is not known"]);
        assert_eq!(read("user\n7\n"), ["no column is named `time`"]);
    }
}
