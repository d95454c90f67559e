//! Events: what one block of a log says, in a form small enough to hand over to the ordered part.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::ops::Range;

use memchr::memmem;

use crate::Fingerprint;
use crate::model::PlanFormat;
use crate::time::Timestamp;
use crate::{hash, sql};

/// A text within a block: in its own bytes, or in the side buffer of unescaped texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    const ASIDE: u32 = 1 << 31;

    /// A range of the block's own bytes. Blocks stay below 2 GiB.
    pub(crate) fn raw(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    /// A range of the side buffer.
    pub(crate) fn aside(range: Range<usize>) -> Self {
        Self { start: range.start as u32 | Self::ASIDE, end: range.end as u32 | Self::ASIDE }
    }

    /// Where it begins in its buffer.
    pub(crate) fn offset(self) -> usize {
        (self.start & !Self::ASIDE) as usize
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// A part of the span by offsets from its start.
    pub(crate) fn part(self, range: Range<usize>) -> Self {
        Self { start: self.start + range.start as u32, end: self.start + range.end as u32 }
    }
}

/// Which step of which protocol a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A simple query, or a fast-path function call.
    Statement,
    /// A simple query that runs `EXECUTE`; what was prepared stands in the detail.
    SqlExecute,
    /// Extended protocol, parse.
    Parse,
    /// Extended protocol, bind.
    Bind,
    /// Extended protocol, execute.
    Execute,
    /// Extended protocol, execute of a named portal, which may be fetched from further.
    Portal,
    /// Extended protocol, a further fetch of a portal.
    Fetch,
}

/// A statement's text and what it is grouped by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) text: Span,
    pub(crate) fingerprint: Fingerprint,
}

/// What a record says, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// `duration: … statement: …` and the like.
    Timed { ns: u64, step: Step, query: Query },
    /// `duration: …` alone.
    Bare { ns: u64 },
    /// `statement: …` or `execute …: …` of `log_statement`.
    Announced { step: Step, query: Query },
    /// A plan of auto_explain. `query` is missing when its text cannot be told from the plan.
    Plan { ns: u64, body: Span, format: PlanFormat, query: Option<Query> },
    /// `ERROR` and worse; the message is its first line.
    Error { severity: &'static str, sqlstate: Option<[u8; 5]>, message: Span, class: u64 },
    /// `temporary file: … size n`.
    TempFile { bytes: u64 },
    /// `still waiting for`.
    LockWait { ns: u64 },
    /// `acquired`.
    LockAcquired { ns: u64 },
    /// `checkpoint complete`.
    Checkpoint,
    /// `restartpoint complete`.
    Restartpoint,
    /// `automatic vacuum of table`.
    Autovacuum,
    /// `automatic analyze of table`.
    Autoanalyze,
    /// `connection authorized`.
    Connection,
    /// `disconnection`.
    Disconnection,
    /// `WARNING`.
    Warning,
    /// Any other record.
    Other,
    /// Parameters in the detail of the record before in the session.
    Parameters(Span),
    /// The `PREPARE` in the detail of an `EXECUTE`.
    Prepared(Query),
    /// A context of the record before in the session.
    Context,
    /// The statement of the record before in the session.
    Statement(Query),
}

impl What {
    /// Whether it starts a record, rather than belonging to the one before.
    pub(crate) fn is_primary(self) -> bool {
        !matches!(self, Self::Parameters(_) | Self::Prepared(_) | Self::Context | Self::Statement(_))
    }
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// Offset of the record in the block.
    pub(crate) at: u32,
    /// Index in [`Parsed::contexts`].
    pub(crate) context: u32,
    /// What tells sessions apart; 0 when nothing does.
    pub(crate) session: u64,
    /// When, if the record says so.
    pub(crate) when: Option<Timestamp>,
    pub(crate) what: What,
}

/// Who and where: what events of a session share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context {
    pub(crate) user: Span,
    pub(crate) database: Span,
    pub(crate) application: Span,
}

