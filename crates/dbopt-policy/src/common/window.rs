//! Windows of time: `days = ["sat"]`, `from = "22:00"`, `to = "05:00"`, `zone = "Europe/Berlin"`.
//!
//! A window stands on the clock on the wall of its zone. It opens at the first instant at which that clock shows `from`
//! or later on one of its days, and closes at the first instant at which it shows `to` or later. So, where the clock jumps
//! over `from` or `to`, the jump itself opens or closes it; and where an hour comes twice, the first time counts. The rules
//! of zones are those of the IANA database (<https://www.iana.org/time-zones>), by the `jiff` crate.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, Time, Weekday},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::{Fault, FromValue, Shape, Table, Value, fault::shown, suggest};

/// A span of the day on some days of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    days: Days,
    from: Clock,
    /// At or before `from`, it is on the next day.
    to: Clock,
    zone: Zone,
}

/// Several windows, open when one of them is. No window at all is no limit: that is always open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows(pub Vec<Window>);

/// Days in advance that a look for the next opening goes: a weekly window opens at the latest after two weeks, when the
/// clock jumps over it once.
const HORIZON: i32 = 30;

impl Window {
    /// Reads the keys of a table: `days`, `from`, `to`, `zone`. Made for [`Table::sections`].
    pub fn read(table: &Table<'_>) -> Option<Self> {
        let days = table.optional::<Vec<Days>>("days", "The days on which it opens; every day when not given.");
        let from = table.required("from", "The time of day at which it opens.");
        let to = table.required("to", "The time of day at which it closes; on the next day when not after `from`.");
        let zone = table.or("zone", "The time zone of both; UTC when not given.", Zone::default());
        let days = match days {
            Some(days) if days.is_empty() => {
                table.reject(
                    "days",
                    Fault::new("bad-window", "this window never opens").help("Name a day, or leave `days` out."),
                );
                return None;
            }
            Some(days) => Days(days.iter().fold(0, |all, days| all | days.0)),
            None => Days::ALL,
        };
        let (from, to): (Clock, Clock) = (from?, to?);
        Some(Self { days, from, to, zone })
    }

    /// Reads `DAYS FROM-TO ZONE`, such as `sat,sun 22:00-05:00 Europe/Berlin`; without days it is every day, without a
    /// zone it is UTC.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let bad = || {
            Fault::new("bad-window", format!("`{}` is no window", shown(text)))
                .help("Write a window such as `sat,sun 22:00-05:00 Europe/Berlin`.")
        };
        let mut parts = text.split_whitespace().peekable();
        let first = parts.peek().ok_or_else(bad)?;
        let days = if first.starts_with(|letter: char| letter.is_ascii_digit()) {
            Days::ALL
        } else {
            parts
                .next()
                .unwrap_or_default()
                .split(',')
                .try_fold(Days(0), |all, day| Ok(Days(all.0 | Days::parse(day)?.0)))?
        };
        let (from, to) = parts.next().and_then(|span| span.split_once('-')).ok_or_else(bad)?;
        let (from, to) = (Clock::parse(from)?, Clock::parse(to)?);
        let zone = parts.next().map_or_else(|| Ok(Zone::default()), Zone::parse)?;
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self { days, from, to, zone })
    }

    /// Whether it is open at an instant.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        contains(std::slice::from_ref(self), now)
    }

    /// When it closes, if it is open at an instant; the last instant of all if it never does.
    #[must_use]
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        ends(std::slice::from_ref(self), now)
    }

    /// When it opens next after an instant; none if it does not close before.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        next(std::slice::from_ref(self), now)
    }

    /// The openings on the days around the local day of an instant, from so many days before to so many after.
    fn openings(
        &self,
        around: Timestamp,
        days: std::ops::RangeInclusive<i32>,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = self.zone.0.to_datetime(around).date();
        days.filter_map(move |days| self.opening(today.checked_add(jiff::Span::new().days(days)).ok()?))
    }

    /// From when to when it is open, if it opens on a day.
    fn opening(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(day.weekday()) {
            return None;
        }
        let start = self.shows(day, self.from)?;
        let last = if self.to <= self.from { day.tomorrow().ok()? } else { day };
        let end = self.shows(last, self.to)?;
        (start < end).then_some((start, end))
    }

    /// The first instant at which the clock on the wall shows a time of a day or later.
    fn shows(&self, day: Date, clock: Clock) -> Option<Timestamp> {
        let day = if clock == Clock::MIDNIGHT_AFTER { day.tomorrow().ok()? } else { day };
        let time = Time::new((clock.0 / 60 % 24) as i8, (clock.0 % 60) as i8, 0, 0).ok()?;
        let ambiguous = self.zone.0.to_ambiguous_timestamp(day.to_datetime(time));
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.0.following(before).next().map(|jump| jump.timestamp())
            }
            _ => ambiguous.earlier().ok(),
        }
    }
}

