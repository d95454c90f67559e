//! A column's value that stays sealed until it is opened.

use std::{fmt, marker::PhantomData};

use crate::{Cell, FieldValue, KeyRing, OpenError, SealError};

/// A sealed value of a column. It comes from the database and goes there as it is; only [`Encrypted::open`], with the
/// ring and the cell, gives the value.
///
/// It cannot be printed, and cannot be compared: two seals of one value differ. A [`crate::BlindIndex`] finds equal values.
///
/// ```compile_fail
/// # fn f(a: dbopt_crypto::Encrypted<String>, b: dbopt_crypto::Encrypted<String>) -> bool {
/// a == b
/// # }
/// ```
///
/// ```compile_fail
/// # fn f(a: dbopt_crypto::Encrypted<String>) -> String {
/// format!("{a}")
/// # }
/// ```
#[derive(Clone)]
pub struct Encrypted<T> {
    sealed: Vec<u8>,
    value: PhantomData<fn() -> T>,
}

/// Why an encrypted value was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It opens, but is no value of the type: the column holds another one.
    #[error("the value is not of the column's type")]
    Type,
}

impl<T: FieldValue> Encrypted<T> {
    /// Seals a value for its cell.
    pub fn seal(ring: &KeyRing, cell: &Cell<'_>, value: &T) -> Result<Self, SealError> {
        ring.seal(cell, &value.to_bytes()).map(Self::from_sealed)
    }

    /// Opens the value in the cell that it comes from.
    pub fn open(&self, ring: &KeyRing, cell: &Cell<'_>) -> Result<T, FieldError> {
        T::from_bytes(&ring.open(cell, &self.sealed)?).ok_or(FieldError::Type)
    }
}

impl<T> Encrypted<T> {
    /// A value that was sealed before. What is no sealed value will not open.
    #[must_use]
    pub const fn from_sealed(sealed: Vec<u8>) -> Self {
        Self { sealed, value: PhantomData }
    }

    /// The bytes, as they stand in the database.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }
}

/// The type only.
impl<T> fmt::Debug for Encrypted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, DataKey, KeyNumber};

    #[test]
    fn values_of_each_type_come_back() {
        let one = KeyNumber::new(1).expect("above zero");
        let key = DataKey::random().expect("a key");
        let ring = KeyRing::new().with(one, Algorithm::default(), true, &key).expect("a ring");
        let cell = Cell::new("public.customer", "email", &["42"]);
        let text = Encrypted::seal(&ring, &cell, &"jo@example.org".to_owned()).expect("sealed");
        assert_eq!(text.open(&ring, &cell).expect("opened"), "jo@example.org");
        assert_eq!(format!("{text:?}"), "Encrypted");
        let number = Encrypted::seal(&ring, &cell, &-7_i64).expect("sealed");
        assert_eq!(number.open(&ring, &cell), Ok(-7));
        let wrong = Encrypted::<i64>::from_sealed(text.sealed().to_vec());
        assert_eq!(wrong.open(&ring, &cell), Err(FieldError::Type));
        let elsewhere = Cell::new("public.customer", "email", &["43"]);
        assert_eq!(number.open(&ring, &elsewhere), Err(FieldError::Open(OpenError::Rejected)));
    }
}
