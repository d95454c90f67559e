//! The inputs as people have them, and what is said about them.
//!
//! psql frames EXPLAIN's output (`QUERY PLAN`, dashes, `+` at line ends, `(N rows)`), pgAdmin quotes each line, a log
//! prefixes it. The frame is taken off line by line before parsing, leaving the number of lines as it is, so that
//! findings name the lines of the input.

use dbopt_finding::{Finding, LineIndex};

use crate::tree::plan::Plan;
use crate::{MAX_DEPTH, MAX_NODES, json, text};

/// A format of EXPLAIN's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Indented lines with `->`.
    Text,
    /// `FORMAT JSON`.
    Json,
}

/// Reads the plans of an input in whichever format it is. `name` is the input's name in findings.
///
/// Everything that could be read is returned, and a finding for everything that could not; without any plan, at least
/// one finding is an error.
#[must_use]
pub fn parse(name: &str, text: &str) -> (Vec<Plan>, Vec<Finding>) {
    read(name, text, None)
}

/// Reads the plans of a JSON input, such as auto_explain's with `log_format = json`.
#[must_use]
pub fn parse_json(text: &str) -> (Vec<Plan>, Vec<Finding>) {
    read("<plan>", text, Some(Format::Json))
}

/// Reads the plans of an input in the text format.
#[must_use]
pub fn parse_text(text: &str) -> (Vec<Plan>, Vec<Finding>) {
    read("<plan>", text, Some(Format::Text))
}

/// The body of the fuzz target: any bytes are parsed, and the laws of the result hold.
///
/// # Panics
///
/// When a law is broken, which is a bug.
pub fn fuzz_parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for (plans, findings) in [parse("fuzz", &text), parse_json(&text), parse_text(&text)] {
        assert!(
            !plans.is_empty() || findings.iter().any(|finding| finding.severity == dbopt_finding::Severity::Error),
            "no plan and no error"
        );
        for plan in &plans {
            assert!(plan.nodes().all(|(depth, _)| depth < MAX_DEPTH), "deeper than the limit");
            assert!(plan.nodes().count() <= MAX_NODES, "more nodes than the limit");
            for (_, _, account) in plan.accounts().iter() {
                let times = [account.inclusive_ms, account.exclusive_ms].into_iter().flatten();
                assert!(times.chain([account.share, account.exclusive_cost]).all(|v| v.is_finite() && v >= 0.0));
            }
            assert_eq!(plan.rows().len(), plan.nodes().count(), "a row for each node");
            for finding in crate::findings(plan) {
                assert!((0.0..=1.0).contains(&finding.impact.share), "an impact is a share");
            }
        }
    }
}

fn read(name: &str, text: &str, format: Option<Format>) -> (Vec<Plan>, Vec<Finding>) {
    let clean = unframe(text);
    let index = LineIndex::new(&clean);
    let mut notes = Notes::new(name, &index);
    if clean.trim().is_empty() {
        let finding = Finding::error("plan-empty", "the input is empty")
            .help("Give the output of EXPLAIN, best with (ANALYZE, BUFFERS).");
        return (Vec::new(), vec![finding.at(dbopt_finding::Place::file(name))]);
    }
    let plans = match format.map_or_else(|| detect(&clean), Shape::from) {
        Shape::Json(start) => json::read(&clean, start.unwrap_or_else(|| json_start(&clean)), &mut notes),
        Shape::Text => text::read(&clean, &mut notes),
        Shape::Unsupported(format, at) => {
            notes.push(at, |place| {
                Finding::error("plan-format-unsupported", format!("EXPLAIN's `{format}` format is not read"))
                    .help("Use the text format or FORMAT JSON.")
                    .at(place)
            });
            Vec::new()
        }
    };
    let mut findings = notes.finish();
    if plans.is_empty() && !findings.iter().any(|finding| finding.severity == dbopt_finding::Severity::Error) {
        findings.push(
            Finding::error("plan-missing", "no plan was found")
                .help("Give the output of EXPLAIN in the text format or FORMAT JSON.")
                .at(dbopt_finding::Place::file(name)),
        );
    }
    (plans, findings)
}

enum Shape {
    Json(Option<usize>),
    Text,
    Unsupported(&'static str, usize),
}

impl From<Format> for Shape {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json(None),
        }
    }
}