impl Windows {
    /// Whether one is open at an instant.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.0.is_empty() || contains(&self.0, now)
    }

    /// When none is open any more, if one is open at an instant; the last instant of all if that never comes.
    #[must_use]
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        if self.0.is_empty() { Some(Timestamp::MAX) } else { ends(&self.0, now) }
    }

    /// When one opens next after an instant at which none is open; none if they never all close before.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        next(&self.0, now)
    }
}

// A window lasts up to a day, and where midnight comes twice it may have begun on what is tomorrow again.
fn contains(windows: &[Window], now: Timestamp) -> bool {
    windows.iter().flat_map(|window| window.openings(now, -2..=1)).any(|(start, end)| (start..end).contains(&now))
}

fn ends(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let mut end = None;
    let mut at = now;
    // Each round follows an opening into the ones that overlap or touch it. What is open for weeks is open for ever.
    for _ in 0..(HORIZON as usize * windows.len().max(1)) {
        let open = windows
            .iter()
            .flat_map(|window| window.openings(at, -2..=1))
            .filter(|(start, end)| (*start..*end).contains(&at));
        let Some(last) = open.map(|(_, end)| end).max() else { return end };
        end = Some(last);
        at = last;
    }
    Some(Timestamp::MAX)
}

fn next(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    let closed = ends(windows, now).unwrap_or(now);
    let openings = windows.iter().flat_map(|window| window.openings(closed, -2..=HORIZON));
    openings.map(|(start, _)| start).filter(|start| *start > closed).min()
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != Days::ALL {
            write!(f, "{} ", self.days)?;
        }
        write!(f, "{}-{}", self.from, self.to)?;
        match self.zone.0.iana_name() {
            Some("UTC") | None => Ok(()),
            Some(name) => write!(f, " {name}"),
        }
    }
}

impl std::str::FromStr for Window {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
    }
}

/// Days of the week, a bit for each from Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Days(u8);

const NAMES: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

impl Days {
    const ALL: Self = Self(0b111_1111);

    /// Reads a day or, with a hyphen, from a day to a day: `sat`, `monday`, `fri-mon`.
    fn parse(text: &str) -> Result<Self, Fault> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (from, to) = (day(from, text)?, day(to, text)?);
        let length = (to + 7 - from) % 7;
        Ok(Self((0..=length).fold(0, |all, step| all | 1 << ((from + step) % 7))))
    }

    fn contains(self, day: Weekday) -> bool {
        self.0 & 1 << day.to_monday_zero_offset() != 0
    }
}

fn day(name: &str, text: &str) -> Result<u8, Fault> {
    let name = name.trim().to_ascii_lowercase();
    let found = NAMES.iter().position(|(short, long)| *short == name || *long == name);
    found.and_then(|day| u8::try_from(day).ok()).ok_or_else(|| {
        let fault = Fault::new("bad-day", format!("`{}` is no day of the week", shown(text)));
        fault.help(match suggest(&name, NAMES.iter().flat_map(|(short, long)| [*short, *long])) {
            Some(meant) => format!("Did you mean `{meant}`?"),
            None => "Write `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`.".to_owned(),
        })
    })
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().enumerate().filter(|(at, _)| self.0 & 1 << at != 0).map(|(_, (short, _))| *short);
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

impl FromValue for Days {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), Self::parse)
    }

    fn shape() -> Shape {
        Shape::Text { what: "a day of the week", pattern: None, examples: &["sat", "mon-fri"] }
    }
}

/// A time of day in minutes; 24:00 is the midnight after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clock(u16);

impl Clock {
    const MIDNIGHT_AFTER: Self = Self(24 * 60);

