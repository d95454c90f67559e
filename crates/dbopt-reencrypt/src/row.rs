//! What is to be done about one value.

use std::{collections::BTreeSet, sync::Arc};

use dbopt_crypto::{
    Envelope, EnvelopeError, FernetReader, Field, FieldCipherError, KeyNumber, KeyOwner, KeyRing, OpenError,
    SealedField,
};

/// A value as it is in its row.
#[derive(Clone, Debug)]
pub(crate) struct Stored<'a> {
    /// In the column itself.
    pub(crate) value: Option<&'a [u8]>,
    /// In the column of plain values.
    pub(crate) plain: Option<&'a [u8]>,
    /// In the columns of terms, in the rule's order.
    pub(crate) terms: Vec<Option<&'a [u8]>>,
    /// By whose key it is to be sealed.
    pub(crate) whose: Whose<'a>,
}

/// By whose key a value is sealed.
#[derive(Clone, Debug)]
pub(crate) enum Whose<'a> {
    /// The ring's: the column names nobody.
    Ring,
    /// That of a person.
    Person {
        /// None when the row names nobody, or somebody who has no key.
        key: Option<Arc<KeyRing>>,
        /// Numbers of keys of persons that are still there, as far as the rows of a batch name them.
        living: &'a BTreeSet<KeyNumber>,
    },
}

impl Whose<'_> {
    fn seal(&self, field: &Field, row: &[&str], value: &[u8]) -> Result<Option<SealedField>, FieldCipherError> {
        match self {
            Self::Ring => field.seal(row, value).map(Some),
            Self::Person { key, .. } => key.as_ref().map(|key| field.seal_of(key, row, value)).transpose(),
        }
    }

    fn open(
        &self,
        field: &Field,
        row: &[&str],
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, FieldCipherError> {
        match self {
            Self::Person { key: Some(key), .. } => field.open_of(key, row, sealed),
            _ => field.open(row, sealed),
        }
    }

    /// Why a value under this key of a person cannot be opened, if it cannot.
    fn fault(&self, number: KeyNumber) -> Option<Fault> {
        match self {
            Self::Person { key: Some(key), .. } if key.active() == Some(number) => None,
            Self::Person { living, .. } if !living.contains(&number) => Some(Fault::Erased),
            // The row was given to somebody else, and its value was not.
            Self::Person { key: Some(_), .. } => Some(Fault::Rejected),
            _ => Some(Fault::NoSubject),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: there is no value, and no term of one.
    Empty,
    /// Nothing: it opens, it is under the active key, and its terms are right.
    Good(KeyOwner, KeyNumber),
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
    /// It is erased, and so are its terms now.
    Erased,
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
    /// It is to be under the key of a person, and the row names nobody; or it is, and the policy does not say whose.
    NoSubject,
    /// It is a Fernet token, which would be sealed as if it were the value.
    FernetToken,
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
            Self::NoSubject => "no-subject",
            Self::FernetToken => "fernet-token",
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
        return sealed(field, row, plain, Was::Plain, &stored.whose);
    }
    let Some(value) = stored.value else {
        if stored.terms.iter().all(Option::is_none) {
            return Ok(Decision::Empty);
        }
        let terms = vec![None; stored.terms.len()];
        return Ok(Decision::Write(New { value: None, terms, was: Was::Terms }));
    };
    let (owner, key) = match Envelope::parse(value) {
        Ok(envelope) => (envelope.owner, envelope.key),
        // Without a column for them, plain values are here.
        Err(EnvelopeError::Foreign | EnvelopeError::Short(0)) if field.rule().plain.is_none() => {
            return sealed(field, row, value, Was::Plain, &stored.whose);
        }
        Err(_) => return Ok(Decision::Leave(Fault::Malformed)),
    };
    if owner == KeyOwner::Subject
        && let Some(fault) = stored.whose.fault(key)
    {
        return Ok(unopened(stored, fault));
    }
    let opened = match stored.whose.open(field, row, value) {
        Ok(opened) => opened,
        Err(FieldCipherError::Open(error)) => {
            let fault = match error {
                OpenError::DestroyedKey(_) => Fault::Erased,
                OpenError::UnknownKey(_) => Fault::UnknownKey,
                OpenError::Envelope(_) => Fault::Malformed,
                _ => Fault::Rejected,
            };
            return Ok(unopened(stored, fault));
        }
        Err(error) => return Err(error),
    };
    if field.is_stale(value)? {
        return sealed(field, row, &opened, Was::OtherKey, &stored.whose);
    }
    let terms: Vec<_> = field.terms(&opened).into_iter().map(|(_, term)| term).collect();
    if terms.iter().map(Option::as_deref).eq(stored.terms.iter().copied()) {
        return Ok(Decision::Good(owner, key));
    }
    Ok(Decision::Write(New { value: Some(value.to_vec()), terms, was: Was::Terms }))
}

/// Seals a value, and opens it again before anybody gives up the one that it replaces.
fn sealed(
    field: &Field,
    row: &[&str],
    value: &[u8],
    was: Was,
    whose: &Whose<'_>,
) -> Result<Decision, FieldCipherError> {
    if was == Was::Plain && FernetReader::is_token(value) {
        return Ok(Decision::Leave(Fault::FernetToken));
    }
    let Some(new) = whose.seal(field, row, value)? else { return Ok(Decision::Leave(Fault::NoSubject)) };
    if *whose.open(field, row, &new.value)? != *value {
        return Err(OpenError::Rejected.into());
    }
    let terms = new.terms.into_iter().map(|(_, term)| term).collect();
    Ok(Decision::Write(New { value: Some(new.value), terms, was }))
}

/// A value that does not open is left. The terms of an erased one would still tell who knows the value, so they go.
fn unopened(stored: &Stored<'_>, fault: Fault) -> Decision {
    if fault != Fault::Erased || stored.terms.iter().all(Option::is_none) {
        return Decision::Leave(fault);
    }
    let terms = vec![None; stored.terms.len()];
    Decision::Write(New { value: stored.value.map(<[u8]>::to_vec), terms, was: Was::Erased })
}
