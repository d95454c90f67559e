//! What a store answers.

use std::{ops::Deref, time::Duration};

use smallvec::SmallVec;

/// How long a charge has to wait for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// Not at all: the window admits it.
    None,
    /// So long, if nobody else is admitted meanwhile; above zero.
    For(Duration),
    /// For ever: it costs more than the window admits at once.
    Never,
}

impl Wait {
    /// A wait of some nanoseconds.
    #[must_use]
    pub const fn of_nanos(nanos: u64) -> Self {
        if nanos == 0 { Self::None } else { Self::For(Duration::from_nanos(nanos)) }
    }

    /// Whether the window admits the charge.
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }
}

/// One window of one charge: after it when it was admitted, and else as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowState {
    /// How many of cost 1 it would admit now.
    pub remaining: u32,
    /// When it will have forgotten everything, from now.
    pub full_in: Duration,
    /// How long the charge has to wait for this window. Where all waits are [`Wait::None`], it was admitted.
    pub wait: Wait,
}

/// The windows of an answer: a slice, of which the first four are kept without allocating.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowStates(SmallVec<[WindowState; 4]>);

impl Deref for WindowStates {
    type Target = [WindowState];

    fn deref(&self) -> &[WindowState] {
        &self.0
    }
}

impl FromIterator<WindowState> for WindowStates {
    fn from_iter<I: IntoIterator<Item = WindowState>>(windows: I) -> Self {
        Self(windows.into_iter().collect())
    }
}

impl Extend<WindowState> for WindowStates {
    fn extend<I: IntoIterator<Item = WindowState>>(&mut self, windows: I) {
        self.0.extend(windows);
    }
}

impl<'a> IntoIterator for &'a WindowStates {
    type Item = &'a WindowState;
    type IntoIter = std::slice::Iter<'a, WindowState>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// What became of some charges that were asked together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether all were admitted. Otherwise nothing was charged.
    pub admitted: bool,
    /// The windows of each charge, in the order of the charges and, in each, of [`crate::Limit::windows`].
    pub windows: WindowStates,
}

impl Answer {
    /// The longest wait of all windows.
    #[must_use]
    pub fn wait(&self) -> Wait {
        self.windows.iter().map(|window| window.wait).max().unwrap_or(Wait::None)
    }
}
