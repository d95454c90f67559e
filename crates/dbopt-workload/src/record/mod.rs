//! Log records: from the bytes of one block to compact events, without any state that outlives the block.
//!
//! A block is cut at record boundaries ([`crate::input`]), so blocks can be read by any number of threads; what
//! belongs together across records is put together afterwards, in order, by [`crate::session`].

pub(crate) mod arguments;
pub(crate) mod clock;
pub(crate) mod csv;
pub(crate) mod event;
pub(crate) mod infer;
pub(crate) mod json;
pub(crate) mod message;
mod near;
pub(crate) mod parameters;
pub(crate) mod plan;
pub(crate) mod prefix;
pub(crate) mod severity;
pub(crate) mod stderr;

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashMap;

use self::event::{Context, Parsed, Span};
use crate::hash;

/// Why a record is left out: it holds NUL bytes, which no server writes.
pub(crate) const NUL: &str = "with NUL bytes";
/// Why a line is left out: it has a severity but another prefix.
pub(crate) const MISFIT: &str = "with another prefix";
/// Why a line is left out: its severity is written in another language.
pub(crate) const FOREIGN: &str = "not in English";
/// Why a line is left out: it belongs to no record.
pub(crate) const ORPHAN: &str = "outside any record";
/// Why a record is left out: it is not complete or not well-formed.
pub(crate) const BROKEN: &str = "broken";

/// Finds the index of a session's names among those of the block.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    by_hash: HashMap<u64, u32>,
    last: Option<u32>,
}

impl Contexts {
    /// Forgets the block before.
    pub(crate) fn clear(&mut self) {
        self.by_hash.clear();
        self.last = None;
    }

    /// The index of these names in `parsed.contexts`.
    pub(crate) fn index(&mut self, parsed: &mut Parsed, user: Span, database: Span, application: Span) -> u32 {
        if let Some(last) = self.last {
            let held = parsed.contexts[last as usize];
            if parsed.slice(held.user) == parsed.slice(user)
                && parsed.slice(held.database) == parsed.slice(database)
                && parsed.slice(held.application) == parsed.slice(application)
            {
                return last;
            }
        }
        let mut hasher = hash::fixed().build_hasher();
        for span in [user, database, application] {
            let name = parsed.slice(span);
            hasher.write_usize(name.len());
            hasher.write(name);
        }
        let contexts = &mut parsed.contexts;
        let index = *self.by_hash.entry(hasher.finish()).or_insert_with(|| {
            contexts.push(Context { user, database, application });
            contexts.len() as u32 - 1
        });
        self.last = Some(index);
        index
    }
}
