//! Peppers: a secret outside of the database, without which its hashes are worth nothing.
//!
//! The pepper is argon2's secret value K (RFC 9106, section 3.1), and its name stands in the hash as the PHC string's `keyid`, so
//! that peppers can be changed: new hashes have the active one, and those of an older one are verified with that and
//! replaced.

use std::fmt;

use dbopt_crypto::{Key, KeyId};

/// The longest name that fits argon2's `keyid`.
const LONGEST_NAME: usize = 8;

/// The peppers that are known, of which one may be active. Without any, hashes have none.
#[derive(Clone, Default)]
pub struct Peppers {
    keys: Vec<(KeyId, Key)>,
    active: Option<KeyId>,
}

/// Why peppers are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPeppers {
    /// A name does not fit.
    #[error("the name of pepper `{0}` is longer than {LONGEST_NAME} characters")]
    LongName(KeyId),
    /// Two have the same name.
    #[error("pepper `{0}` is there twice")]
    SameName(KeyId),
    /// The active one is none of them.
    #[error("the active pepper `{0}` is not there")]
    Missing(KeyId),
}

impl Peppers {
    /// Peppers by name, and which of them new hashes have; none to take peppers off hashes that have one.
    ///
    /// # Errors
    /// When a name is too long or comes twice, or the active one is not there.
    pub fn new(keys: impl IntoIterator<Item = (KeyId, Key)>, active: Option<KeyId>) -> Result<Self, InvalidPeppers> {
        let keys: Vec<_> = keys.into_iter().collect();
        for (at, (id, _)) in keys.iter().enumerate() {
            if id.as_str().len() > LONGEST_NAME {
                return Err(InvalidPeppers::LongName(id.clone()));
            }
            if keys[..at].iter().any(|(other, _)| other == id) {
                return Err(InvalidPeppers::SameName(id.clone()));
            }
        }
        match active {
            Some(id) if !keys.iter().any(|(other, _)| *other == id) => Err(InvalidPeppers::Missing(id)),
            active => Ok(Self { keys, active }),
        }
    }

    /// The one that new hashes have.
    pub(super) fn active(&self) -> Option<(&KeyId, &Key)> {
        self.get(self.active.as_ref()?.as_str())
    }

    pub(super) fn get(&self, name: &str) -> Option<(&KeyId, &Key)> {
        self.keys.iter().find(|(id, _)| id.as_str() == name).map(|(id, key)| (id, key))
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peppers").field("active", &self.active).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(name: &str, byte: u8) -> (KeyId, Key) {
        (KeyId::new(name).expect("a name"), Key::new((0..32).map(|at| at ^ byte).collect()).expect("a key"))
    }

    #[test]
    fn wrong_sets_are_refused() {
        let id = |name| KeyId::new(name).expect("a name");
        let refused = |keys: &[(KeyId, Key)], active| Peppers::new(keys.to_vec(), active).expect_err("refused");
        assert_eq!(refused(&[pepper("pepper-26", 0)], None), InvalidPeppers::LongName(id("pepper-26")));
        assert_eq!(refused(&[pepper("a", 0), pepper("a", 1)], None), InvalidPeppers::SameName(id("a")));
        assert_eq!(refused(&[pepper("a", 0)], Some(id("b"))), InvalidPeppers::Missing(id("b")));
    }

    #[test]
    fn debug_shows_no_key() {
        let peppers = Peppers::new([pepper("a", 0)], Some(KeyId::new("a").expect("a name"))).expect("peppers");
        assert_eq!(format!("{peppers:?}"), "Peppers { active: Some(KeyId(\"a\")), .. }");
    }
}
