//! Timestamps of server logs by fixed positions.
//!
//! `log_line_prefix`'s `%m` and `%t`, csvlog and jsonlog all print `YYYY-MM-DD HH:MM:SS[.mmm] ZONE` in the time zone
//! `log_timezone`. The zone is an abbreviation or a numeric offset (POSIX sign as PostgreSQL prints it: `+02` is
//! east). Abbreviations that name one offset are known here; others are read as UTC and reported.

use crate::time::Timestamp;

/// A timestamp that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When.
    pub(crate) when: Timestamp,
    /// Bytes read.
    pub(crate) length: usize,
    /// Whether the zone's offset is known.
    pub(crate) zone_known: bool,
    /// Whether milliseconds were written.
    pub(crate) precise: bool,
}

/// Reads timestamps and remembers the hour and zone of the last one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    hour: [u8; 13],
    hour_micros: i64,
    zone: Vec<u8>,
    zone_micros: i64,
    zone_known: bool,
}

impl Clock {
    /// Reads a timestamp with its zone at the start of `bytes`.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<Moment> {
        let head = bytes.first_chunk::<19>()?;
        if head[13] != b':' || head[16] != b':' {
            return None;
        }
        let hour = head.first_chunk::<13>()?;
        if *hour != self.hour {
            self.hour_micros = hour_micros(hour)?;
            self.hour = *hour;
        }
        let minute = two(head[14], head[15])?;
        let second = two(head[17], head[18])?;
        if minute > 59 || second > 60 {
            return None;
        }
        let mut micros = (minute * 60 + second) * 1_000_000;
        let mut at = 19;
        let mut precise = false;
        if let Some([b'.', a, b, c]) = bytes.get(19..23) {
            micros += (two(*a, *b)? * 10 + digit(*c)?) * 1_000;
            at = 23;
            precise = true;
            // Some collectors write microseconds.
            let mut scale = 100;
            while scale > 0
                && let Some(more) = bytes.get(at).copied().and_then(digit)
            {
                micros += more * scale;
                scale /= 10;
                at += 1;
            }
        }
        if bytes.get(at) == Some(&b' ')
            && let Some(length) = zone_length(&bytes[at + 1..])
        {
            let zone = &bytes[at + 1..at + 1 + length];
            if zone != self.zone {
                let known = zone_seconds(zone);
                self.zone = zone.to_vec();
                self.zone_micros = known.unwrap_or(0) * 1_000_000;
                self.zone_known = known.is_some();
            }
            return Some(Moment {
                when: Timestamp(self.hour_micros + micros - self.zone_micros),
                length: at + 1 + length,
                zone_known: self.zone_known,
                precise,
            });
        }
        None
    }

    /// Reads `seconds[.fraction]` since 1970 as `%n` writes it.
    pub(crate) fn read_epoch(bytes: &[u8]) -> Option<(Timestamp, usize)> {
        let whole = bytes.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
        if whole < 9 {
            return None;
        }
        let seconds: i64 = number(&bytes[..whole])?;
        let mut at = whole;
        let mut micros = seconds * 1_000_000;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let mut scale = 100_000;
            while let Some(more) = bytes.get(at).copied().and_then(digit) {
                micros += more * scale;
                scale /= 10;
                at += 1;
            }
        }
        Some((Timestamp(micros), at))
    }
}

