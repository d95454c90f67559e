//! Rates, such as `100/min`.

use std::{fmt, num::NonZeroU64, time};

use super::{duration::Duration, text_value};
use crate::{Fault, fault::shown};

/// So many in a span of time: `100/min`, `5/s`, `1000/15min`. It says nothing about bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU64,
    /// In which span, at least a millisecond.
    per: Duration,
}

const PATTERN: &str = r"^\s*[0-9]+\s*/\s*([0-9]+\s*)?[A-Za-z]+\s*$";

impl Rate {
    /// A rate of so many in a span of time; none when the span is shorter than a millisecond.
    #[must_use]
    pub fn new(count: NonZeroU64, per: time::Duration) -> Option<Self> {
        let per = Duration::from(per);
        (per > Duration::default()).then_some(Self { count, per })
    }

    /// Reads a whole number above zero, `/`, and a unit of time or a duration.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |message: String| {
            Fault::new("bad-rate", message).help("Write a rate such as `100/min`, `5/s` or `1000/15min`.")
        };
        let Some((count, per)) = text.split_once('/') else {
            return Err(bad(format!("`{}` is no rate", shown(text))));
        };
        let count = count.trim();
        if count.is_empty() || !count.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(bad(format!("rate `{}` does not begin with a whole number", shown(text))));
        }
        let number =
            count.parse::<u64>().map_err(|_| bad(format!("rate `{}` does not fit in 64 bits", shown(text))))?;
        let Some(count) = NonZeroU64::new(number) else {
            return Err(bad(format!("rate `{}` allows nothing", shown(text))));
        };
        let per = per.trim();
        let span =
            if per.starts_with(|first: char| first.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
        let per = Duration::parse(&span).map_err(|_| bad(format!("rate `{}` names no span of time", shown(text))))?;
        Self::new(count, per.get()).ok_or_else(|| bad(format!("rate `{}` is per no time", shown(text))))
    }

    /// The span of time that the count is in.
    #[must_use]
    pub const fn per(&self) -> time::Duration {
        self.per.get()
    }

    /// How many in a second, on average.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.count.get() as f64 / self.per().as_secs_f64()
    }
}

/// The form that [`Rate::parse`] reads, without a leading one in the span.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = self.per.to_string();
        let bare = per.strip_prefix('1').filter(|unit| unit.bytes().all(|letter| letter.is_ascii_alphabetic()));
        write!(f, "{}/{}", self.count, bare.unwrap_or(&per))
    }
}

text_value!(Rate, "a rate", Some(PATTERN), &["100/min", "5/s"]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_a_count_per_time() {
        let rate = Rate::parse("100/min").expect("a rate");
        assert_eq!((rate.count.get(), rate.per()), (100, time::Duration::from_secs(60)));
        assert_eq!(Rate::parse(" 5 / s ").expect("a rate").per_second(), 5.0);
        assert_eq!(Rate::parse("1000/15min").expect("a rate").to_string(), "1000/15m");
        assert_eq!(rate.to_string(), "100/m");
    }

    #[test]
    fn what_is_none_says_why() {
        let fault = |text| Rate::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(fault("100"), @"`100` is no rate");
        insta::assert_snapshot!(fault("0/s"), @"rate `0/s` allows nothing");
        insta::assert_snapshot!(fault("-1/s"), @"rate `-1/s` does not begin with a whole number");
        insta::assert_snapshot!(fault("5/fortnight"), @"rate `5/fortnight` names no span of time");
        insta::assert_snapshot!(fault("5/0s"), @"rate `5/0s` is per no time");
        insta::assert_snapshot!(fault("5/"), @"rate `5/` names no span of time");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(count in 1..=u64::MAX, millis in 1..100_000_000_u64) {
            let count = NonZeroU64::new(count).expect("above zero");
            let rate = Rate::new(count, time::Duration::from_millis(millis)).expect("a rate");
            prop_assert_eq!(Rate::parse(&rate.to_string()), Ok(rate));
        }
    }
}
