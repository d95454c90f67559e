//! What was found while a policy is read, with the sources it was found in.
//!
//! A finding shows its source line only when the line was understood: a secret that somebody wrote into a policy stands in
//! a place that is not meant for it, such as an unknown key, another type, or a line that is no TOML.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
};

use dbopt_finding::{Finding, LineIndex, Severity};

/// Most findings told of one document.
const MOST_FINDINGS: usize = 1_000;
/// Source lines longer than this many bytes are not shown.
const LONGEST_SNIPPET: usize = 2_000;

/// One file of a policy.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its name as people know it.
    pub(crate) name: String,
    /// Its text, empty when it could not be read.
    pub(crate) text: String,
    /// The folder that paths in it are relative to; none for a text that is no file.
    pub(crate) folder: Option<PathBuf>,
    /// Where it is included from; none for the first.
    pub(crate) included_at: Option<Origin>,
}

/// A range of bytes in one of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Which source.
    pub(crate) file: usize,
    /// Which bytes of it.
    pub(crate) span: Range<usize>,
}

/// A finding, and what it is about.
#[derive(Debug)]
struct Pending {
    finding: Finding,
    origin: Option<Origin>,
    /// A second place that the message ends with.
    other: Option<Origin>,
}

/// Sources, and findings that are not placed yet.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) sources: Vec<Source>,
    pending: Vec<Pending>,
    /// What may not be shown, because it was not understood and may be a secret.
    withheld: Vec<Origin>,
    /// Lines with a fault of TOML itself, on which nothing else is to be said: file and start, to their end.
    broken: BTreeMap<(usize, usize), usize>,
    /// Whether an include could not be read.
    incomplete: bool,
    /// How many findings were dropped for want of room.
    dropped: usize,
}

impl Log {
    /// Adds a finding.
    pub(crate) fn push(&mut self, origin: Option<&Origin>, finding: Finding) {
        self.add(origin, None, finding);
    }

    /// Adds a finding about two places; its message ends with the second.
    pub(crate) fn push_two(&mut self, origin: &Origin, other: &Origin, finding: Finding) {
        self.add(Some(origin), Some(other), finding);
    }

    /// Adds a finding about something that is not understood, whose lines are shown in no finding.
    pub(crate) fn push_unread(&mut self, origin: &Origin, finding: Finding) {
        self.withhold(origin);
        self.push(Some(origin), finding);
    }

    /// Adds a fault of TOML itself; nothing more is said about its line.
    pub(crate) fn push_syntax(&mut self, origin: &Origin, finding: Finding) {
        // Further faults on a line mostly come of its first.
        if !self.on_broken_line(origin) {
            self.withhold(origin);
            self.keep(Pending { finding, origin: Some(origin.clone()), other: None });
            let text = self.sources[origin.file].text.as_bytes();
            let start = text[..origin.span.start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let length = text[origin.span.start..].iter().position(|byte| *byte == b'\n');
            let end = length.map_or(text.len(), |length| origin.span.start + length);
            self.broken.insert((origin.file, start), end);
        }
    }

    /// Notes that an include could not be read.
    pub(crate) fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Whether something could not be read, so that a missing key may only be unread.
    pub(crate) fn is_broken(&self) -> bool {
        self.incomplete || !self.broken.is_empty()
    }

    /// Keeps the source lines of an origin out of all findings.
    pub(crate) fn withhold(&mut self, origin: &Origin) {
        self.withheld.push(origin.clone());
    }

    /// Whether a key stands in a table whose header could not be read, so that nobody knows what table that is.
    pub(crate) fn is_under_broken_header(&self, key: &Origin) -> bool {
        let text = &self.sources[key.file].text;
        let mut start = key.span.start;
        while let Some(line_end) = text.get(..start).and_then(|before| before.rfind('\n')) {
            start = text[..line_end].rfind('\n').map_or(0, |at| at + 1);
            if text[start..].trim_start_matches([' ', '\t']).starts_with('[') {
                return self.broken.contains_key(&(key.file, start));
            }
        }
        false
    }

    /// Whether any finding is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.pending.iter().any(|pending| pending.finding.severity == Severity::Error)
    }

    /// The findings with their places, in the order of the files and their lines.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.pending.sort_by_key(|pending| pending.origin.as_ref().map(|origin| (origin.file, origin.span.start)));
        let indexes: Vec<_> = self.sources.iter().map(|source| LineIndex::new(&source.text)).collect();
        let hidden: BTreeSet<(usize, u64)> = self
            .withheld
            .iter()
            .flat_map(|origin| {
                let line = |at| indexes[origin.file].position(at).line;
                (line(origin.span.start)..=line(origin.span.end)).map(|line| (origin.file, line))
            })
            .collect();
        let mut findings = Vec::with_capacity(self.pending.len() + 1);
        for Pending { mut finding, origin, other } in std::mem::take(&mut self.pending) {
            if let Some(other) = other {
                let position = indexes[other.file].position(other.span.start);
                let name = &self.sources[other.file].name;
                finding.message.push_str(&format!(" {name}:{}:{}", position.line, position.column));
            }
            if let Some(at) = origin.as_ref().and_then(|origin| self.sources[origin.file].included_at.as_ref()) {
                let line = indexes[at.file].position(at.span.start).line;
                finding.message.push_str(&format!(" (included by {}:{line})", self.sources[at.file].name));
            }
            findings.push(match origin {
                None => finding,
                Some(origin) => {
                    let source = &self.sources[origin.file];
                    let index = &indexes[origin.file];
                    let mut place = index.place(&source.name, origin.span.start);
                    let is_hidden = place.position.is_some_and(|at| hidden.contains(&(origin.file, at.line)));
                    // What concerns the whole file is not about its first line.
                    let is_shown = !is_hidden && !origin.span.is_empty();
                    place.snippet = place.snippet.filter(|line| is_shown && line.len() <= LONGEST_SNIPPET);
                    if finding.code.0 == "unreadable-file" && origin.span.is_empty() {
                        place.position = None;
                    }
                    finding.at(place)
                }
            });
        }
        if self.dropped > 0 {
            let message = format!("{} more findings are not shown", self.dropped);
            findings.push(Finding::error("too-many-findings", message).help("Mend the first ones and check again."));
        }
        findings
    }

    fn add(&mut self, origin: Option<&Origin>, other: Option<&Origin>, finding: Finding) {
        if !origin.is_some_and(|origin| self.on_broken_line(origin)) {
            self.keep(Pending { finding, origin: origin.cloned(), other: other.cloned() });
        }
    }

    fn keep(&mut self, pending: Pending) {
        if self.pending.len() < MOST_FINDINGS {
            self.pending.push(pending);
        } else {
            self.dropped += 1;
        }
    }

    fn on_broken_line(&self, origin: &Origin) -> bool {
        let at = origin.span.start;
        let line = self.broken.range(..=(origin.file, at)).next_back();
        line.is_some_and(|((file, _), end)| *file == origin.file && at <= *end)
    }
}
