//! Numbers as a snapshot holds them: whole ones without a fraction, and checked where they are read, so that a bad
//! one is reported at its line.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Default, JsonSchema)]
#[serde(transparent)]
pub(super) struct Number(pub(super) f64);

/// A number from 0 upwards.
#[derive(Clone, Copy, Debug, PartialEq, Default, JsonSchema)]
#[serde(transparent)]
pub(super) struct Amount(#[schemars(range(min = 0.0))] pub(super) f64);

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Default, JsonSchema)]
#[serde(transparent)]
pub(super) struct Share(#[schemars(range(min = 0.0, max = 1.0))] pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        f64::deserialize(from).map(Self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if number >= 0.0 { Ok(Self(number)) } else { Err(D::Error::custom("a number below 0")) }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err(D::Error::custom("a share outside 0 to 1")) }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        /// Up to here every whole number has a `f64` of its own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        // JSON has neither infinity nor NaN, and they are never statistics.
        let number = if self.0.is_finite() { self.0 } else { 0.0 };
        if number.fract() == 0.0 && number.abs() < EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "the number is whole and within range")]
            return to.serialize_i64(number as i64);
        }
        to.serialize_f64(number)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Number(self.0.max(0.0)).serialize(to)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Number(self.0.clamp(0.0, 1.0)).serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_no_fraction() {
        let text = |number| serde_json::to_string(&Number(number)).expect("numbers are JSON");
        assert_eq!(text(12.0), "12");
        assert_eq!(text(-0.25), "-0.25");
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(f64::NAN), "0");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(serde_json::from_str::<Share>("1.1").is_err());
        assert!(serde_json::from_str::<Share>("-0.1").is_err());
        assert!(serde_json::from_str::<Amount>("-1").is_err());
        assert_eq!(serde_json::from_str::<Share>("1").ok(), Some(Share(1.0)));
    }
}
