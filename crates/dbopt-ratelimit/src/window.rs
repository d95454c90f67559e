//! One window of a limit: so many in a period, and so many of them at once.

use std::{fmt, num::NonZeroU32, time::Duration};

use governor::{Quota, nanos::Nanos};

/// So many in a period of time. A window is known by its period: a limit has one for each, and a limit that is changed
/// keeps the state of the windows whose period stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    limit: NonZeroU32,
    /// Above zero and at most [`Window::LONGEST`].
    period: Duration,
    burst: NonZeroU32,
}

impl Window {
    /// The longest period, a leap year: what is remembered longer than that is a quota of an account, not a rate.
    pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);
    /// The shortest period.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// `limit` in each `period`, all of them at once if need be. None when the period is not from
    /// [`Window::SHORTEST`] to [`Window::LONGEST`].
    #[must_use]
    pub fn new(limit: NonZeroU32, period: Duration) -> Option<Self> {
        (Self::SHORTEST..=Self::LONGEST).contains(&period).then_some(Self { limit, period, burst: limit })
    }

    /// So many a second.
    #[must_use]
    pub const fn per_second(limit: NonZeroU32) -> Self {
        Self { limit, period: Duration::from_secs(1), burst: limit }
    }

    /// So many a minute.
    #[must_use]
    pub const fn per_minute(limit: NonZeroU32) -> Self {
        Self { limit, period: Duration::from_secs(60), burst: limit }
    }

    /// So many an hour.
    #[must_use]
    pub const fn per_hour(limit: NonZeroU32) -> Self {
        Self { limit, period: Duration::from_secs(3_600), burst: limit }
    }

    /// So many in 24 hours.
    #[must_use]
    pub const fn per_day(limit: NonZeroU32) -> Self {
        Self { limit, period: Duration::from_secs(86_400), burst: limit }
    }

    /// At most `burst` at once. Only [`crate::Algorithm::Gcra`] has bursts.
    #[must_use]
    pub const fn burst_of(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    /// How many are admitted in a period in the long run.
    #[must_use]
    pub const fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// The period.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The most that are admitted at once.
    #[must_use]
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time in which one is replenished, rounded up to a nanosecond, so that rounding never admits more.
    #[must_use]
    pub fn interval(&self) -> Nanos {
        // A period is at most a leap year, 3.2e16 ns.
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        Nanos::new(period.div_ceil(u64::from(self.limit.get())))
    }
}

/// A quota of governor as a window: its burst is replenished in the period.
impl TryFrom<Quota> for Window {
    type Error = crate::InvalidLimit;

    fn try_from(quota: Quota) -> Result<Self, Self::Error> {
        let period = quota.burst_size_replenished_in();
        Self::new(quota.burst_size(), period).ok_or(crate::InvalidLimit::Period(period))
    }
}

/// The window as a quota of governor.
impl From<Window> for Quota {
    fn from(window: Window) -> Self {
        Self::with_period(Duration::from_nanos(window.interval().as_u64()))
            .expect("an interval is at least a nanosecond")
            .allow_burst(window.burst)
    }
}

/// `100/60s`, with ` burst 20` when that differs.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:?}", self.limit, self.period)?;
        if self.burst == self.limit { Ok(()) } else { write!(f, " burst {}", self.burst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: NonZeroU32 = NonZeroU32::new(7).expect("seven");

    #[test]
    fn intervals_round_up() {
        assert_eq!(Window::per_second(SEVEN).interval(), Nanos::new(142_857_143));
        let fast = Window::new(NonZeroU32::MAX, Duration::from_millis(1)).expect("a window");
        assert_eq!(fast.interval(), Nanos::new(1));
    }

    #[test]
    fn a_quota_is_a_window_and_back() {
        let quota = Quota::from(Window::per_minute(SEVEN));
        let window = Window::try_from(quota).expect("a window");
        assert_eq!((quota.burst_size(), window.interval()), (SEVEN, Window::per_minute(SEVEN).interval()));
    }

    #[test]
    fn periods_have_bounds() {
        assert_eq!(Window::new(SEVEN, Duration::ZERO), None);
        assert_eq!(Window::new(SEVEN, Window::LONGEST + Duration::from_nanos(1)), None);
    }
}