fn detect(clean: &str) -> Shape {
    let mut query_text = None;
    for (at, line) in lines(clean) {
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            continue;
        }
        let here = at + line.len() - trimmed.len();
        if text::is_node_line(trimmed) {
            return Shape::Text;
        }
        if query_text.is_none() && opens_json(&clean[here..]) {
            return Shape::Json(Some(here));
        }
        if trimmed.starts_with("<explain") {
            return Shape::Unsupported("XML", here);
        }
        if matches!(trimmed.trim_end(), "- Plan:" | "Plan:") {
            return Shape::Unsupported("YAML", query_text.unwrap_or(here));
        }
        if trimmed.starts_with("Query Text:") {
            query_text = Some(here);
        }
    }
    Shape::Text
}

fn json_start(clean: &str) -> usize {
    lines(clean)
        .filter(|(_, line)| !line.trim_start().is_empty())
        .map(|(at, line)| at + line.len() - line.trim_start().len())
        .find(|at| opens_json(&clean[*at..]))
        .unwrap_or(0)
}

/// Whether JSON that may hold a plan starts here: a bracket followed by what may follow it.
fn opens_json(text: &str) -> bool {
    let mut bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    match (bytes.next(), bytes.next()) {
        (Some(b'['), next) => matches!(next, None | Some(b'{' | b']' | b'"')),
        (Some(b'{'), next) => matches!(next, None | Some(b'"' | b'}')),
        _ => false,
    }
}

/// The lines with the offsets of their first bytes.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end_matches(['\n', '\r'])))
    })
}

/// Takes psql's and pgAdmin's frames off, keeping the number of lines.
fn unframe(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let unquoted;
    let text = if is_quoted(text) {
        unquoted = unquote(text);
        &unquoted
    } else {
        text
    };
    let mut out = String::with_capacity(text.len() + 1);
    let mut framed = false;
    for (_, line) in lines(text) {
        let trimmed = line.trim();
        if trimmed.trim_matches(['|', '│', ' ']) == "QUERY PLAN" {
            framed = true;
        } else if is_row_count(trimmed) {
            framed = false;
        } else if !framed {
            out.push_str(line);
        } else if !is_rule(trimmed) {
            out.push_str(strip_border(line));
        }
        out.push('\n');
    }
    out
}

/// Whether the text is a single CSV column, as pgAdmin copies a result.
fn is_quoted(text: &str) -> bool {
    let start = text.trim_start();
    start.starts_with("\"QUERY PLAN\"")
        || start.starts_with("\"[")
        || start.strip_prefix('"').is_some_and(|rest| rest.lines().next().is_some_and(text::is_node_line))
}

fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if inside && chars.next_if_eq(&'"').is_some() => out.push('"'),
            '"' => inside = !inside,
            other => out.push(other),
        }
    }
    out
}

/// `(12 rows)`, in whichever language.
fn is_row_count(line: &str) -> bool {
    line.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).and_then(|inner| inner.split_once(' ')).is_some_and(
        |(number, word)| {
            !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && word.chars().all(char::is_alphabetic)
        },
    )
}

fn is_rule(line: &str) -> bool {
    line.chars().all(|char| matches!(char, '-' | '+' | '|' | ':' | ' ') || ('\u{2500}'..='\u{257f}').contains(&char))
        && line.contains(['-', '─', '═'])
}

/// Takes off the column's borders and the mark of a value that goes on in the next line.
fn strip_border(line: &str) -> &str {
    let mut body = line.trim_end();
    if let Some(inner) = body.strip_prefix(['|', '│']) {
        body = inner.strip_suffix(['|', '│']).unwrap_or(inner).trim_end();
    }
    body.strip_suffix(['+', '↵']).unwrap_or(body).trim_end()
}

/// Collects findings while an input is read, and keeps the reader's limits.
///
/// Findings of which an input can have thousands are counted, and said once at their first place.
pub(crate) struct Notes<'a> {
    name: &'a str,
    index: &'a LineIndex<'a>,
    findings: Vec<Finding>,
    nodes: usize,
    /// Offset of the first and number of: nodes too deep, nodes too many, nameless nodes, lines not understood.
    deep: Count,
    many: Count,
    nameless: Count,
    unread: Count,
}

#[derive(Clone, Copy, Default)]
struct Count {
    first: usize,
    times: usize,
}

impl Count {
    fn add(&mut self, at: usize) {
        if self.times == 0 {
            self.first = at;
        }
        self.times += 1;
    }
}

impl<'a> Notes<'a> {
    fn new(name: &'a str, index: &'a LineIndex<'a>) -> Self {
        let count = Count::default();
        Self { name, index, findings: Vec::new(), nodes: 0, deep: count, many: count, nameless: count, unread: count }
    }

    fn push(&mut self, at: usize, finding: impl FnOnce(dbopt_finding::Place) -> Finding) {
        let place = self.index.place(self.name, at);
        self.findings.push(finding(place));
    }

