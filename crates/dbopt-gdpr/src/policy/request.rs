//! The calendar by which requests of persons are due.

use dbopt_policy::{Fault, FromValue, Shape, Table, Value, Zone};
use jiff::civil::{Date, Weekday};

/// The calendar by which requests of persons are due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestRule {
    /// Where days begin and end.
    pub zone: Zone,
    /// Days on which nobody works, beside Saturdays and Sundays.
    pub holidays: Vec<Holiday>,
}

/// A day on which nobody works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    /// In each year, by month and day.
    Yearly(i8, i8),
    /// Of one year.
    Once(Date),
}

impl RequestRule {
    pub(super) fn read(table: &Table<'_>) -> Self {
        Self {
            zone: table.or("zone", "The time zone of days; UTC when not given.", Zone::default()),
            holidays: table.or("holidays", "Days on which nobody works, beside Saturdays and Sundays.", Vec::new()),
        }
    }

    /// Whether a day is neither a Saturday, a Sunday nor a holiday.
    #[must_use]
    pub fn is_working(&self, day: Date) -> bool {
        let is_holiday = |holiday: &Holiday| match *holiday {
            Holiday::Yearly(month, of_month) => (day.month(), day.day()) == (month, of_month),
            Holiday::Once(once) => day == once,
        };
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.holidays.iter().any(is_holiday)
    }
}

impl Holiday {
    fn parse(text: &str) -> Result<Self, Fault> {
        // The 29th of February is a day of leap years.
        let yearly = || format!("2000-{text}").parse::<Date>().ok().map(|day| Self::Yearly(day.month(), day.day()));
        let once = || text.parse::<Date>().ok().map(Self::Once);
        let is_digits = |at: usize| {
            text.bytes()
                .enumerate()
                .all(|(place, byte)| byte.is_ascii_digit() || (place == at || place + 3 == text.len()) && byte == b'-')
        };
        let day = match text.len() {
            5 if is_digits(2) => yearly(),
            10 if is_digits(4) => once(),
            _ => None,
        };
        day.ok_or_else(|| {
            Fault::new("bad-date", "a holiday is no day")
                .help("Write it as `2026-04-03`, or as `12-25` when it is that day in each year.")
        })
    }
}

impl FromValue for Holiday {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), Self::parse)
    }

    fn shape() -> Shape {
        Shape::Text {
            what: "a day",
            pattern: Some("^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"),
            examples: &["2026-04-03", "12-25"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_are_days_of_one_year_or_of_each() {
        let day = |text: &str| Holiday::parse(text).map_err(|fault| fault.code);
        assert_eq!(day("12-25"), Ok(Holiday::Yearly(12, 25)));
        assert_eq!(day("02-29"), Ok(Holiday::Yearly(2, 29)));
        assert_eq!(day("2026-04-03"), Ok(Holiday::Once(jiff::civil::date(2026, 4, 3))));
        for text in
            ["", "25.12.", "13-01", "02-30", "2026-02-30", "2026-4-3", "12-25-26", "+1-25", "20260403T0", "1-2-3"]
        {
            assert_eq!(day(text), Err("bad-date"), "{text}");
        }
    }
}
