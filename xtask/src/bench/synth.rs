//! Logs that were never a server's, so that their truth is known: the writer counts what it writes.
//!
//! The lines are formed as PostgreSQL 15 forms them, in all three formats with the same content. Statements of both
//! protocols, parameters, statements over several lines, bind times, plans of auto_explain, errors with their
//! statement, temporary files and lock waits occur in fixed shares.

use std::io::{self, Write};

use crate::example::rng::Rng;
use crate::example::shop::Format;

/// The prefix of the stderr form; it carries what csvlog has.
pub(crate) const PREFIX: &str = "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ";

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Executions with a duration.
    pub(crate) calls: u64,
    /// Their time, in microseconds.
    pub(crate) call_us: u64,
    /// Time of bind messages, in microseconds.
    pub(crate) bind_us: u64,
    /// Different statements.
    pub(crate) classes: u64,
    pub(crate) errors: u64,
    pub(crate) plans: u64,
    pub(crate) temp_files: u64,
    pub(crate) temp_bytes: u64,
    pub(crate) lock_waits: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// Writes about `bytes` bytes in a format, with this number of different statements.
pub(crate) fn write(to: impl Write, format: Format, bytes: u64, shapes: u64) -> io::Result<Truth> {
    let mut log =
        Log { to: Counted { to, bytes: 0 }, format, lines: [0; SESSIONS], truth: Truth::default(), now_ms: 0 };
    let mut rng = Rng::new(42);
    // Each statement once, so that all of them occur; then by a skewed choice, as in life.
    for shape in 0..shapes {
        log.execution(&mut rng, shape)?;
    }
    while log.to.bytes < bytes {
        let shape = rng.skewed(shapes, 1.5) - 1;
        match rng.below(100) {
            0 => log.error(&mut rng, shape)?,
            1 => log.temp_file(&mut rng, shape)?,
            2 => log.lock_wait(&mut rng)?,
            3 => log.planned(&mut rng, shape)?,
            _ => log.execution(&mut rng, shape)?,
        }
    }
    log.to.flush()?;
    Ok(Truth { classes: shapes, bytes: log.to.bytes, ..log.truth })
}

const SESSIONS: usize = 40;

struct Log<W> {
    to: Counted<W>,
    format: Format,
    /// Lines that each session has written.
    lines: [u64; SESSIONS],
    truth: Truth,
    now_ms: u64,
}

/// One record before it takes a format.
#[derive(Default)]
struct Record<'a> {
    severity: &'a str,
    state: &'a str,
    message: &'a str,
    detail: Option<&'a str>,
    statement: Option<&'a str>,
}

impl<W: Write> Log<W> {
    /// An execution: by the extended protocol with parameters, or by the simple one with the values in the text.
    fn execution(&mut self, rng: &mut Rng, shape: u64) -> io::Result<()> {
        let (session, us) = self.begin(rng);
        self.truth.calls += 1;
        self.truth.call_us += us;
        if is_simple(shape) {
            let message = format!("duration: {}  statement: {}", ms(us), literal(rng, shape));
            return self.record(session, &Record { message: &message, ..log() });
        }
        let (sql, detail) = (parameterised(shape), parameters(rng));
        let record = Record { detail: Some(&detail), ..log() };
        if rng.below(50) == 0 {
            let us = 1000 + rng.below(2000);
            self.truth.bind_us += us;
            let message = format!("duration: {}  bind <unnamed>: {sql}", ms(us));
            self.record(session, &Record { message: &message, ..record })?;
        }
        let message = format!("duration: {}  execute <unnamed>: {sql}", ms(us));
        self.record(session, &Record { message: &message, ..record })
    }

    /// An execution whose plan auto_explain logs: before its line by the simple protocol, after it by the extended one,
    /// where the executor ends only with the portal.
    fn planned(&mut self, rng: &mut Rng, shape: u64) -> io::Result<()> {
        let (session, us) = self.begin(rng);
        self.truth.calls += 1;
        self.truth.call_us += us;
        self.truth.plans += 1;
        let (simple, sql) = (is_simple(shape), statement(rng, shape));
        let plan = format!(
            "duration: {}  plan:\nQuery Text: {sql}\nSeq Scan on items_{shape}  (cost=0.00..4310.00 rows=12 width=64) (actual rows=9 loops=1)\n  Filter: (owner_id = 17)\n  Rows Removed by Filter: 199991",
            ms(us - 20)
        );
        let plan = Record { message: &plan, ..log() };
        if simple {
            self.record(session, &plan)?;
            let message = format!("duration: {}  statement: {sql}", ms(us));
            self.record(session, &Record { message: &message, ..log() })
        } else {
            let (message, detail) = (format!("duration: {}  execute <unnamed>: {sql}", ms(us)), parameters(rng));
            self.record(session, &Record { message: &message, detail: Some(&detail), ..log() })?;
            self.record(session, &plan)
        }
    }

