//! Places under limits of concurrent requests.

use std::{fmt, sync::Arc};

use crate::{Lease, decision::Source};

/// Places that a request holds. Dropping them gives them back: at once when the store is in memory or the limiter can spawn
/// ([`crate::Options::spawn`]), and else before the limiter's next check, since giving back to an engine takes a conversation.
#[derive(Default)]
pub struct Permits {
    held: Vec<(Source, Lease)>,
    back: Option<Arc<dyn GiveBack>>,
}

/// Takes places back without waiting.
pub(crate) trait GiveBack: Send + Sync {
    fn give_back(&self, source: Source, lease: Lease);
}

impl Permits {
    /// How many places are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no place is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes over what another holds.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.held.append(&mut other.held);
        if self.back.is_none() {
            self.back = other.back.take();
        }
    }

    pub(crate) fn hold(&mut self, source: Source, lease: Lease, back: impl FnOnce() -> Arc<dyn GiveBack>) {
        self.held.push((source, lease));
        self.back.get_or_insert_with(back);
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        if let Some(back) = &self.back {
            for (source, lease) in self.held.drain(..) {
                back.give_back(source, lease);
            }
        }
    }
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permits({})", self.held.len())
    }
}
