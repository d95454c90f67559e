//! What was found in columns and done to them.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use dbopt_crypto::{KeyNumber, KeyOwner};

use crate::row::{Fault, Was};

/// One column of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The column, such as `public.customer.email_sealed`.
    pub column: String,
    /// Plain values that were sealed.
    pub sealed: u64,
    /// Values that were under other keys and are under the active one now.
    pub resealed: u64,
    /// Values of which only terms were written.
    pub terms: u64,
    /// Values that were opened at the end, in their places, by the key that they are under.
    pub verified: BTreeMap<KeyNumber, u64>,
    /// Values that were opened likewise by the keys of the persons whose they are.
    pub of_persons: u64,
    /// Keys of persons that were wrapped by the active key instead of another.
    pub rewrapped: u64,
    /// Values that do not open, by why. They were left as they are.
    pub unopened: BTreeMap<Fault, u64>,
    /// Values that the last look found in plain, under another key or with other terms, in rows that could not be written then.
    pub left: u64,
    /// Whether each value was opened at the end. Of a run that was ended early the numbers above are of a part.
    pub is_complete: bool,
}

/// The columns of an action, which whoever runs it looks at afterwards.
pub type Tallies = Rc<RefCell<Vec<Tally>>>;

impl Tally {
    /// Counts what was written.
    pub(crate) fn wrote(&mut self, was: Was) {
        match was {
            Was::Plain => self.sealed += 1,
            Was::OtherKey => self.resealed += 1,
            Was::Terms | Was::Erased => self.terms += 1,
        }
    }

    /// Counts a value that opens.
    pub(crate) fn opened(&mut self, owner: KeyOwner, key: KeyNumber) {
        match owner {
            KeyOwner::Ring => *self.verified.entry(key).or_default() += 1,
            KeyOwner::Subject => self.of_persons += 1,
        }
    }

    /// Forgets what a look found, before another one.
    pub(crate) fn look_again(&mut self) {
        self.verified.clear();
        self.of_persons = 0;
        self.unopened.clear();
        self.left = 0;
    }

    /// Values that were written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.sealed + self.resealed + self.terms
    }

    /// Values that should open, and do not. Those of destroyed keys are erased, and should not.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.unopened.iter().filter(|(fault, _)| **fault != Fault::Erased).map(|(_, count)| count).sum()
    }
}