    fn error(&mut self, rng: &mut Rng, shape: u64) -> io::Result<()> {
        let (session, _) = self.begin(rng);
        self.truth.errors += 1;
        let statement = statement(rng, shape);
        let detail = format!("Key (id)=({}) already exists.", rng.below(100_000));
        let record = Record {
            severity: "ERROR",
            state: "23505",
            message: "duplicate key value violates unique constraint \"items_pkey\"",
            detail: Some(&detail),
            statement: Some(&statement),
        };
        self.record(session, &record)
    }

    fn temp_file(&mut self, rng: &mut Rng, shape: u64) -> io::Result<()> {
        let (session, _) = self.begin(rng);
        let bytes = 8192 * (1 + rng.below(500));
        self.truth.temp_files += 1;
        self.truth.temp_bytes += bytes;
        let message = format!("temporary file: path \"base/pgsql_tmp/pgsql_tmp{}.0\", size {bytes}", 1000 + session);
        let statement = statement(rng, shape);
        self.record(session, &Record { message: &message, statement: Some(&statement), ..log() })
    }

    fn lock_wait(&mut self, rng: &mut Rng) -> io::Result<()> {
        let (session, _) = self.begin(rng);
        self.truth.lock_waits += 1;
        let message = format!(
            "process {} still waiting for ShareLock on transaction {} after 1000.{:03} ms",
            1000 + session,
            rng.below(1_000_000),
            rng.below(1000)
        );
        let statement = statement(rng, 0);
        self.record(session, &Record { message: &message, statement: Some(&statement), ..log() })
    }

    /// A moment later, in some session: its number, and a duration from 1 to about 1,000 ms in microseconds.
    fn begin(&mut self, rng: &mut Rng) -> (usize, u64) {
        self.now_ms += rng.below(4);
        (rng.below(SESSIONS as u64) as usize, 1000 + (rng.unit().powi(6) * 1_000_000.0) as u64)
    }

    fn record(&mut self, session: usize, record: &Record<'_>) -> io::Result<()> {
        self.lines[session] += 1;
        let origin = Origin {
            // A January day and those after it; no log here is longer than a month.
            day: 1 + self.now_ms / 86_400_000,
            ms: self.now_ms % 86_400_000,
            pid: 1000 + session,
            line: self.lines[session],
            app: ["web", "worker", "reports"][session % 3],
        };
        match self.format {
            Format::Stderr => stderr(&mut self.to, &origin, record, &mut self.lines[session]),
            Format::Csv => csv(&mut self.to, &origin, record),
            Format::Json => json(&mut self.to, &origin, record),
        }
    }
}

fn log() -> Record<'static> {
    Record { severity: "LOG", state: "00000", ..Record::default() }
}

