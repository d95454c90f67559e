//! What was found while a policy is read, with the sources it was found in.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
};

use dbopt_finding::{Finding, LineIndex, Severity};

use crate::suggest::suggest;

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
    /// What may not be shown: secrets written where a reference belongs.
    withheld: Vec<Origin>,
    /// Names of keys whose values are references to secrets.
    secret_keys: BTreeSet<&'static str>,
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

    /// Adds a fault of TOML itself; nothing more is said about its line.
    pub(crate) fn push_syntax(&mut self, origin: &Origin, finding: Finding) {
        // Further faults on a line mostly come of its first.
        if !self.on_broken_line(origin) {
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

    /// Names the keys whose values are references to secrets, so that a line with such a key is not shown when a fault
    /// keeps its value from being read.
    pub(crate) fn set_secret_keys(&mut self, names: BTreeSet<&'static str>) {
        self.secret_keys = names;
    }

    /// Whether the document has a place for secrets.
    pub(crate) fn has_secret_keys(&self) -> bool {
        !self.secret_keys.is_empty()
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
            findings.push(match origin {
                None => finding,
                Some(origin) => {
                    let source = &self.sources[origin.file];
                    let index = &indexes[origin.file];
                    let mut place = index.place(&source.name, origin.span.start);
                    let secret = place.position.is_some_and(|at| hidden.contains(&(origin.file, at.line)));
                    place.snippet = place.snippet.filter(|line| {
                        !secret
                            && !source.text.is_empty()
                            && line.len() <= LONGEST_SNIPPET
                            // These two are about references that were read and are none but references.
                            && (["missing-secret", "open-secret"].contains(&finding.code.0) || !self.names_secret(line))
                    });
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

    /// Whether a line has a word like the key of a secret. Every word counts, because a line with a fault has no parts to
    /// rely on: the key may be misspelt, twice there, or without its `=`.
    fn names_secret(&self, line: &str) -> bool {
        let words = line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '-'));
        let mut words = words.filter(|word| !word.is_empty());
        self.has_secret_keys() && words.any(|word| suggest(word, self.secret_keys.iter().copied()).is_some())
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