    /// Reads `22:00`.
    fn parse(text: &str) -> Result<Self, Fault> {
        let number = |digits: &str| {
            let right = (1..=2).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
            right.then(|| digits.parse::<u16>().ok()).flatten()
        };
        let clock = text.trim().split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes) = (number(hours)?, number(minutes).filter(|_| minutes.len() == 2)?);
            (minutes < 60).then_some(Self(hours * 60 + minutes))
        });
        clock.filter(|clock| *clock <= Self::MIDNIGHT_AFTER).ok_or_else(|| {
            Fault::new("bad-time", format!("`{}` is no time of day", shown(text)))
                .help("Write hours and minutes such as `22:00`, up to `24:00`.")
        })
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromValue for Clock {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), Self::parse)
    }

    fn shape() -> Shape {
        Shape::Text { what: "a time of day", pattern: Some("^[0-9]{1,2}:[0-5][0-9]$"), examples: &["22:00"] }
    }
}

/// A time zone by its IANA name; UTC when nothing is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// The zone.
    #[must_use]
    pub fn get(&self) -> &TimeZone {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        TimeZone::get(text).map(Self).map_err(|_| {
            let fault = Fault::new("unknown-zone", format!("time zone `{}` is not known on this machine", shown(text)));
            let known: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            fault.help(match suggest(text, known.iter().map(String::as_str)) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => "Write an IANA name such as `Europe/Berlin`.".to_owned(),
            })
        })
    }
}