fn ms(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

/// Whether the shape's statement comes by the simple protocol.
fn is_simple(shape: u64) -> bool {
    shape.is_multiple_of(3)
}

fn statement(rng: &mut Rng, shape: u64) -> String {
    if is_simple(shape) { literal(rng, shape) } else { parameterised(shape) }
}

fn parameterised(shape: u64) -> String {
    if shape % 5 == 1 {
        format!(
            "SELECT i.id, i.name, count(*) AS n_{shape}\n  FROM items_{shape} i\n  JOIN owners o ON o.id = i.owner_id\n WHERE i.owner_id = $1 AND i.kind = $2\n GROUP BY i.id, i.name\n ORDER BY n_{shape} DESC\n LIMIT 20"
        )
    } else {
        format!(
            r#"SELECT "items_{shape}"."id", "items_{shape}"."name", "items_{shape}"."created_at" FROM "items_{shape}" WHERE "items_{shape}"."owner_id" = $1 AND "items_{shape}"."kind" = $2 ORDER BY "items_{shape}"."created_at" DESC LIMIT 10"#
        )
    }
}

fn literal(rng: &mut Rng, shape: u64) -> String {
    format!(
        "UPDATE items_{shape} SET state = 'done', note = 'it''s no. {}' WHERE owner_id = {} AND created_at < '2026-01-{:02} 10:00:00+00'",
        rng.below(1000),
        rng.below(1_000_000),
        1 + rng.below(28)
    )
}

fn parameters(rng: &mut Rng) -> String {
    format!("parameters: $1 = '{}', $2 = 'kind, ''{}'''", rng.below(1_000_000), rng.below(40))
}

/// Who wrote a record, and when.
struct Origin {
    day: u64,
    ms: u64,
    pid: usize,
    line: u64,
    app: &'static str,
}

impl Origin {
    fn time(&self) -> String {
        let (seconds, ms) = (self.ms / 1000, self.ms % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("2026-01-{:02} {hour:02}:{minute:02}:{second:02}.{ms:03} UTC", self.day)
    }

    fn session(&self) -> String {
        format!("6956a000.{:x}", self.pid)
    }
}

/// Each part is a line with a prefix of its own and a number of its own; embedded newlines are followed by a tab.
fn stderr(to: &mut impl Write, origin: &Origin, record: &Record<'_>, lines: &mut u64) -> io::Result<()> {
    let parts = [(record.severity, Some(record.message)), ("DETAIL", record.detail), ("STATEMENT", record.statement)];
    let parts = parts.into_iter().filter_map(|(name, text)| text.map(|text| (name, text)));
    for (at, (name, text)) in parts.enumerate() {
        *lines = origin.line + at as u64;
        let (time, pid, app) = (origin.time(), origin.pid, origin.app);
        write!(to, "{time} [{pid}]: [{}-1] user=app,db=shop,app={app},client=10.0.0.7 {name}:  ", *lines)?;
        writeln!(to, "{}", text.replace('\n', "\n\t"))?;
    }
    Ok(())
}

/// The 26 columns of PostgreSQL 14 and later.
fn csv(to: &mut impl Write, origin: &Origin, record: &Record<'_>) -> io::Result<()> {
    let quote = |text: Option<&str>| text.map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")));
    let (time, pid, session, app) = (origin.time(), origin.pid, origin.session(), origin.app);
    writeln!(
        to,
        "{time},\"app\",\"shop\",{pid},\"10.0.0.7:40000\",{session},{},\"SELECT\",2026-01-01 00:00:00 UTC,3/7,0,{},{},{},{},,,,,{},,,\"{app}\",\"client backend\",,0",
        origin.line,
        record.severity,
        record.state,
        quote(Some(record.message)),
        quote(record.detail),
        quote(record.statement),
    )
}

/// One object a line, absent keys left out.
fn json(to: &mut impl Write, origin: &Origin, record: &Record<'_>) -> io::Result<()> {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    write!(
        to,
        r#"{{"timestamp":"{}","user":"app","dbname":"shop","pid":{},"remote_host":"10.0.0.7","remote_port":40000,"session_id":"{}","line_num":{},"ps":"SELECT","session_start":"2026-01-01 00:00:00 UTC","vxid":"3/7","txid":0,"error_severity":"{}""#,
        origin.time(),
        origin.pid,
        origin.session(),
        origin.line,
        record.severity
    )?;
    if record.state != "00000" {
        write!(to, r#","state_code":"{}""#, record.state)?;
    }
    write!(to, r#","message":{}"#, quote(record.message))?;
    for (name, text) in [("detail", record.detail), ("statement", record.statement)] {
        if let Some(text) = text {
            write!(to, r#","{name}":{}"#, quote(text))?;
        }
    }
    writeln!(to, r#","application_name":"{}","backend_type":"client backend","query_id":0}}"#, origin.app)
}

/// Counts the bytes that go through.
struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format) -> (Truth, String) {
        let mut bytes = Vec::new();
        let truth = write(&mut bytes, format, 200_000, 7).expect("memory can be written to");
        (truth, String::from_utf8(bytes).expect("text is UTF-8"))
    }

    #[test]
    fn the_truth_of_stderr_is_what_its_lines_say() {
        let (truth, text) = text(Format::Stderr);
        let us = |line: &str| -> u64 {
            let number = line.split_once("duration: ").and_then(|(_, rest)| rest.split_once(" ms"));
            number.map_or(0, |(number, _)| number.replace('.', "").parse().expect("a number"))
        };
        let lines = |word: &str| text.lines().filter(|line| line.contains(word)).collect::<Vec<_>>();
        let calls: Vec<&str> = [lines(" ms  execute "), lines(" ms  statement: ")].concat();
        assert_eq!(truth.calls, calls.len() as u64);
        assert_eq!(truth.call_us, calls.into_iter().map(us).sum::<u64>());
        assert_eq!(truth.bind_us, lines(" ms  bind ").into_iter().map(us).sum::<u64>());
        assert_eq!(truth.errors, lines(" ERROR:  ").len() as u64);
        assert_eq!(truth.plans, lines(" ms  plan:").len() as u64);
        assert_eq!(truth.lock_waits, lines(" still waiting ").len() as u64);
        assert_eq!(truth.bytes, text.len() as u64);
        assert!(truth.errors > 0 && truth.plans > 0 && truth.bind_us > 0);
    }

    #[test]
    fn json_lines_are_objects_and_csv_lines_have_26_fields() {
        let (truth, text_) = text(Format::Json);
        let objects = text_.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
        assert_eq!(objects, text_.lines().count());
        assert!(truth.calls > 0);
        let (_, text) = text(Format::Csv);
        let record = text.split_once("\n2026-").expect("several records").0;
        // Commas within quotes do not separate.
        let outside: String = record.split('"').step_by(2).collect();
        assert_eq!(outside.matches(',').count(), 25);
    }
}
