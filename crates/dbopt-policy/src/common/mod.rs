//! Values that several kinds of policy share.

pub(crate) mod bytes;
pub(crate) mod duration;
pub(crate) mod rate;
pub(crate) mod selector;
pub(crate) mod window;

/// Implements `FromStr` and `FromValue` for a type by its `parse` and its shape.
macro_rules! text_value {
    ($type:ty, $what:literal, $pattern:expr, $examples:expr) => {
        impl std::str::FromStr for $type {
            type Err = crate::Fault;

            fn from_str(text: &str) -> Result<Self, crate::Fault> {
                Self::parse(text)
            }
        }

        impl crate::FromValue for $type {
            fn from_value(value: &crate::Value<'_>) -> Option<Self> {
                value.parsed(&Self::shape(), Self::parse)
            }

            fn shape() -> crate::Shape {
                crate::Shape::Text { what: $what, pattern: $pattern, examples: $examples }
            }
        }
    };
}

pub(crate) use text_value;