impl FromValue for Zone {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), Self::parse)
    }

    fn shape() -> Shape {
        Shape::Text { what: "a time zone", pattern: None, examples: &["Europe/Berlin", "UTC"] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(text: &str) -> Window {
        Window::parse(text).expect("a window")
    }

    /// An instant in the local time of a zone.
    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Zoned>().map(|zoned| zoned.timestamp()).or_else(|_| text.parse()).expect("an instant")
    }

    #[test]
    fn a_window_reaches_over_midnight() {
        let window = window("sat 22:00-05:00 Europe/Berlin");
        assert!(!window.contains(at("2026-01-10T21:59:59[Europe/Berlin]")));
        assert!(window.contains(at("2026-01-10T22:00[Europe/Berlin]")));
        assert!(window.contains(at("2026-01-11T04:59:59[Europe/Berlin]")));
        assert!(!window.contains(at("2026-01-11T05:00[Europe/Berlin]")));
        assert_eq!(window.ends(at("2026-01-11T01:00[Europe/Berlin]")), Some(at("2026-01-11T05:00[Europe/Berlin]")));
        assert_eq!(window.next(at("2026-01-11T01:00[Europe/Berlin]")), Some(at("2026-01-17T22:00[Europe/Berlin]")));
        assert_eq!(window.next(at("2026-01-12T01:00[Europe/Berlin]")), Some(at("2026-01-17T22:00[Europe/Berlin]")));
        assert_eq!(window.ends(at("2026-01-12T01:00[Europe/Berlin]")), None);
    }

    /// On 2026-03-29 in Berlin the clock goes from 02:00 to 03:00, at 01:00 UTC.
    #[test]
    fn where_the_clock_jumps_ahead_the_jump_opens_and_closes() {
        let jump = at("2026-03-29T01:00:00Z");
        let opens = window("02:30-04:00 Europe/Berlin");
        assert_eq!(opens.next(at("2026-03-29T00:00:00Z")), Some(jump));
        assert_eq!(opens.ends(jump), Some(at("2026-03-29T02:00:00Z")));
        let closes = window("01:00-02:30 Europe/Berlin");
        assert_eq!(closes.ends(at("2026-03-29T00:30:00Z")), Some(jump));
        assert!(!closes.contains(jump));
        let skipped = window("02:10-02:50 Europe/Berlin");
        assert!(!skipped.contains(jump));
        assert_eq!(skipped.next(at("2026-03-28T12:00:00Z")), Some(at("2026-03-30T00:10:00Z")));
        let night = window("sat 22:00-05:00 Europe/Berlin");
        let (start, end) = (at("2026-03-28T21:00:00Z"), at("2026-03-29T03:00:00Z"));
        assert_eq!(night.next(at("2026-03-28T00:00:00Z")), Some(start));
        assert_eq!(night.ends(start), Some(end));
    }

    /// On 2026-10-25 in Berlin the clock goes from 03:00 back to 02:00, at 01:00 UTC.
    #[test]
    fn of_an_hour_that_comes_twice_the_first_counts() {
        let window = window("02:15-02:45 Europe/Berlin");
        let (start, end) = (at("2026-10-25T00:15:00Z"), at("2026-10-25T00:45:00Z"));
        assert_eq!(window.next(at("2026-10-24T12:00:00Z")), Some(start));
        assert_eq!(window.ends(start), Some(end));
        assert!(!window.contains(at("2026-10-25T01:30:00Z")));
        let longer = super::Window::parse("01:00-03:00 Europe/Berlin").expect("a window");
        assert_eq!(longer.ends(at("2026-10-24T23:30:00Z")), Some(at("2026-10-25T02:00:00Z")));
    }

    #[test]
    fn windows_that_touch_are_one() {
        let windows = Windows(vec![window("sat 20:00-24:00"), window("sun 00:00-03:00"), window("sun 02:00-06:00")]);
        assert_eq!(windows.ends(at("2026-01-10T21:00:00Z")), Some(at("2026-01-11T06:00:00Z")));
        assert_eq!(windows.next(at("2026-01-10T21:00:00Z")), Some(at("2026-01-17T20:00:00Z")));
        let always = window("00:00-24:00");
        assert_eq!(always.ends(at("2026-01-10T21:00:00Z")), Some(Timestamp::MAX));
        assert_eq!(always.next(at("2026-01-10T21:00:00Z")), None);
        assert!(Windows::default().contains(Timestamp::MIN));
    }

    #[test]
    fn the_edges_of_time_are_no_trouble() {
        let window = window("22:00-05:00 Europe/Berlin");
        assert!(window.ends(Timestamp::MIN).is_none_or(|end| end > Timestamp::MIN));
        assert!(window.next(Timestamp::MIN).is_some());
        assert_eq!(window.next(Timestamp::MAX), None);
    }

    #[test]
    fn a_window_is_printed_as_it_is_read() {
        for text in ["22:00-05:00", "mon,sat 22:00-24:00 Europe/Berlin", "sun 00:00-00:00"] {
            assert_eq!(window(text).to_string(), text);
        }
        assert_eq!(window("fri-mon 1:00-2:00").to_string(), "mon,fri,sat,sun 01:00-02:00");
        let fault = |text| Window::parse(text).unwrap_err();
        insta::assert_snapshot!(fault("caturday 22:00-05:00"), @"`caturday` is no day of the week");
        insta::assert_snapshot!(fault("22:00-25:00"), @"`25:00` is no time of day");
        insta::assert_snapshot!(fault("22:00-05:00 Europe/Berln"), @"time zone `Europe/Berln` is not known on this machine");
        insta::assert_snapshot!(fault("22:00-05:00 Europe/Berln").help.unwrap_or_default(), @"Did you mean `Europe/Berlin`?");
        insta::assert_snapshot!(fault("late"), @"`late` is no day of the week");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The three questions agree with each other, in zones with jumps at different hours, around their jumps too.
        #[test]
        fn the_answers_agree(
            days in 1_u8..=127, from in 0_u16..1440, to in 0_u16..=1440, second in 1_767_000_000_i64..1_800_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo"]),
        ) {
            let window = Window { days: Days(days), from: Clock(from), to: Clock(to), zone: Zone::parse(zone).expect("a zone") };
            let now = Timestamp::from_second(second).expect("in range");
            let before = |at: Timestamp| at.checked_sub(jiff::SignedDuration::from_nanos(1)).expect("in range");
            let end = window.ends(now);
            prop_assert_eq!(end.is_some(), window.contains(now));
            if let Some(end) = end.filter(|end| *end != Timestamp::MAX) {
                prop_assert!(end > now && !window.contains(end) && window.contains(before(end)));
            }
            if let Some(next) = window.next(now) {
                prop_assert!(next > now && window.contains(next) && !window.contains(before(next)));
                // Nothing opens between the end of this opening and the next.
                let closed = end.unwrap_or(now);
                for part in 0..20 {
                    let gap = (next.as_second() - closed.as_second()) * part / 20;
                    let between = Timestamp::from_second(closed.as_second() + gap).expect("in range").max(closed);
                    prop_assert!(!window.contains(between));
                }
            } else {
                prop_assert_eq!(end, Some(Timestamp::MAX));
            }
        }
    }
}