/// Microseconds of `YYYY-MM-DD HH` read as UTC (`T` may stand for the space).
fn hour_micros(bytes: &[u8; 13]) -> Option<i64> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b' ' | b'T', h0, h1] = *bytes else { return None };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day, hour) = (two(m0, m1)?, two(d0, d1)?, two(h0, h1)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 {
        return None;
    }
    Some((days_from_civil(year, month, day) * 24 + hour) * 3_600_000_000)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The length of a zone: letters, or a signed offset such as `+02`, `-0330`, `+05:45`.
fn zone_length(bytes: &[u8]) -> Option<usize> {
    let letters = bytes.iter().take(8).take_while(|b| b.is_ascii_alphabetic()).count();
    if letters > 0 {
        return Some(letters);
    }
    if !matches!(bytes.first(), Some(b'+' | b'-')) {
        return None;
    }
    let digits = bytes[1..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if digits < 2 {
        return None;
    }
    match bytes.get(1 + digits..) {
        Some([b':', a, b, ..]) if digits == 2 && a.is_ascii_digit() && b.is_ascii_digit() => Some(6),
        _ => Some(1 + digits),
    }
}

/// Seconds east of UTC, when the zone names one offset.
fn zone_seconds(zone: &[u8]) -> Option<i64> {
    if let [sign @ (b'+' | b'-'), rest @ ..] = zone {
        let digits: Vec<i64> = rest.iter().copied().filter_map(digit).collect();
        let [h0, h1, minutes @ ..] = digits.as_slice() else { return None };
        let minutes = match minutes {
            [m0, m1] => m0 * 10 + m1,
            _ => 0,
        };
        let seconds = (h0 * 10 + h1) * 3_600 + minutes * 60;
        return Some(if *sign == b'-' { -seconds } else { seconds });
    }
    let quarters = match zone {
        b"UTC" | b"GMT" | b"Z" | b"WET" | b"UCT" => 0,
        b"CET" | b"WEST" | b"MEZ" | b"WAT" => 4,
        b"CEST" | b"EET" | b"MESZ" | b"SAST" | b"CAT" => 8,
        b"EEST" | b"MSK" | b"EAT" => 12,
        b"PKT" => 20,
        b"IST" => 22,
        b"WIB" => 28,
        b"HKT" | b"SGT" | b"AWST" => 32,
        b"JST" | b"KST" => 36,
        b"ACST" => 38,
        b"AEST" => 40,
        b"ACDT" => 42,
        b"AEDT" => 44,
        b"NZST" => 48,
        b"NZDT" => 52,
        b"EST" => -20,
        b"EDT" => -16,
        b"CDT" => -20,
        b"MDT" => -24,
        b"MST" => -28,
        b"PDT" => -28,
        b"PST" => -32,
        b"AKDT" => -32,
        b"AKST" => -36,
        b"HST" => -40,
        // North America's, since China prints its zone as CST too but its servers mostly use UTC or +08.
        b"CST" => -24,
        _ => return None,
    };
    Some(quarters * 900)
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(a: u8, b: u8) -> Option<i64> {
    Some(digit(a)? * 10 + digit(b)?)
}

fn number(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0_i64, |sum, byte| sum.checked_mul(10)?.checked_add(digit(*byte)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, length: usize) {
        let moment = Clock::default().read(text.as_bytes()).map(|m| (m.when.to_string(), m.length));
        assert_eq!(moment, Some((expected.to_owned(), length)), "{text}");
    }

    #[test]
    fn timestamps_and_zones() {
        check("2024-02-29 23:59:59.123 UTC [1]", "2024-02-29T23:59:59.123Z", 27);
        check("2024-06-01 12:00:00 CEST:", "2024-06-01T10:00:00.000Z", 24);
        check("2024-06-01 12:00:00.500 +0530,", "2024-06-01T06:30:00.500Z", 29);
        check("2024-06-01 12:00:00.500 -03 x", "2024-06-01T15:00:00.500Z", 27);
        check("1969-12-31 00:00:00 GMT", "1969-12-31T00:00:00.000Z", 23);
    }

    #[test]
    fn what_is_no_timestamp() {
        for text in ["2024-13-01 00:00:00 UTC", "2024-01-01 24:00:00 UTC", "2024-01-01 00:00:00", "", "x"] {
            assert_eq!(Clock::default().read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn agrees_with_a_calendar_library_every_day_of_eight_hundred_years() {
        let mut day = jiff::civil::date(1800, 1, 1);
        let end = jiff::civil::date(2600, 1, 1);
        let mut expected = i64::from((day - jiff::civil::date(1970, 1, 1)).get_days());
        while day < end {
            assert_eq!(days_from_civil(day.year().into(), day.month().into(), day.day().into()), expected, "{day}");
            day = day.tomorrow().expect("the range is far from the calendar's end");
            expected += 1;
        }
    }

    #[test]
    fn epochs() {
        assert_eq!(Clock::read_epoch(b"1700000000.123 x"), Some((Timestamp(1_700_000_000_123_000), 14)));
        assert_eq!(Clock::read_epoch(b"12.5"), None);
    }
}