    /// Whether another node may be added below `depth` open ones; says so when it may not.
    pub(crate) fn may_add_node(&mut self, depth: usize, at: usize) -> bool {
        if depth >= MAX_DEPTH {
            self.deep.add(at);
            return false;
        }
        if self.nodes >= MAX_NODES {
            self.many.add(at);
            return false;
        }
        self.nodes += 1;
        true
    }

    pub(crate) fn truncated(&mut self, at: usize) {
        // The end is after the last line feed; the place is more telling at the last line that has text.
        let at = at.saturating_sub(1);
        self.push(at, |place| {
            Finding::warning("plan-truncated", "the plan is cut off")
                .help("What was there is used; raise the limit of whatever cut it, or take the plan with EXPLAIN.")
                .at(place)
        });
    }

    pub(crate) fn syntax(&mut self, at: usize, expected: &str) {
        self.push(at, |place| Finding::error("plan-syntax", format!("expected {expected}")).at(place));
    }

    pub(crate) fn value_too_deep(&mut self, at: usize) {
        self.push(at, |place| Finding::error("plan-syntax", "a value is nested too deeply").at(place));
    }

    pub(crate) fn utility(&mut self, at: usize) {
        self.push(at, |place| {
            Finding::note("plan-utility", "a utility statement has no plan and is left out").at(place)
        });
    }

    pub(crate) fn no_plan_in_object(&mut self, at: usize) {
        self.push(at, |place| Finding::warning("plan-missing", "an object without `Plan` is left out").at(place));
    }

    pub(crate) fn nameless_node(&mut self, at: usize) {
        self.nameless.add(at);
    }

    /// A line or the rest of a text that belongs to no plan.
    pub(crate) fn trailing(&mut self, at: usize) {
        self.unread.add(at);
    }

    fn finish(mut self) -> Vec<Finding> {
        let Self { deep, many, nameless, unread, .. } = self;
        if deep.times > 0 {
            self.push(deep.first, |place| {
                let message = format!("the plan nests deeper than {MAX_DEPTH} nodes; what lies deeper is left out");
                Finding::error("plan-too-deep", message).at(place)
            });
        }
        if many.times > 0 {
            self.push(many.first, |place| {
                let message = format!("more than {MAX_NODES} plan nodes; {} are left out", many.times);
                Finding::error("plan-too-large", message).at(place)
            });
        }
        if nameless.times > 0 {
            self.push(nameless.first, |place| {
                Finding::error("plan-syntax", format!("{} without `Node Type`", plural(nameless.times, "plan node")))
                    .at(place)
            });
        }
        if unread.times > 0 {
            self.push(unread.first, |place| {
                let message = format!("{} not understood and left out", plural(unread.times, "line"));
                Finding::warning("plan-line-unread", message).at(place)
            });
        }
        self.findings
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_off() {
        let check = |text: &str, expected: &str| assert_eq!(unframe(text), expected, "{text}");
        check(" QUERY PLAN \n-----\n Result +\n(1 row)\n", "\n\n Result\n\n");
        check("+---+\n| QUERY PLAN |\n+---+\n| [  +|\n| ]   |\n+---+\n(1 row)", "+---+\n\n\n [\n ]\n\n\n");
        check(
            "\"QUERY PLAN\"\n\"[\n \"\"Plan\"\"\n]\"\n",
            "QUERY PLAN\n[\n \"Plan\"\n]\n".replace("QUERY PLAN", "").as_str(),
        );
        check("a + b +\n", "a + b +\n");
    }

    #[test]
    fn nothing_is_an_error() {
        for text in ["", "  \n", "\u{feff}", "hello", "\0\u{1}\u{fffd}", "(0 rows)", "{}", "[]", "[1]", "\"[\""] {
            let (plans, findings) = parse("in", text);
            assert!(plans.is_empty());
            assert!(findings.iter().any(|f| f.severity == dbopt_finding::Severity::Error), "{text:?} {findings:?}");
            fuzz_parse(text.as_bytes());
        }
    }

    #[test]
    fn other_formats_are_named() {
        let (_, findings) = parse("p.xml", "<explain xmlns=\"http://www.postgresql.org/2009/explain\">");
        assert_eq!(findings[0].to_string(), "p.xml:1:1: EXPLAIN's `XML` format is not read");
        let (_, findings) = parse("p.yaml", "- Plan:\n    Node Type: \"Result\"");
        assert_eq!(findings[0].to_string(), "p.yaml:1:1: EXPLAIN's `YAML` format is not read");
    }
}
