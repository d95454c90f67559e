//! Files, standard input and logs.

use std::{io::Read, ops::ControlFlow, path::PathBuf};

use dbopt_finding::{Finding, Severity};
use dbopt_workload::{Format, Input, InputKind, ReadOptions, Workload, read_inputs};

use super::{Context, progress::Bar};
use crate::{
    cli::{LogFormat, LogOptions},
    exit::Exit,
    failure::Failure,
};

/// The most that is read of a file that must be held as a whole.
const MOST_BYTES: u64 = 1 << 30;

/// A file's bytes, or standard input's for `-`.
pub(crate) fn bytes(file: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", file, &error);
    let mut bytes = Vec::new();
    let read = if file == "-" {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).map_err(failed)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)
    };
    if read.map_err(failed)? as u64 > MOST_BYTES {
        return Err(Failure::usage(format!("`{file}` is larger than 1 GiB, which is no file of this kind")));
    }
    Ok(bytes)
}

/// A file's name for messages, and its text. Bytes that are not UTF-8 are replaced.
pub(crate) fn text(file: &str) -> Result<(String, String), Failure> {
    let bytes = bytes(file)?;
    let name = if file == "-" { "<stdin>".to_owned() } else { file.to_owned() };
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::usage(format!("`{name}` is empty")));
    }
    let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok((name, text))
}

/// Reads logs, files of SQL and exports of pg_stat_statements, with progress on a terminal.
pub(crate) fn workload(
    context: &Context,
    logs: &[String],
    others: Vec<Input>,
    options: &LogOptions,
) -> Result<Workload, Failure> {
    let inputs = logs.iter().map(|log| Input::path(PathBuf::from(log))).chain(others).collect();
    let options = ReadOptions {
        prefix: options.log_line_prefix.clone(),
        format: options.log_format.map(|format| match format {
            LogFormat::Stderr => Format::Stderr,
            LogFormat::Csvlog => Format::Csv,
            LogFormat::Jsonlog => Format::Json,
        }),
        threads: options.jobs,
        ..ReadOptions::default()
    };
    let bar = Bar::new(context.stderr.shows_progress());
    let waiting = context.interrupt.waiting();
    let workload = read_inputs(inputs, &options, &|progress| {
        bar.show(progress);
        if context.interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(waiting);
    bar.clear();
    workload.map_err(|error| match (&error, error.finding()) {
        (_, Some(finding)) => Failure::usage("nothing could be read").findings(vec![finding.clone()]),
        (dbopt_workload::Error::Read { name, source }, None) => Failure::file("read", name, source),
        _ => Failure::usage(error.to_string()),
    })
}

/// A file of SQL statements.
pub(crate) fn sql_input(file: &str) -> Input {
    Input::path(PathBuf::from(file)).kind(InputKind::Sql)
}

/// An export of pg_stat_statements.
pub(crate) fn statistics_input(file: &str) -> Input {
    Input::path(PathBuf::from(file)).kind(InputKind::PgStatStatements)
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

/// How a command ends that could read this much: an input that could not be read at all counts as a failed object.
pub(crate) fn exit(context: &Context, workload: &Workload) -> Exit {
    if context.interrupt.is_asked() {
        Exit::Interrupted
    } else if workload.coverage.share_recognised() < 0.5 || workload.findings.iter().any(is_error) {
        Exit::Partial
    } else {
        Exit::Done
    }
}
