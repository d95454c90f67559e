//! Spans of time, such as `10s`, `1h30m`, `500ms` or `7 days`.

use std::{fmt, time};

use super::text_value;
use crate::{Fault, FromValue, Shape, Value, fault::shown, suggest};

/// A span of time in whole milliseconds. A day is 24 hours, whatever the clocks do; a week is 7 days. There are no
/// months and no years, because they have no fixed length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// Units with their milliseconds, the name that is printed first among its equals; longest unit first.
const UNITS: &[(u64, &[&str])] = &[
    (86_400_000, &["d", "day", "days"]),
    (3_600_000, &["h", "hour", "hours"]),
    (60_000, &["m", "min", "minute", "minutes"]),
    (1_000, &["s", "sec", "second", "seconds"]),
    (1, &["ms", "millisecond", "milliseconds"]),
    (7 * 86_400_000, &["w", "week", "weeks"]),
];
const PATTERN: &str = r"^\s*([0-9]+\s*[A-Za-z]+\s*)+$";
/// A hundred years: longer is a slip of the finger, and all arithmetic with less fits.
const LONGEST: u64 = 36_525 * 86_400_000;

impl Duration {
    /// Reads whole numbers, each with its unit, longest unit first: `1h30m`, `7 days`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |message: String| Fault::new("bad-duration", message);
        let help = "Write whole numbers with units, such as `500ms`, `10s`, `1h30m` or `7 days`.";
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad("a duration is empty".to_owned()).help(help));
        }
        let (mut total, mut before) = (0_u64, u64::MAX);
        while !rest.is_empty() {
            let (number, after) =
                rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
            let after = after.trim_start();
            let (unit, after) =
                after.split_at(after.find(|letter: char| !letter.is_alphabetic()).unwrap_or(after.len()));
            if number.is_empty() || unit.is_empty() {
                let what = if number.is_empty() { "`{}` is no duration" } else { "duration `{}` has no unit" };
                return Err(bad(what.replace("{}", &shown(text))).help(help));
            }
            let Some((scale, _)) = UNITS.iter().find(|(_, names)| names.contains(&unit)) else {
                let fault = bad(format!("duration `{}` has the unknown unit `{}`", shown(text), shown(unit)));
                let meant = suggest(unit, UNITS.iter().flat_map(|(_, names)| names.iter().copied()));
                return Err(
                    fault.help(meant.map_or_else(|| help.to_owned(), |meant| format!("Did you mean `{meant}`?")))
                );
            };
            if *scale >= before {
                return Err(bad(format!("duration `{}` is not in order of its units", shown(text)))
                    .help("Write each unit once, the longest first."));
            }
            before = *scale;
            let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
            total = part
                .and_then(|part| total.checked_add(part))
                .filter(|total| *total <= LONGEST)
                .ok_or_else(|| bad(format!("duration `{}` is longer than 100 years", shown(text))))?;
            rest = after.trim_start();
        }
        Ok(Self(time::Duration::from_millis(total)))
    }

    /// The duration of the standard library.
    #[must_use]
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

/// Of the standard library's duration, what whole milliseconds hold.
impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        Self(time::Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(LONGEST).min(LONGEST)))
    }
}

/// The form that [`Duration::parse`] reads, such as `1h30m`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(LONGEST);
        if left == 0 {
            return f.write_str("0s");
        }
        for (scale, names) in &UNITS[..5] {
            if left >= *scale {
                write!(f, "{}{}", left / scale, names[0])?;
                left %= scale;
            }
        }
        Ok(())
    }
}

text_value!(Duration, "a duration", Some(PATTERN), &["10s", "1h30m"]);

/// As [`Duration`].
impl FromValue for time::Duration {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        Duration::from_value(value).map(Self::from)
    }

    fn shape() -> Shape {
        Duration::shape()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(text: &str) -> Result<u128, String> {
        Duration::parse(text).map(|duration| duration.get().as_millis()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(millis("10s"), Ok(10_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis(" 1 hour 30 min "), Ok(5_400_000));
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("7 days"), millis("1w"));
        assert_eq!(millis("0s"), Ok(0));
    }

    #[test]
    fn what_is_none_says_why() {
        insta::assert_snapshot!(millis("10").unwrap_err(), @"duration `10` has no unit");
        insta::assert_snapshot!(millis("-1s").unwrap_err(), @"`-1s` is no duration");
        insta::assert_snapshot!(millis("1.5s").unwrap_err(), @"duration `1.5s` has no unit");
        insta::assert_snapshot!(millis("5 scnds").unwrap_err(), @"duration `5 scnds` has the unknown unit `scnds`");
        insta::assert_snapshot!(millis("30m1h").unwrap_err(), @"duration `30m1h` is not in order of its units");
        insta::assert_snapshot!(millis("1s1s").unwrap_err(), @"duration `1s1s` is not in order of its units");
        insta::assert_snapshot!(millis("99999999999999999999s").unwrap_err(), @"duration `99999999999999999999s` is longer than 100 years");
        insta::assert_snapshot!(millis("").unwrap_err(), @"a duration is empty");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(millis in 0..=LONGEST) {
            let duration = Duration::from(time::Duration::from_millis(millis));
            prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = Duration::parse(&text);
        }
    }
}
