//! Values of statistics and statements, brought onto one scale so that they can be compared and interpolated.
//!
//! `pg_stats` gives values in their text form. Numbers, dates and times become a number; strings stay strings and are
//! interpolated by `convert_string_to_scalar`'s rule (`selfuncs.c`).

use std::cmp::Ordering;

use dbopt_catalog::TypeName;

/// How a type's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Integers, numerics, floats, money, oids.
    Number,
    /// Booleans.
    Bool,
    /// Dates and timestamps, as seconds since 1970.
    Instant,
    /// Times of day and intervals, as seconds.
    Seconds,
    /// Strings under byte order.
    Bytes,
    /// Strings under a language's order.
    Text,
    /// UUIDs, enums, network addresses and the like: compared by text where that is the order, not interpolated.
    Opaque,
}

impl Family {
    /// The family of a type, under a collation.
    pub(crate) fn of(kind: &TypeName, byte_order: bool) -> Self {
        match kind.base.as_deref().unwrap_or(&kind.name) {
            "boolean" => Self::Bool,
            "date" | "timestamp without time zone" | "timestamp with time zone" => Self::Instant,
            "time without time zone" | "time with time zone" | "interval" => Self::Seconds,
            "text" | "character varying" | "character" | "name" | "citext" | "bytea" | "\"char\"" => {
                if byte_order {
                    Self::Bytes
                } else {
                    Self::Text
                }
            }
            _ if kind.category == 'N' => Self::Number,
            _ => Self::Opaque,
        }
    }

    /// Whether the type is a string, so that patterns apply.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Bytes | Self::Text)
    }
}

/// A value on its family's scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    /// On a numeric scale; never NaN.
    Number(f64),
    /// As text.
    Text(String),
}

impl Datum {
    /// Reads a value's text form; `None` when it cannot be read.
    pub(crate) fn parse(family: Family, text: &str) -> Option<Self> {
        let number = match family {
            Family::Number => text.trim().trim_start_matches('$').replace(',', "").parse().ok(),
            Family::Bool => match text.trim().to_ascii_lowercase().as_str() {
                "t" | "true" | "on" | "yes" | "1" => Some(1.0),
                "f" | "false" | "off" | "no" | "0" => Some(0.0),
                _ => None,
            },
            Family::Instant => instant(text),
            Family::Seconds => interval(text),
            Family::Bytes | Family::Text => return Some(Self::Text(text.to_owned())),
            Family::Opaque => return Some(Self::Text(text.trim().to_ascii_lowercase())),
        };
        number.filter(|number: &f64| !number.is_nan()).map(Self::Number)
    }

    /// Compares two values of a family.
    pub(crate) fn compare(&self, other: &Self, family: Family) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) if family == Family::Text => language_order(a, b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }

    /// Where `self` lies between two bounds, 0 to 1 (`convert_to_scalar`).
    pub(crate) fn fraction(&self, low: &Self, high: &Self, family: Family) -> f64 {
        let fraction = match (self, low, high) {
            (Self::Number(value), Self::Number(low), Self::Number(high)) if high > low => (value - low) / (high - low),
            (Self::Text(value), Self::Text(low), Self::Text(high)) if family.is_text() => {
                let [value, low, high] = string_scalars(value, low, high);
                if high > low { (value - low) / (high - low) } else { 0.5 }
            }
            _ => 0.5,
        };
        if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// Compares as most languages' collations do: letters before case, punctuation ignored at first.
fn language_order(a: &str, b: &str) -> Ordering {
    let letters =
        |text: &'_ str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    letters(a).cmp(&letters(b)).then_with(|| b.cmp(a))
}

/// `convert_string_to_scalar`: strings as fractions to the base of the characters that occur.
fn string_scalars(value: &str, low: &str, high: &str) -> [f64; 3] {
    let (low, high, value) = (low.as_bytes(), high.as_bytes(), value.as_bytes());
    let (mut first, mut last) = (255_u8, 0_u8);
    for byte in low.iter().chain(high) {
        first = first.min(*byte);
        last = last.max(*byte);
    }
    // When a whole class of characters is touched, all of it may occur.
    for (from, to) in [(b'A', b'Z'), (b'a', b'z'), (b'0', b'9')] {
        if first <= to && last >= from {
            first = first.min(from);
            last = last.max(to);
        }
    }
    if last < first {
        return [0.0; 3];
    }
    if last - first < 9 {
        (first, last) = (b' ', 127);
    }
    let common = low.iter().zip(high).zip(value).take_while(|((low, high), value)| low == high && low == value).count();
    let base = f64::from(last - first) + 1.0;
    [value, low, high].map(|text| {
        let mut scale = base;
        let mut number = 0.0;
        // More than a dozen characters are below the precision of the sum.
        for byte in text[common..].iter().take(12) {
            let byte = f64::from((*byte).clamp(first.saturating_sub(1), last.saturating_add(1)));
            number += (byte - f64::from(first)) / scale;
            scale *= base;
        }
        number
    })
}

/// Seconds since 1970 of a date or timestamp in ISO form; a missing zone is taken as UTC.
pub(crate) fn instant(text: &str) -> Option<f64> {
    let text = text.trim();
    match text {
        "infinity" => return Some(f64::INFINITY),
        "-infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    };
    let mut parts = date.splitn(3, '-');
    let mut year: i64 = parts.next()?.parse().ok()?;
    let month: i64 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    if before_christ {
        year = 1 - year;
    }
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 300_000 {
        return None;
    }
    Some(days_from_civil(year, month, day) as f64 * 86_400.0 + time_of_day(time)?)
}

/// Seconds of `HH:MM[:SS[.fff]]` with an optional zone.
fn time_of_day(text: &str) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let text = text.trim_end_matches(['Z', 'z']).trim_end_matches(" UTC");
    let (clock, zone) = match text.rfind(['+', '-']) {
        Some(at) if at > 0 => (&text[..at], Some(&text[at..])),
        _ => (text, None),
    };
    let seconds = clock_seconds(clock.trim())?;
    let Some(zone) = zone else { return Some(seconds) };
    let sign = if zone.starts_with('-') { -1.0 } else { 1.0 };
    let zone = &zone[1..];
    let offset = match zone.len() {
        0..=2 => zone.parse::<f64>().ok()? * 3600.0,
        4 if !zone.contains(':') => {
            let (hours, minutes) = zone.split_at_checked(2)?;
            hours.parse::<f64>().ok()? * 3600.0 + minutes.parse::<f64>().ok()? * 60.0
        }
        _ => clock_seconds(zone)?,
    };
    Some(seconds - sign * offset)
}

fn clock_seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut unit = 3600.0;
    for part in text.splitn(3, ':') {
        total += part.parse::<f64>().ok()? * unit;
        unit /= 60.0;
    }
    Some(total)
}

