//! What a store answers.

use std::time::Duration;

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

/// What became of some charges that were asked together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether all were admitted. Otherwise nothing was charged.
    pub admitted: bool,
    /// The windows of each charge, in the order of the charges and, in each, of [`crate::Limit::windows`].
    pub windows: Vec<WindowState>,
}

impl Answer {
    /// The longest wait of all windows.
    #[must_use]
    pub fn wait(&self) -> Wait {
        self.windows.iter().map(|window| window.wait).max().unwrap_or(Wait::None)
    }
}
