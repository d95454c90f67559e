//! Where output goes: data to stdout or a file, everything else to stderr.

use std::io::{IsTerminal, Write};

use dbopt_finding::Finding;
use dbopt_report::{Document, html, markdown, terminal};

use crate::{
    cli::{Color, Global, ReportFormat, RunLog},
    failure::Failure,
    file::NewFile,
    view::finding::FindingView,
};

/// Writes data: to the named file, or else to stdout. A reader that went away is a clean end.
pub(crate) fn data(to: Option<&str>, text: &str) -> Result<(), Failure> {
    match to {
        Some(name) if name != "-" => {
            let write = || {
                let mut file = NewFile::create(name, 0o666)?;
                file.write_all(text.as_bytes())?;
                file.finish()
            };
            write().map_err(|error| Failure::file("write", name, &error))
        }
        _ => match std::io::stdout().lock().write_all(text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::file("write", "<stdout>", &error))
            }
            _ => Ok(()),
        },
    }
}

/// Writes a view in the format asked for: as JSON, or as its document.
pub(crate) fn report<V: serde::Serialize>(
    global: &Global,
    format: ReportFormat,
    to: Option<&str>,
    view: &V,
    document: impl FnOnce(&V) -> Document,
) -> Result<(), Failure> {
    match format {
        ReportFormat::Json => json(to, view),
        ReportFormat::Table => text(global, to, &document(view)),
        ReportFormat::Markdown => markdown(to, &document(view)),
    }
}

/// Writes a value as indented JSON.
pub(crate) fn json(to: Option<&str>, value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::internal().detail(format!("the result has no JSON form: {error}")))?;
    text.push('\n');
    data(to, &text)
}

/// Writes a document as terminal text.
pub(crate) fn text(global: &Global, to: Option<&str>, document: &Document) -> Result<(), Failure> {
    let to_terminal = to.is_none_or(|name| name == "-") && std::io::stdout().is_terminal();
    let width = if to_terminal { terminal_width() } else { 120 };
    let options = terminal::Options { color: global.color.enabled(to_terminal), width };
    data(to, &terminal::print(document, &options))
}

/// Writes a document as Markdown.
pub(crate) fn markdown(to: Option<&str>, document: &Document) -> Result<(), Failure> {
    data(to, &markdown::print(document))
}

/// Writes a document as one HTML file.
pub(crate) fn html(to: Option<&str>, document: &Document) -> Result<(), Failure> {
    data(to, &html::print(document))
}

/// Columns of the terminal as `COLUMNS` or the terminal itself says, or else 100.
fn terminal_width() -> u16 {
    let from_environment = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let from_terminal = || terminal_size::terminal_size().map(|(width, _)| width.0);
    from_environment.or_else(from_terminal).unwrap_or(100).clamp(60, 200)
}

/// Messages to the person in front of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr {
    options: terminal::Options,
    quiet: bool,
    redact: bool,
    log: RunLog,
}

impl Stderr {
    /// Settles colour and loudness.
    pub(crate) fn new(global: &Global) -> Self {
        let color = global.color.enabled(std::io::stderr().is_terminal());
        Self { options: terminal::Options { color, width: 120 }, quiet: global.quiet, redact: false, log: RunLog::Off }
    }

    /// The same, without the source lines of findings when they are to be redacted.
    pub(crate) fn redacting(self, redact: bool) -> Self {
        Self { redact, ..self }
    }

    /// The same for a command that tells what happens: as asked for, or else by progress where a person looks on, and by
    /// JSON lines where none does. Nothing but JSON objects is written among such lines.
    pub(crate) fn logging(self, asked: Option<Option<RunLog>>) -> Self {
        let fitting = || match (self.quiet, self.shows_progress()) {
            (true, _) => RunLog::Off,
            (false, true) => RunLog::Progress,
            (false, false) => RunLog::Json,
        };
        let log = asked.map_or(RunLog::Off, |asked| asked.unwrap_or_else(fitting));
        Self { log, ..self }
    }

    /// How it is told what happens.
    pub(crate) fn log(&self) -> RunLog {
        self.log
    }

    /// Writes what happened as a JSON object on a line, when lines are wanted.
    pub(crate) fn event(&self, event: &str, fields: serde_json::Value) {
        if self.log != RunLog::Json {
            return;
        }
        let mut line = serde_json::Map::new();
        line.insert("time".to_owned(), jiff::Timestamp::now().to_string().into());
        line.insert("event".to_owned(), event.into());
        if let serde_json::Value::Object(fields) = fields {
            line.extend(fields);
        }
        self.line(&format!("{}\n", serde_json::Value::Object(line)));
    }

    /// Prints findings; with `--quiet` only errors.
    pub(crate) fn findings(&self, findings: &[Finding]) {
        for finding in findings {
            if self.quiet && finding.severity != dbopt_finding::Severity::Error {
                continue;
            }
            let mut finding = finding.clone();
            if let Some(place) = finding.place.as_mut().filter(|_| self.redact) {
                place.snippet = None;
            }
            if self.log == RunLog::Json {
                let fields = serde_json::to_value(FindingView::from(&finding)).unwrap_or_default();
                self.event("finding", fields);
                continue;
            }
            self.line(&format!("dbopt: {}", terminal::print_finding(&finding, &self.options)));
        }
    }

    /// Prints why a command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.findings(&failure.findings);
        if self.log == RunLog::Json {
            let Failure { message, detail, hint, exit, .. } = failure;
            let fields =
                serde_json::json!({ "message": message, "detail": detail, "hint": hint, "exit_code": exit.code() });
            return self.event("error", fields);
        }
        let mut text = format!("dbopt: error: {}\n", failure.message);
        if let Some(detail) = &failure.detail {
            text.push_str(&format!("detail: {detail}\n"));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        self.line(&text);
    }

    /// Whether progress may be shown.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    fn line(&self, text: &str) {
        // Nobody is left to be told when stderr is closed.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

impl Color {
    /// Whether to colour output that goes to a terminal or not; `NO_COLOR` and `PG_COLOR` are honoured.
    fn enabled(self, to_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => match std::env::var("PG_COLOR").as_deref() {
                _ if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
                Ok("always") => true,
                Ok("never") => false,
                _ => to_terminal,
            },
        }
    }
}
