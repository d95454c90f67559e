//! What can be encrypted: values that are bytes, and back.

use zeroize::Zeroizing;

/// A value that has a form of bytes, which stays the same for as long as values are kept.
pub trait FieldValue: Sized {
    /// The value as bytes.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>>;

    /// The value that the bytes are; none when they are not one.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// As UTF-8.
impl FieldValue for String {
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.as_bytes().to_vec())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

/// As they are.
impl FieldValue for Vec<u8> {
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.clone())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        /// In decimal, as PostgreSQL prints it, so that a column's text and the program's number are sealed alike.
        impl FieldValue for $number {
            fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
                Zeroizing::new(self.to_string().into_bytes())
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                std::str::from_utf8(bytes).ok()?.parse().ok()
            }
        }
    )*};
}

number!(i16, i32, i64);

/// Any value of serde's, as JSON.
#[cfg(feature = "serde")]
#[derive(Clone, PartialEq, Eq)]
pub struct Json<T>(
    /// The value.
    pub T,
);

#[cfg(feature = "serde")]
impl<T: ::serde::Serialize + ::serde::de::DeserializeOwned> FieldValue for Json<T> {
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // A type that is no JSON has no bytes, which do not open as one either.
        Zeroizing::new(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }
}
