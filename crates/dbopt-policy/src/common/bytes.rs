//! Amounts of bytes, such as `10MB`.

use std::fmt;

use super::text_value;
use crate::{Fault, fault::shown};

/// An amount of bytes, written as PostgreSQL writes memory sizes: a whole number and `B`, `kB`, `MB`, `GB` or `TB`, where
/// 1 kB is 1024 bytes (<https://www.postgresql.org/docs/current/config-setting.html>). Unlike there, a unit is needed,
/// and its case does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Units and their bytes, largest first.
const UNITS: [(&str, u64); 5] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1)];
const PATTERN: &str = r"^\s*[0-9]+\s*([kKmMgGtT]?[bB])\s*$";

impl Bytes {
    /// Reads a whole number and a unit. There may be spaces between them.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |message: String| {
            Fault::new("bad-size", message).help("Write a size such as `10MB`, with `B`, `kB`, `MB`, `GB` or `TB`.")
        };
        let trimmed = text.trim();
        let (number, unit) =
            trimmed.split_at(trimmed.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(trimmed.len()));
        let unit = unit.trim_start();
        if number.is_empty() {
            return Err(bad(format!("`{}` is no size", shown(text))));
        }
        if unit.is_empty() {
            return Err(bad(format!("size `{}` has no unit", shown(text))));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
            return Err(bad(format!("size `{}` has the unknown unit `{}`", shown(text), shown(unit))));
        };
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale)) {
            Some(bytes) if i64::try_from(bytes).is_ok() => Ok(Self(bytes)),
            _ => Err(Fault::new("bad-size", format!("size `{}` does not fit in 64 bits", shown(text)))),
        }
    }
}

/// With the largest unit that leaves a whole number.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS.iter().find(|(_, scale)| self.0 >= *scale && self.0.is_multiple_of(*scale));
        let (unit, scale) = exact.unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

text_value!(Bytes, "a size", Some(PATTERN), &["10MB", "1GB"]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_count_as_in_postgresql() {
        assert_eq!(Bytes::parse("10MB"), Ok(Bytes(10 * 1024 * 1024)));
        assert_eq!(Bytes::parse(" 1 gb "), Ok(Bytes(1 << 30)));
        assert_eq!(Bytes::parse("0B"), Ok(Bytes(0)));
    }

    #[test]
    fn what_is_none_says_why() {
        let fault = |text| Bytes::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(fault("10"), @"size `10` has no unit");
        insta::assert_snapshot!(fault("10MiB"), @"size `10MiB` has the unknown unit `MiB`");
        insta::assert_snapshot!(fault("1.5GB"), @"size `1.5GB` has the unknown unit `.5GB`");
        insta::assert_snapshot!(fault("much"), @"`much` is no size");
        insta::assert_snapshot!(fault("9999999999TB"), @"size `9999999999TB` does not fit in 64 bits");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(bytes in 0..=i64::MAX as u64, shift in 0_u32..62) {
            let bytes = Bytes(bytes >> shift);
            prop_assert_eq!(Bytes::parse(&bytes.to_string()), Ok(bytes));
        }
    }
}