/// Seconds of an interval or a time of day, months taken as 30 days, as the interval comparison does.
pub(crate) fn interval(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    let mut words = text.split_whitespace();
    let mut any = false;
    while let Some(word) = words.next() {
        any = true;
        if word == "@" {
            continue;
        }
        if word == "ago" {
            seconds = -seconds;
            continue;
        }
        if word.contains(':') {
            let (sign, clock) = match word.strip_prefix('-') {
                Some(clock) => (-1.0, clock),
                None => (1.0, word.trim_start_matches('+')),
            };
            seconds += sign * time_of_day(clock)?;
            continue;
        }
        let split = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let number: f64 = word[..split].parse().ok()?;
        let unit = if split < word.len() { &word[split..] } else { words.next().unwrap_or("seconds") };
        seconds += number * unit_seconds(unit)?;
    }
    any.then_some(seconds)
}

fn unit_seconds(unit: &str) -> Option<f64> {
    let unit = unit.to_ascii_lowercase();
    Some(match unit.trim_end_matches(',').trim_end_matches('s') {
        "microsecond" | "u" => 1e-6,
        "millisecond" | "m" => 1e-3,
        "" | "second" | "sec" => 1.0,
        "minute" | "min" => 60.0,
        "hour" | "h" | "hr" => 3600.0,
        "day" | "d" => 86_400.0,
        "week" | "w" => 604_800.0,
        "month" | "mon" => 2_592_000.0,
        "year" | "y" | "yr" => 31_557_600.0,
        "decade" => 315_576_000.0,
        "century" | "centurie" => 3_155_760_000.0,
        _ => return None,
    })
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_their_zone() {
        let check = |text: &str, expected: f64| assert_eq!(instant(text), Some(expected), "{text}");
        check("1970-01-01", 0.0);
        check("2024-02-29", 1_709_164_800.0);
        check("2024-02-29 12:00:00", 1_709_208_000.0);
        check("2024-02-29T12:00:00.5Z", 1_709_208_000.5);
        check("2024-02-29 12:00:00+02", 1_709_200_800.0);
        check("2024-02-29 12:00:00-05:30", 1_709_227_800.0);
        check("infinity", f64::INFINITY);
        assert_eq!(instant("yesterday"), None);
    }

    #[test]
    fn intervals_are_sums_of_units() {
        let check = |text: &str, expected| assert_eq!(interval(text), expected, "{text}");
        check("7 days", Some(604_800.0));
        check("1 mon 2 days 03:00:00", Some(2_592_000.0 + 172_800.0 + 10_800.0));
        check("-00:00:30", Some(-30.0));
        check("24h", Some(86_400.0));
        check("1 fortnight", None);
        check("", None);
    }

    #[test]
    fn strings_lie_between_their_bounds() {
        let text = |text: &str| Datum::Text(text.into());
        let at = |value: &str| text(value).fraction(&text("customer-1000"), &text("customer-3000"), Family::Bytes);
        assert!((at("customer-2000") - 0.5).abs() < 0.02, "{}", at("customer-2000"));
        assert!(at("customer-1001") < 0.01);
    }
}
