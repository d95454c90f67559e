//! What an input is, and what its reader should be told about it.

use dbopt_finding::{Finding, LineIndex, Place};

use crate::error::Error;
use crate::model::{Coverage, Format, Workload};
use crate::options::{InputKind, ReadOptions};
use crate::record::prefix::Prefix;
use crate::record::severity::foreign_language;
use crate::record::{csv, infer};

/// What was found out about an input.
pub(crate) struct Detected {
    pub(crate) format: Format,
    /// For text logs.
    pub(crate) prefix: Option<Prefix>,
}

/// Checks that a prefix given by the user is one at all.
pub(crate) fn check_prefix(text: &str) -> Result<Prefix, Error> {
    Prefix::new(text).map_err(|at| {
        let escape: String = text[at..].chars().take(2).collect();
        let message =
            format!("`{escape}` at column {} is no escape of log_line_prefix", text[..at].chars().count() + 1);
        let help = "Give the server's setting as `SHOW log_line_prefix` prints it.";
        Error::Prefix(Box::new(Finding::error("log-prefix-invalid", message).help(help)))
    })
}

/// Finds out what an input is from its first bytes.
///
/// `before` is the prefix of the log before, which is most likely the one of this log as well.
pub(crate) fn detect(
    name: &str,
    sample: &[u8],
    kind: InputKind,
    options: &ReadOptions,
    before: Option<&Prefix>,
) -> Result<Detected, Error> {
    let simple = |format| Ok(Detected { format, prefix: None });
    match (kind, options.format) {
        (InputKind::Sql, _) => return simple(Format::Sql),
        (InputKind::PgStatStatements, _) => return simple(Format::PgStatStatements),
        (InputKind::Auto, None) if is_pgss(sample) => return simple(Format::PgStatStatements),
        (_, Some(Format::Stderr)) => return stderr(name, sample, options, before),
        (_, Some(format)) => return simple(format),
        (InputKind::Log | InputKind::Auto, None) => {}
    }
    if sample.split(|b| *b == b'\n').take(64).any(csv::begins_record) {
        return simple(Format::Csv);
    }
    let json = sample.split(|b| *b == b'\n').take(64).any(|line| {
        line.trim_ascii_start().starts_with(b"{")
            && memchr::memmem::find(line, b"\"error_severity\"").is_some()
            && memchr::memmem::find(line, b"\"timestamp\"").is_some()
    });
    if json {
        return simple(Format::Json);
    }
    stderr(name, sample, options, before)
}

fn is_pgss(sample: &[u8]) -> bool {
    let header = sample.split(|b| *b == b'\n').next().unwrap_or_default();
    let columns: Vec<&[u8]> = header.split(|b| *b == b',').map(<[u8]>::trim_ascii).collect();
    columns.contains(&&b"query"[..]) && columns.contains(&&b"calls"[..])
}

fn stderr(name: &str, sample: &[u8], options: &ReadOptions, before: Option<&Prefix>) -> Result<Detected, Error> {
    if let Some(text) = &options.prefix {
        let fit = infer::fit(check_prefix(text)?, sample);
        if fit.is_good() {
            return Ok(Detected { format: Format::Stderr, prefix: Some(fit.prefix) });
        }
        let index = LineIndex::new(sample);
        let (line, at) = fit.first_miss.unwrap_or_default();
        let position = index.position(line + at);
        let message = format!("the log does not have the prefix `{text}`: {} of {} lines fit", fit.read, fit.heads);
        let help = match infer::infer(sample).filter(infer::Fit::is_good) {
            Some(other) => {
                format!("The log fits `{}`; give that, or nothing to have it inferred.", other.prefix.text())
            }
            None => "No prefix fits; is this a PostgreSQL log?".to_owned(),
        };
        let place = Place::at(name, position.line, position.column);
        return Err(Error::Prefix(Box::new(Finding::error("log-prefix-mismatch", message).at(place).help(help))));
    }
    if let Some(before) = before
        && infer::fit(before.clone(), sample).is_whole()
    {
        return Ok(Detected { format: Format::Stderr, prefix: Some(before.clone()) });
    }
    if let Some(fit) = infer::infer(sample).filter(infer::Fit::is_good) {
        return Ok(Detected { format: Format::Stderr, prefix: Some(infer::lenient(fit.prefix)) });
    }
    let binary = sample.iter().take(4_096).filter(|b| **b == 0).count() > 8;
    let (message, help) = if binary {
        ("the input is binary".to_owned(), "Logs may be plain or packed by gzip, zstd, bzip2, lz4 or xz.".to_owned())
    } else if let Some(language) = sample.split(|b| *b == b'\n').take(500).find_map(foreign_language) {
        (
            format!("the server writes its messages in another language: {language}"),
            "Set lc_messages = 'C' on the server; logs in other languages are not read.".to_owned(),
        )
    } else {
        (
            "this is no PostgreSQL log in text, csvlog or jsonlog form".to_owned(),
            "Give the server's log_line_prefix with --log-line-prefix if it is a text log.".to_owned(),
        )
    };
    let finding = Finding::error("input-unrecognised", message).at(Place::at(name, 1, 1)).help(help);
    Err(Error::Unusable(Box::new(finding)))
}

/// What the reader of a workload should know.
pub(crate) fn remarks(workload: &Workload, coverage: &Coverage, shortest_ns: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for input in &coverage.inputs {
        let place = || Place::file(&input.name);
        let is_log = matches!(input.format, Some(Format::Stderr | Format::Csv | Format::Json));
        let lost = input.records - input.recognised;
        if lost > 0 {
            let reasons: Vec<String> =
                input.skipped.iter().map(|skipped| format!("{} {}", skipped.count, skipped.why)).collect();
            let message = format!("{lost} of {} records were not understood: {}", input.records, reasons.join(", "));
            let place = input.skipped.iter().find_map(|skipped| skipped.first.clone()).unwrap_or_else(place);
            findings.push(Finding::warning("log-partly-read", message).at(place));
        }
        if is_log && input.records > 0 && input.with_duration == 0 {
            let help = "Set log_min_duration_statement = 0 (or a threshold in ms) on the server, or load auto_explain.";
            let message = "the log holds no durations of statements";
            findings.push(Finding::warning("log-without-durations", message).at(place()).help(help));
        }
        if input.truncated {
            let message = "the last record is not complete";
            findings.push(Finding::note("input-ends-early", message).at(place()));
        }
    }
    let bare = workload.events.bare_durations;
    if bare.count > 0 {
        let message = format!("{} durations stand without a statement and were left out", bare.count);
        let help = "Set log_min_duration_statement instead of log_duration, which logs no text.";
        findings.push(Finding::warning("log-durations-without-text", message).help(help));
    }
    if (1_000_000..u64::MAX).contains(&shortest_ns) {
        let message = format!(
            "the fastest execution took {:.3} ms, so faster ones seem not to be logged: calls and times are lower bounds",
            shortest_ns as f64 / 1e6
        );
        findings.push(Finding::note("log-threshold", message));
    }
    if workload.other.evicted > 0 {
        let message = format!(
            "{} query classes did not fit into memory; they stand for {} executions and {:.0} ms",
            workload.other.evicted,
            workload.other.calls,
            workload.other.total_ns as f64 / 1e6
        );
        findings.push(Finding::warning("workload-evicted", message).help("Raise the memory cap to keep them."));
    }
    findings
}
