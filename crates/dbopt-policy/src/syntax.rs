//! TOML text to a tree, with every fault of the text.
//!
//! The `toml` crate recovers from faults and reports them all, but without a bound; a first pass over its parser's
//! events bounds their number and the number of keys before anything is built. The grammar is
//! <https://toml.io/en/v1.1.0>.

use dbopt_finding::Finding;
use toml::de::DeTable;
use toml_parser::parser::{Event, EventKind, RecursionGuard};

use crate::{
    log::{Log, Origin},
    tree::{self, Entries},
};

/// Most keys and values of one file. Findings and trees of such a file stay below some tens of megabytes.
const MOST_ITEMS: usize = 100_000;
/// Most faults of the grammar for which the rest of the file is still looked at.
const MOST_FAULTS: usize = 1_000;
/// Nesting at which the first pass no longer follows.
const DEEPEST: u32 = 80;

/// The tree of a source that is in the log already, as far as it could be read.
pub(crate) fn parse(file: usize, log: &mut Log) -> Entries {
    let text = std::mem::take(&mut log.sources[file].text);
    let look = look(&text);
    let parsed = (look.items <= MOST_ITEMS && look.faults <= MOST_FAULTS).then(|| DeTable::parse_recoverable(&text));
    log.sources[file].text.clone_from(&text);
    let length = text.len();
    let origin = |span: Option<std::ops::Range<usize>>| {
        let start = span.as_ref().map_or(0, |span| span.start).min(length);
        Origin { file, span: start..span.map_or(start, |span| span.end).clamp(start, length) }
    };
    let Some((table, errors)) = parsed else {
        let finding = if look.items > MOST_ITEMS {
            let message = format!("the file holds more than {MOST_ITEMS} keys and values");
            Finding::error("policy-too-large", message)
        } else {
            let message = format!("the file is not TOML: it has {} faults, of which this is the first", look.faults);
            Finding::error("bad-toml", message).help("See https://toml.io for how a file is written.")
        };
        log.push_syntax(&origin(look.first), finding);
        return Entries::new();
    };
    for error in errors {
        let origin = origin(error.span());
        if error.message().starts_with("duplicate key") {
            let finding = Finding::error("duplicate-key", "key is defined twice");
            log.push_unread(&origin, finding.help("Keep one of the two."));
        } else {
            log.push_syntax(&origin, finding(error.message(), &text));
        }
    }
    tree::entries(table.get_ref(), file, log)
}

/// What a first look at a text found.
#[derive(Default)]
struct Look {
    items: usize,
    faults: usize,
    first: Option<std::ops::Range<usize>>,
}

fn look(text: &str) -> Look {
    let source = toml_parser::Source::new(text);
    let tokens = source.lex().into_vec();
    let mut items = 0;
    let mut count = |event: Event| {
        items += usize::from(matches!(event.kind(), EventKind::SimpleKey | EventKind::Scalar | EventKind::ArrayOpen));
    };
    let mut faults = 0;
    let mut first = None;
    let mut note = |error: toml_parser::ParseError| {
        faults += 1;
        let span = error.unexpected().or(error.context());
        first = first.take().or(span.map(|span| span.start()..span.end()));
    };
    toml_parser::parser::parse_document(&tokens, &mut RecursionGuard::new(&mut count, DEEPEST), &mut note);
    Look { items, faults, first }
}

/// The parser's message in our words where ours say more.
fn finding(message: &str, text: &str) -> Finding {
    if message.starts_with("cannot recurse") || message.starts_with("recursion limit") {
        return tree::too_deep();
    }
    let finding = Finding::error("bad-toml", message.to_owned());
    if text.starts_with(['{', '[']) && text.trim_end().ends_with(['}', ']']) && text.contains("\":") {
        return finding.help("This looks like JSON; a policy is written in TOML.");
    }
    finding
}