/// What was read of one block.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The block.
    pub(crate) bytes: Vec<u8>,
    /// Unescaped texts.
    pub(crate) aside: Vec<u8>,
    /// Whether continuation lines in `bytes` begin with a TAB that does not belong to the text.
    pub(crate) tabbed: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) contexts: Vec<Context>,
    /// Fingerprints of texts that were met before, in this block or an earlier one; lent by the thread that reads it.
    pub(crate) known: KnownTexts,
    /// Newlines in the block.
    pub(crate) lines: u64,
    pub(crate) records: u64,
    pub(crate) recognised: u64,
    pub(crate) with_duration: u64,
    /// Why things were left out: how many, and the offset of the first.
    pub(crate) skipped: Vec<(&'static str, u64, usize)>,
    /// Whether times are written to the millisecond.
    pub(crate) precise: bool,
    /// Offset of a line in another language.
    pub(crate) foreign: Option<(&'static str, usize)>,
    /// Whether a zone abbreviation was not known.
    pub(crate) zone_unknown: bool,
}

impl Parsed {
    /// The bytes of a span, as they stand in the input.
    pub(crate) fn slice(&self, span: Span) -> &[u8] {
        let (buffer, mask) =
            if span.start & Span::ASIDE == 0 { (&self.bytes, u32::MAX) } else { (&self.aside, !Span::ASIDE) };
        buffer.get((span.start & mask) as usize..(span.end & mask) as usize).unwrap_or_default()
    }

    /// The text of a span as the server meant it: without the TABs of continuation lines, and as UTF-8.
    pub(crate) fn text(&self, span: Span) -> String {
        let bytes = self.slice(span);
        let bytes = if self.tabbed && span.start & Span::ASIDE == 0 { untab(bytes) } else { Cow::Borrowed(bytes) };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A statement of the extended protocol and its fingerprint. Such texts come again and again to the letter, so it is
    /// cheaper to recognise one than to read it once more.
    pub(crate) fn repeated_query(&mut self, text: Span) -> Query {
        let mut known = std::mem::take(&mut self.known);
        let fingerprint = known.fingerprint(self.slice(text));
        self.known = known;
        Query { text, fingerprint }
    }

    /// Puts a text into the side buffer.
    pub(crate) fn put_aside(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.aside.len();
        write(&mut self.aside);
        Span::aside(start..self.aside.len())
    }

    /// Counts something left out.
    pub(crate) fn skip(&mut self, why: &'static str, at: usize) {
        match self.skipped.iter_mut().find(|(held, ..)| *held == why) {
            Some((_, count, _)) => *count += 1,
            None => self.skipped.push((why, 1, at)),
        }
    }

    /// Empties everything but keeps the memory.
    pub(crate) fn clear(&mut self) {
        let Self { bytes, aside, events, contexts, skipped, known, .. } = std::mem::take(self);
        *self = Self { bytes, aside, events, contexts, skipped, known, ..Self::default() };
        self.bytes.clear();
        self.aside.clear();
        self.events.clear();
        self.contexts.clear();
        self.skipped.clear();
    }
}

/// A table of texts and their fingerprints. A text has two places; a new one takes the first from the text there, which
/// moves to the second.
#[derive(Default)]
pub(crate) struct KnownTexts {
    places: Vec<(Vec<u8>, Fingerprint)>,
}

impl KnownTexts {
    const PLACES: usize = 4_096;
    /// Longer texts are read each time.
    const LONGEST: usize = 2_048;

    fn fingerprint(&mut self, text: &[u8]) -> Fingerprint {
        if text.len() > Self::LONGEST || text.is_empty() {
            return sql::fingerprint(text);
        }
        if self.places.is_empty() {
            self.places.resize(Self::PLACES, (Vec::new(), Fingerprint(0)));
        }
        let hash = hash::fixed().hash_one(text);
        let places = [hash, hash >> 32].map(|part| part as usize % Self::PLACES);
        for place in places {
            let (held, fingerprint) = &self.places[place];
            if held.as_slice() == text {
                return *fingerprint;
            }
        }
        self.places.swap(places[0], places[1]);
        let (held, fingerprint) = &mut self.places[places[0]];
        held.clear();
        held.extend_from_slice(text);
        *fingerprint = sql::fingerprint(text);
        *fingerprint
    }
}

impl std::fmt::Debug for KnownTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownTexts").finish_non_exhaustive()
    }
}

/// Takes the TAB away that the server puts after each newline of a text.
pub(crate) fn untab(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memmem::find(bytes, b"\n\t") else { return Cow::Borrowed(bytes) };
    let mut text = bytes[..=first].to_vec();
    let mut rest = &bytes[first + 2..];
    while let Some(next) = memmem::find(rest, b"\n\t") {
        text.extend_from_slice(&rest[..=next]);
        rest = &rest[next + 2..];
    }
    text.extend_from_slice(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_tabs_go() {
        assert_eq!(untab(b"a\n\tb\n\t\tc\td\n"), &b"a\nb\n\tc\td\n"[..]);
        assert_eq!(untab(b"ab"), &b"ab"[..]);
    }

    #[test]
    fn texts_that_share_a_place_keep_their_own_fingerprints() {
        let mut known = KnownTexts::default();
        let texts: Vec<String> =
            (0..3 * KnownTexts::PLACES).map(|n| format!("select c{n} from t where id = $1")).collect();
        for text in texts.iter().chain(&texts) {
            assert_eq!(known.fingerprint(text.as_bytes()), sql::fingerprint(text.as_bytes()));
            assert_eq!(known.fingerprint(text.as_bytes()), sql::fingerprint(text.as_bytes()));
        }
    }

    #[test]
    fn events_stay_small() {
        assert!(size_of::<Event>() <= 112, "{}", size_of::<Event>());
    }
}
