//! Numbers as people read them: sizes, durations, counts and shares.

/// Bytes with a binary unit as PostgreSQL's `pg_size_pretty` names them: `8192 bytes`, `16 kB`, `3.2 MB`.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 10_240.0 {
        return format!("{bytes:.0} bytes");
    }
    let mut value = bytes / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Milliseconds with a fitting unit: `0.42 ms`, `38 ms`, `1.9 s`, `4 min 12 s`, `2 h 05 min`.
#[must_use]
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms if ms < 3_600_000.0 => {
            let seconds = (ms / 1_000.0).round();
            format!("{} min {:02} s", (seconds / 60.0).floor(), seconds % 60.0)
        }
        ms => {
            let minutes = (ms / 60_000.0).round();
            format!("{} h {:02} min", (minutes / 60.0).floor(), minutes % 60.0)
        }
    }
}

/// A count with thousands set apart: `12,345`.
#[must_use]
pub fn count(count: f64) -> String {
    let digits = format!("{:.0}", count.abs());
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if count <= -0.5 {
        grouped.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share of one as a percentage: `12.3 %`, `0.04 %`, `< 0.01 %`.
#[must_use]
pub fn share(share: f64) -> String {
    match share * 100.0 {
        percent if percent >= 0.1 => format!("{percent:.1} %"),
        percent if percent >= 0.01 => format!("{percent:.2} %"),
        percent if percent > 0.0 => "< 0.01 %".to_owned(),
        _ => "0 %".to_owned(),
    }
}

/// A planner cost: two decimals while small, whole and grouped when large.
#[must_use]
pub fn cost(cost: f64) -> String {
    if cost < 100.0 { format!("{cost:.2}") } else { count(cost) }
}

/// How many of something: `1 query`, `3 queries`.
#[must_use]
pub fn plural(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", count(number as f64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!(bytes(8192.0), "8192 bytes");
        assert_eq!(bytes(16_384.0), "16 kB");
        assert_eq!(bytes(3.25 * 1024.0 * 1024.0), "3.2 MB");
        assert_eq!(bytes(2e18), "1776 PB");
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(milliseconds(0.417), "0.42 ms");
        assert_eq!(milliseconds(38.4), "38 ms");
        assert_eq!(milliseconds(1_940.0), "1.9 s");
        assert_eq!(milliseconds(252_000.0), "4 min 12 s");
        assert_eq!(milliseconds(119_999.0), "2 min 00 s");
        assert_eq!(milliseconds(7_500_000.0), "2 h 05 min");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0.0), "0");
        assert_eq!(count(999.0), "999");
        assert_eq!(count(12_345.0), "12,345");
        assert_eq!(count(-1_234_567.0), "-1,234,567");
    }

    #[test]
    fn small_shares_are_not_nothing() {
        assert_eq!(share(0.123), "12.3 %");
        assert_eq!(share(0.0004), "0.04 %");
        assert_eq!(share(0.000_001), "< 0.01 %");
        assert_eq!(share(0.0), "0 %");
    }
}
