//! What is to be done about one value.

use dbopt_crypto::{Envelope, EnvelopeError, Field, FieldCipherError, KeyNumber, OpenError};

/// A value as it is in its row.
#[derive(Clone, Debug)]
pub(crate) struct Stored<'a> {
    /// In the column itself.
    pub(crate) value: Option<&'a [u8]>,
    /// In the column of plain values.
    pub(crate) plain: Option<&'a [u8]>,
    /// In the columns of terms, in the rule's order.
    pub(crate) terms: Vec<Option<&'a [u8]>>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: there is no value, and no term of one.
    Empty,
    /// Nothing: it opens, it is under the active key, and its terms are right.
    Good(KeyNumber),
    /// It is to be written.
    Write(New),
    /// It does not open, and is left as it is.
    Leave(Fault),
}

/// What is to be in the row instead. The column of plain values is to be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct New {
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) terms: Vec<Option<Vec<u8>>>,
    pub(crate) was: Was,
}

/// Why a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// It was in plain.
    Plain,
    /// It was under another key.
    OtherKey,
    /// Its terms were others.
    Terms,
}

/// Why a value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Its key was destroyed.
    Erased,
    /// The ring has no key of its number.
    UnknownKey,
    /// It was changed, or belongs to another row, column or table.
    Rejected,
    /// It is neither sealed nor can it be taken for plain.
    Malformed,
}

impl Fault {
    /// The name, in kebab case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::UnknownKey => "unknown-key",
            Self::Rejected => "rejected",
            Self::Malformed => "malformed",
        }
    }
}

/// Decides about a value of a row, given by the text of the row's key. What is to be written has been opened again.
///
/// A value in the column of plain values is the newest one: whoever writes sealed values empties that column in the same
/// statement.
///
/// # Errors
/// When keys cannot be had: then nothing can be said of any value.
pub(crate) fn decide(field: &Field, row: &[&str], stored: &Stored<'_>) -> Result<Decision, FieldCipherError> {
    if let Some(plain) = stored.plain {
        return sealed(field, row, plain, Was::Plain).map(Decision::Write);
    }
    let Some(value) = stored.value else {
        if stored.terms.iter().all(Option::is_none) {
            return Ok(Decision::Empty);
        }
        let terms = vec![None; stored.terms.len()];
        return Ok(Decision::Write(New { value: None, terms, was: Was::Terms }));
    };
    let key = match Envelope::parse(value) {
        Ok(envelope) => envelope.key,
        // Without a column for them, plain values are here.
        Err(EnvelopeError::Foreign | EnvelopeError::Short(0)) if field.rule().plain.is_none() => {
            return sealed(field, row, value, Was::Plain).map(Decision::Write);
        }
        Err(_) => return Ok(Decision::Leave(Fault::Malformed)),
    };
    let opened = match field.open(row, value) {
        Ok(opened) => opened,
        Err(FieldCipherError::Open(error)) => {
            return Ok(Decision::Leave(match error {
                OpenError::DestroyedKey(_) => Fault::Erased,
                OpenError::UnknownKey(_) => Fault::UnknownKey,
                OpenError::Envelope(_) => Fault::Malformed,
                _ => Fault::Rejected,
            }));
        }
        Err(error) => return Err(error),
    };
    if field.is_stale(value)? {
        return sealed(field, row, &opened, Was::OtherKey).map(Decision::Write);
    }
    let terms: Vec<_> = field.terms(&opened).into_iter().map(|(_, term)| term).collect();
    if terms.iter().map(Option::as_deref).eq(stored.terms.iter().copied()) {
        return Ok(Decision::Good(key));
    }
    Ok(Decision::Write(New { value: Some(value.to_vec()), terms, was: Was::Terms }))
}

/// Seals a value, and opens it again before anybody gives up the one that it replaces.
fn sealed(field: &Field, row: &[&str], value: &[u8], was: Was) -> Result<New, FieldCipherError> {
    let new = field.seal(row, value)?;
    if *field.open(row, &new.value)? != *value {
        return Err(OpenError::Rejected.into());
    }
    let terms = new.terms.into_iter().map(|(_, term)| term).collect();
    Ok(New { value: Some(new.value), terms, was })
}
