//! Keys: 128 bits that stand for a rule and whom it counts.
//!
//! A keyed hash, so that nobody can choose a name that shares a victim's key, and so that a store holds no address,
//! account or API key. SipHash-1-3 with 128 bits of output (<https://www.aumasson.jp/siphash/siphash.pdf>) is a
//! pseudo-random function as long as its key is secret.

use std::{fmt, hash::Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

/// Whom a limit counts, for one rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u64; 2]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0[0], self.0[1])
    }
}

/// Makes keys, under a secret.
#[derive(Clone)]
pub struct Keyer {
    hasher: SipHasher13,
}

impl Keyer {
    /// With a secret of this process: for limits in memory.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        Ok(Self::shared(&secret))
    }

    /// With a secret that all processes know that share a store.
    #[must_use]
    pub fn shared(secret: &[u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(secret) }
    }

    /// Makes the keys of one rule, whose name is hashed once.
    #[must_use]
    pub fn rule(&self, name: &str) -> RuleKeyer {
        let mut hasher = self.hasher;
        write(&mut hasher, name.as_bytes());
        RuleKeyer { hasher }
    }

    /// The key of a rule and of the parts that it counts by, in order. Lengths are hashed too: `("ab", "c")` and `("a", "bc")` are
    /// two keys.
    #[must_use]
    pub fn key<'a>(&self, rule: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
        self.rule(rule).key(parts)
    }
}

/// Makes the keys of one rule.
#[derive(Clone)]
pub struct RuleKeyer {
    hasher: SipHasher13,
}

impl RuleKeyer {
    /// The key of some parts, in order; the same as that of [`Keyer::key`].
    #[inline]
    #[must_use]
    pub fn key<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
        let mut hasher = self.hasher;
        for part in parts {
            write(&mut hasher, part);
        }
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }
}

impl fmt::Debug for RuleKeyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuleKeyer")
    }
}

fn write(hasher: &mut SipHasher13, part: &[u8]) {
    hasher.write_u64(part.len() as u64);
    hasher.write(part);
}

impl fmt::Debug for Keyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let keyer = Keyer::shared(b"0123456789abcdef");
        let key = |parts: &[&str]| keyer.key("rule", parts.iter().map(|part| part.as_bytes()));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab", "c"]), keyer.key("other", [b"ab".as_slice(), b"c"]));
        assert_ne!(key(&["ab"]), Keyer::random().expect("random bytes").key("rule", [b"ab".as_slice()]));
        assert_eq!(format!("{keyer:?}"), "Keyer");
    }
}
