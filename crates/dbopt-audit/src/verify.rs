//! Finding what was changed, removed, moved or inserted.
//!
//! The verifier is fed one record after another and keeps only the head of the chain so far. When a record does not
//! follow, it cannot know yet whether that record is foreign or the ones before it are missing; so it keeps both possibilities and
//! lets the next record choose. This resynchronises after every fault, so that one fault hides no other.

use std::collections::BTreeMap;

use crate::anchor::Anchor;
use crate::record::{Hash, Record};

/// Faults that are kept; further ones are only counted, which bounds the memory that a hostile file can take.
const MOST_FAULTS: usize = 10_000;

/// Something wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which record of the input it was found at, counted from 1; in a file, its line.
    pub position: u64,
    /// What it is.
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The line is no record.
    Unreadable,
    /// The content of the record is not what its hash is of.
    Changed {
        /// The number it claims.
        sequence: u64,
    },
    /// The record does not hold the hash of the one before it: that one was replaced, or this one.
    Unlinked {
        /// Its number.
        sequence: u64,
    },
    /// Records are not there.
    Missing {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The record belongs to another place.
    Moved {
        /// Its number.
        sequence: u64,
    },
    /// The record does not belong to the chain.
    Inserted {
        /// The number it claims.
        sequence: u64,
    },
    /// The record has another hash than an anchor says: the chain was rewritten up to here or before.
    NotAnchored {
        /// Its number.
        sequence: u64,
    },
    /// The chain ends before an anchored record.
    Truncated {
        /// The last record that is there.
        last: u64,
        /// The anchored one.
        anchored: u64,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// The head: number and hash of the last record that follows.
    pub head: Option<(u64, Hash)>,
    /// Anchors that were confirmed.
    pub anchors: u64,
    /// The faults by position, as far as they are kept.
    pub faults: Vec<Fault>,
    /// All faults, those that are not kept included.
    pub fault_count: u64,
}

/// A place in the chain: what the next record must be.
#[derive(Clone, Copy, Debug)]
struct Place {
    expected: u64,
    /// The hashes that may precede; two after a record whose hash is not that of its content, none when nothing is known.
    previous: Option<[Hash; 2]>,
}

/// A record that did not follow, until the next one tells why.
#[derive(Debug)]
struct Doubt {
    /// The chain goes on from here when the record belongs to it.
    after: Place,
    /// The fault when the record is foreign.
    foreign: Option<Fault>,
    /// The fault when it belongs to the chain.
    own: Option<Fault>,
    /// Whether these are one or more lines that are no record, each of which may stand in the place of one.
    is_unreadable: bool,
}

/// Verifies a chain, record by record.
#[derive(Debug)]
pub struct Verifier {
    first: u64,
    /// Whether only records before the first were seen.
    is_before: bool,
    place: Place,
    doubt: Option<Doubt>,
    records: u64,
    head: Option<(u64, Hash)>,
    faults: Vec<Fault>,
    fault_count: u64,
    /// Hash, and whether a record with that number was seen and was right.
    anchors: BTreeMap<u64, (Hash, Option<(u64, bool)>)>,
    /// Anchors of one number that differ from each other, of which one at least is wrong.
    contradictions: Vec<u64>,
}

impl Verifier {
    /// A verifier of a chain from record `first` on: 1, unless it is a part. What stands before that record is left alone.
    #[must_use]
    pub fn new(first: u64, anchors: &[Anchor]) -> Self {
        let mut verifier = Self {
            first,
            is_before: first > 1,
            place: Place { expected: first, previous: (first == 1).then_some([Hash::ZERO; 2]) },
            doubt: None,
            records: 0,
            head: None,
            faults: Vec::new(),
            fault_count: 0,
            anchors: BTreeMap::new(),
            contradictions: Vec::new(),
        };
        for anchor in anchors.iter().filter(|anchor| anchor.sequence >= first) {
            let (known, _) = *verifier.anchors.entry(anchor.sequence).or_insert((anchor.hash, None));
            if known != anchor.hash {
                verifier.contradictions.push(anchor.sequence);
            }
        }
        verifier
    }

    /// Takes what is no record.
    pub fn unreadable(&mut self) {
        self.records += 1;
        let position = self.records;
        self.fault(Fault { position, kind: FaultKind::Unreadable });
        let before = match self.doubt.take() {
            Some(Doubt { after, is_unreadable: true, .. }) => after,
            doubt => {
                self.doubt = doubt;
                self.settle(None);
                self.place
            }
        };
        // It may stand in the place of a record, whose hash is then unknown.
        let after = Place { expected: before.expected.saturating_add(1), previous: None };
        self.doubt = Some(Doubt { after, foreign: None, own: None, is_unreadable: true });
    }

    /// Takes the next record.
    pub fn record(&mut self, record: &Record) {
        self.records += 1;
        let position = self.records;
        let (sequence, computed) = (record.sequence, record.computed_hash());
        let is_whole = computed == record.hash;
        if self.is_before && sequence < self.first {
            self.doubt = None;
            if sequence + 1 == self.first {
                self.place.previous = Some([record.hash, computed]);
            }
            return;
        }
        self.is_before = false;
        if let Some((hash, seen)) = self.anchors.get_mut(&sequence) {
            let is_right = is_whole && *hash == record.hash;
            *seen = Some((position, is_right || seen.is_some_and(|(_, was_right)| was_right)));
        }
        self.settle(is_whole.then_some(record));
        let next =
            |expected: u64| Place { expected: expected.saturating_add(1), previous: Some([record.hash, computed]) };
        if !is_whole {
            self.fault(Fault { position, kind: FaultKind::Changed { sequence } });
            let after = next(self.place.expected);
            self.doubt = Some(Doubt { after, foreign: None, own: None, is_unreadable: false });
        } else if self.place.is_followed_by(record) {
            self.place = next(sequence);
            self.head = Some((sequence, record.hash));
        } else if sequence < self.place.expected {
            self.fault(Fault { position, kind: FaultKind::Inserted { sequence } });
        } else {
            let first = self.place.expected;
            let own = if sequence == first {
                FaultKind::Unlinked { sequence }
            } else {
                FaultKind::Missing { first, last: sequence - 1 }
            };
            self.doubt = Some(Doubt {
                after: next(sequence),
                foreign: Some(Fault { position, kind: FaultKind::Inserted { sequence } }),
                own: Some(Fault { position, kind: own }),
                is_unreadable: false,
            });
        }
    }

    /// Ends the chain.
    #[must_use]
    pub fn finish(mut self) -> Report {
        // What is no record at the end is a torn line rather than a record.
        self.doubt = self.doubt.filter(|doubt| !doubt.is_unreadable);
        self.settle(None);
        if self.is_before {
            let kind = FaultKind::Missing { first: self.first, last: self.first };
            self.fault(Fault { position: self.records, kind });
        }
        let last = self.place.expected.saturating_sub(1);
        let position = self.records;
        let mut confirmed = 0;
        for (sequence, (_, seen)) in std::mem::take(&mut self.anchors) {
            match seen {
                Some((_, true)) if !self.contradictions.contains(&sequence) => confirmed += 1,
                Some((position, _)) => self.fault(Fault { position, kind: FaultKind::NotAnchored { sequence } }),
                None if sequence > last => {
                    self.fault(Fault { position, kind: FaultKind::Truncated { last, anchored: sequence } });
                }
                // It is among the missing.
                None => {}
            }
        }
        self.name_the_moved();
        self.faults.sort_by_key(|fault| fault.position);
        Report {
            records: self.records,
            head: self.head,
            anchors: confirmed,
            faults: self.faults,
            fault_count: self.fault_count,
        }
    }

    /// Decides a doubt by the next whole record, or at an end in favour of the record that raised it.
    fn settle(&mut self, next: Option<&Record>) {
        let Some(mut doubt) = self.doubt.take() else { return };
        if let Some(next) = next.filter(|_| doubt.is_unreadable) {
            // As many of the lines stand for records as are not there otherwise.
            if next.sequence <= self.place.expected {
                return;
            }
            doubt.after.expected = doubt.after.expected.min(next.sequence);
        }
        // When the next one follows neither, the smaller gap is the likelier.
        let is_foreign = next.is_some_and(|next| {
            self.place.is_followed_by(next)
                || doubt.foreign.is_some()
                    && !doubt.after.is_followed_by(next)
                    && (self.place.expected..doubt.after.expected).contains(&next.sequence)
        });
        let fault = if is_foreign { doubt.foreign } else { doubt.own };
        if !is_foreign {
            self.place = doubt.after;
            if let Some([hash, _]) = doubt.after.previous {
                self.head = Some((doubt.after.expected - 1, hash));
            }
        }
        if let Some(fault) = fault {
            self.fault(fault);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    /// A record that is missing in one place and foreign in another was moved.
    fn name_the_moved(&mut self) {
        let inserted: Vec<(usize, u64)> = (self.faults.iter().enumerate())
            .filter_map(|(at, fault)| match fault.kind {
                FaultKind::Inserted { sequence } => Some((at, sequence)),
                _ => None,
            })
            .collect();
        for (at, sequence) in inserted {
            let holds = |fault: &Fault| matches!(fault.kind, FaultKind::Missing { first, last } if (first..=last).contains(&sequence));
            let Some(gap) = self.faults.iter().position(holds) else { continue };
            self.faults[at].kind = FaultKind::Moved { sequence };
            let Fault { position, kind: FaultKind::Missing { first, last } } = self.faults[gap] else { continue };
            // The rest of the gap takes its place; an empty rest is dropped below.
            let (before, after) = ((first, sequence.saturating_sub(1)), (sequence.saturating_add(1), last));
            self.faults[gap].kind = FaultKind::Missing { first: before.0, last: before.1 };
            if after.0 <= after.1 {
                self.fault(Fault { position, kind: FaultKind::Missing { first: after.0, last: after.1 } });
            }
        }
        let before = self.faults.len();
        self.faults.retain(|fault| !matches!(fault.kind, FaultKind::Missing { first, last } if first > last));
        self.fault_count -= (before - self.faults.len()) as u64;
    }
}

impl Place {
    fn is_followed_by(&self, record: &Record) -> bool {
        record.sequence == self.expected && self.previous.is_none_or(|known| known.contains(&record.previous))
    }
}
