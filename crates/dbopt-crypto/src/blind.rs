//! Blind indexes: encrypted values that can still be looked up.
//!
//! Beside the sealed value stands a *term*, a keyed hash of the value in a normal form; who looks for a value computes
//! its term and compares terms. Each index has a key of its own, derived for its table, column, name and version.
//!
//! What it leaks to somebody who reads the table without the key: which rows have the same value, how often each value
//! occurs, and, with a prefix form, which begin alike. Where values are few (a sex, a country, a yes or no) the
//! frequencies alone give them away; [`BlindIndex::new`] takes fewer bits there, so that values share terms, at the price of
//! rows that match and have to be opened to be told apart.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::{Key, mac::HmacSha256};

/// What of a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Its bytes.
    Exact,
    /// Its text without white space around it, in lower case and Unicode's compatibility form (NFKC), so that
    /// `Jo@Example.org` finds `jo@example.org`.
    Folded,
    /// Its decimal digits: telephone and card numbers in any notation.
    Digits,
    /// The first so many characters of the folded text. A shorter text has no such prefix.
    Prefix(u8),
}

impl Form {
    /// The normal form of a text, if it has one.
    fn of(self, text: &str) -> Option<Zeroizing<String>> {
        let folded = || text.trim().nfkc().flat_map(char::to_lowercase).nfkc();
        Some(Zeroizing::new(match self {
            Self::Exact => text.to_owned(),
            Self::Folded => folded().collect(),
            Self::Digits => text.chars().filter_map(|c| c.to_digit(10).map(|_| c)).collect(),
            Self::Prefix(length) => {
                let prefix: String = folded().take(length.into()).collect();
                if prefix.chars().count() < length.into() {
                    return None;
                }
                prefix
            }
        }))
    }

    /// Distinguishes the forms in the derivation of keys.
    const fn bytes(self) -> [u8; 2] {
        match self {
            Self::Exact => [0, 0],
            Self::Folded => [1, 0],
            Self::Digits => [2, 0],
            Self::Prefix(length) => [3, length],
        }
    }
}

/// One index over a column.
#[derive(Clone)]
pub struct BlindIndex {
    version: u8,
    form: Form,
    bits: u16,
    mac: HmacSha256,
}

impl BlindIndex {
    /// Most bits of a term, besides its version.
    pub const MOST_BITS: u16 = 256;

    /// The index of a column under a key that serves blind indexes alone.
    ///
    /// `version` is the first byte of each term: during a change of keys or forms both versions are asked for. `bits`
    /// is from 1 to [`BlindIndex::MOST_BITS`], and None otherwise; with `n` rows and fewer than about `2·log2(n)` bits, rows of
    /// different values begin to share terms.
    #[must_use]
    pub fn new(key: &Key, table: &str, column: &str, version: u8, form: Form, bits: u16) -> Option<Self> {
        if !(1..=Self::MOST_BITS).contains(&bits) {
            return None;
        }
        let length = |text: &str| (text.len() as u64).to_be_bytes();
        let (table_length, column_length) = (length(table), length(column));
        let parts: [&[u8]; 7] = [
            b"dbopt blind index v1",
            &table_length,
            table.as_bytes(),
            &column_length,
            column.as_bytes(),
            &[version],
            &form.bytes(),
        ];
        let own = Zeroizing::new(HmacSha256::new(key.bytes()).tag(&parts));
        Some(Self { version, form, bits, mac: HmacSha256::new(&own[..]) })
    }

    /// The version, the first byte of each term.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The term of a text: the version, then the first bits of the keyed hash, the last byte filled up with zeros. None
    /// of a text that is shorter than the prefix.
    #[must_use]
    pub fn term(&self, text: &str) -> Option<Vec<u8>> {
        let normal = self.form.of(text)?;
        let tag = self.mac.tag(&[normal.as_bytes()]);
        let mut term = Vec::with_capacity(1 + tag.len());
        term.push(self.version);
        term.extend_from_slice(&tag[..usize::from(self.bits.div_ceil(8))]);
        if let (Some(last), over @ 1..) = (term.last_mut(), self.bits % 8) {
            *last &= 0xff << (8 - over);
        }
        Some(term)
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindIndex(version {}, {:?}, {} bits)", self.version, self.form, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new((0..32).collect()).expect("a key")
    }

    fn index(form: Form, bits: u16) -> BlindIndex {
        BlindIndex::new(&key(), "public.customer", "email", 1, form, bits).expect("an index")
    }

    #[test]
    fn normal_forms_meet() {
        let same = |form: Form, a: &str, b: &str| index(form, 128).term(a) == index(form, 128).term(b);
        assert!(same(Form::Folded, " Jo@Example.ORG\n", "jo@example.org"));
        assert!(same(Form::Folded, "Zoe\u{308}", "zo\u{eb}"), "composed and decomposed");
        assert!(same(Form::Folded, "\u{ff21}", "a"), "full width");
        assert!(same(Form::Digits, "+49 (30) 1234", "49301234"));
        assert!(same(Form::Prefix(3), "Müller", "MÜLLEIMER"));
        assert!(!same(Form::Exact, "a", "A"));
        assert!(!same(Form::Prefix(3), "Mueller", "Müller"));
        assert_eq!(index(Form::Prefix(3), 128).term("Mü"), None);
    }

    #[test]
    fn each_index_has_a_key_of_its_own() {
        let term = |table: &str, column: &str, version: u8, form: Form| {
            let index = BlindIndex::new(&key(), table, column, version, form, 128).expect("an index");
            index.term("abc").expect("a term")[1..].to_vec()
        };
        let mut terms = vec![
            term("t", "c", 1, Form::Exact),
            term("t", "c", 2, Form::Exact),
            term("t", "c", 1, Form::Folded),
            term("t", "c", 1, Form::Prefix(3)),
            term("t", "d", 1, Form::Exact),
            term("tc", "", 1, Form::Exact),
        ];
        terms.sort();
        terms.dedup();
        assert_eq!(terms.len(), 6);
    }

    #[test]
    fn terms_have_so_many_bits() {
        let whole = index(Form::Exact, 256).term("abc").expect("a term");
        assert_eq!((whole.len(), whole[0]), (33, 1));
        let short = index(Form::Exact, 12).term("abc").expect("a term");
        assert_eq!(short, [whole[0], whole[1], whole[2] & 0xf0]);
        let different: std::collections::BTreeSet<_> =
            (0..1_000).filter_map(|n| index(Form::Exact, 3).term(&n.to_string())).collect();
        assert_eq!(different.len(), 8);
        for bits in [0, 257] {
            assert!(BlindIndex::new(&key(), "t", "c", 1, Form::Exact, bits).is_none());
        }
    }

    /// Terms stand in databases: they stay what they are.
    #[test]
    fn terms_are_pinned() {
        let term = index(Form::Folded, 64).term("jo@example.org").expect("a term");
        let hex: String = term.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01bd54ca20d55c3915");
    }
}
