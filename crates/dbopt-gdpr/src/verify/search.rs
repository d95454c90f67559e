//! Finds what is looked for in bytes: one automaton of all needles (Aho and Corasick, 1975), then a look at what stands around.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{
    identifier::Identifier,
    needle::{self, Needle, Variant},
};
use crate::policy::Match;

/// Some identifiers, ready to be searched for.
pub struct Search {
    automaton: Option<AhoCorasick>,
    needles: Vec<Needle>,
    addresses: Vec<Address>,
    identifiers: Vec<Identifier>,
    /// Whether an identifier is too short to be searched.
    short: Vec<bool>,
}

/// It shows no value.
impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("identifiers", &self.identifiers).finish_non_exhaustive()
    }
}

/// Where an identifier was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found {
    /// Index of the identifier.
    pub identifier: usize,
    /// How it was written.
    pub variant: Variant,
    /// Whether it stands for itself. What is a part of a longer word or address is somebody else's more often than not.
    pub whole: bool,
}

/// An address whose tag or dots make no difference: its domain is searched, and what stands before is compared.
struct Address {
    identifier: usize,
    /// What is looked for: `@` in one of its writings, and the domain.
    domain: Vec<u8>,
    /// What stands before it, without what makes no difference.
    local: String,
    /// What stands before it as it is.
    plain: String,
    tag: bool,
    dots: bool,
}

/// No more room than this for the quick kind of automaton, by bytes of needles.
const QUICK: usize = 1 << 15;

/// Most needles that are built into one automaton.
const MOST_BYTES: usize = 16 << 20;

/// Why there is no search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many or too long identifiers to search for at once")]
pub struct TooMany;

impl Search {
    /// Makes ready to search: not for values of less than `shortest` characters, and for hashes and base64 only with `hashes`.
    ///
    /// # Errors
    /// When there are too many, or too long ones.
    pub fn new(identifiers: Vec<Identifier>, shortest: u32, hashes: bool) -> Result<Self, TooMany> {
        let bytes: usize = identifiers.iter().map(|identifier| identifier.value.len()).sum();
        // Each value makes some hundred needles, about three times as long.
        if bytes.saturating_mul(if hashes { 256 } else { 128 }) > MOST_BYTES * 16 {
            return Err(TooMany);
        }
        let needles = needle::needles(&identifiers, shortest, hashes);
        let short: Vec<_> =
            identifiers.iter().map(|one| one.value.trim().chars().count() < shortest.max(1) as usize).collect();
        let mut addresses = Vec::new();
        for (at, identifier) in identifiers.iter().enumerate().filter(|(at, _)| !short[*at]) {
            addresses.extend(Address::all(at, identifier));
        }
        let patterns =
            || needles.iter().map(|needle| &*needle.bytes).chain(addresses.iter().map(|address| &*address.domain));
        let total: usize = patterns().map(<[u8]>::len).sum();
        let kind = (total <= QUICK).then_some(AhoCorasickKind::DFA);
        let automaton = (total > 0).then(|| {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(kind)
                .build(patterns())
                .map_err(|_| TooMany)
        });
        Ok(Self { automaton: automaton.transpose()?, needles, addresses, identifiers, short })
    }

    /// What is searched for.
    #[must_use]
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// Those that are too short to be searched for.
    pub fn short(&self) -> impl Iterator<Item = &Identifier> {
        self.identifiers.iter().zip(&self.short).filter(|(_, short)| **short).map(|(identifier, _)| identifier)
    }

    /// Bytes of the longest needle, and of what is looked at around it.
    pub(super) fn reach(&self) -> usize {
        let longest = self.needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or_default();
        longest + 512
    }

    /// Whether there may be something in these bytes: quick, and right when it says no.
    #[must_use]
    pub fn may_contain(&self, bytes: &[u8]) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(bytes))
    }

    /// What is in the bytes of one value, each kind once.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let mut found = Vec::new();
        for place in automaton.find_overlapping_iter(bytes) {
            let (start, end) = (place.start(), place.end());
            let one = match self.needles.get(place.pattern().as_usize()) {
                Some(needle) if needle.exact && bytes[start..end] != *needle.bytes => continue,
                Some(needle) => {
                    let whole = needle.anywhere || self.is_whole(needle.identifier, bytes, start, end);
                    Found { identifier: needle.identifier, variant: needle.variant, whole }
                }
                None => {
                    let address = &self.addresses[place.pattern().as_usize() - self.needles.len()];
                    let same = address.is_before(bytes, start);
                    if !same || !is_end(bytes, end, true) {
                        continue;
                    }
                    Found { identifier: address.identifier, variant: Variant::Address, whole: true }
                }
            };
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found.sort_unstable();
        found
    }

    fn is_whole(&self, identifier: usize, bytes: &[u8], start: usize, end: usize) -> bool {
        let is_address = self.identifiers[identifier].value.contains('@');
        is_start(bytes, start, is_address) && is_end(bytes, end, is_address)
    }
}

impl Address {
    fn all(at: usize, identifier: &Identifier) -> Vec<Self> {
        if !identifier.ignores(Match::PlusTag) && !identifier.ignores(Match::Dots) {
            return Vec::new();
        }
        let value = needle::bare(identifier).to_lowercase();
        let Some((plain, domain)) =
            value.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty())
        else {
            return Vec::new();
        };
        let (tag, dots) = (identifier.ignores(Match::PlusTag), identifier.ignores(Match::Dots));
        let local = normal(plain, tag, dots);
        let one = |sign: &str| Self {
            identifier: at,
            domain: format!("{sign}{domain}").into_bytes(),
            local: local.clone(),
            plain: plain.to_owned(),
            tag,
            dots,
        };
        vec![one("@"), one("%40"), one("\\u0040")]
    }

    /// Whether the address before its domain is this one, written in another way than as it is.
    fn is_before(&self, bytes: &[u8], end: usize) -> bool {
        let mut start = end;
        while start > 0 && end - start < 256 {
            let byte = bytes[start - 1];
            let is_tag =
                byte == b'%' && bytes[start - 1..].get(..3).is_some_and(|code| code.eq_ignore_ascii_case(b"%2b"));
            // Letters beyond ASCII have bytes beyond it only.
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"._+-".contains(&byte) && !is_tag {
                break;
            }
            start -= 1;
        }
        // In a table of addresses of one domain, each of them is looked at: most are told by their first letter.
        let first = self.local.as_bytes().first().copied().unwrap_or_default();
        let may_begin = |at: &usize| {
            let byte = bytes[*at];
            !byte.is_ascii() || byte == b'.' || byte.eq_ignore_ascii_case(&first)
        };
        (start..end).filter(may_begin).filter(|at| is_start(bytes, *at, true)).any(|at| {
            let written = String::from_utf8_lossy(&bytes[at..end]).to_lowercase().replace("%2b", "+");
            // As it is it was found already.
            written != self.plain && normal(&written, self.tag, self.dots) == self.local
        })
    }
}

fn normal(local: &str, tag: bool, dots: bool) -> String {
    let local = if tag { local.split('+').next().unwrap_or(local) } else { local };
    if dots { local.replace('.', "") } else { local.to_owned() }
}

/// Whether a word begins here: there is no letter or digit before that is not the end of an escape.
fn is_start(bytes: &[u8], start: usize, is_address: bool) -> bool {
    let before = &bytes[..start];
    let Some(&last) = before.last() else { return true };
    if !last.is_ascii() {
        return !letter_ends(before);
    }
    // In arrays, composite values and hstore four bytes of length stand before each text, which itself has no NUL.
    if before.len() >= 4 && before[before.len() - 4] == 0 {
        return true;
    }
    if is_address && b"._+-".contains(&last) {
        return before.len() < 2 || !before[before.len() - 2].is_ascii_alphanumeric();
    }
    !last.is_ascii_alphanumeric() || ends_in_escape(before)
}

/// Whether a word ends here.
fn is_end(bytes: &[u8], end: usize, is_address: bool) -> bool {
    let after = &bytes[end..];
    let Some(&first) = after.first() else { return true };
    if !first.is_ascii() {
        return !letter_begins(after);
    }
    if is_address && b".-".contains(&first) {
        return !after.get(1).is_some_and(u8::is_ascii_alphanumeric);
    }
    !first.is_ascii_alphanumeric()
}

/// Whether the last letter or digit is a part of `\n`, `\u000a`, `%20`, `=20` and the like, that stand for no letter or digit.
fn ends_in_escape(before: &[u8]) -> bool {
    let hex = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    let no_letter = |code: u32| !char::from_u32(code).is_some_and(char::is_alphanumeric);
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'\\', b'u', a, b, c, d] => hex(&[*a, *b, *c, *d]).is_some_and(no_letter),
        [.., b'%', a, b] => hex(&[*a, *b]).is_some_and(|code| code < 0x80 && no_letter(code)),
        [.., b'=', a, b] => hex(&[*a, *b]).is_some_and(|code| (0x20..0x40).contains(&code) && no_letter(code)),
        _ => false,
    }
}

fn letter_ends(before: &[u8]) -> bool {
    (1..=4.min(before.len()))
        .find_map(|length| std::str::from_utf8(&before[before.len() - length..]).ok())
        .and_then(|text| text.chars().next())
        .is_some_and(char::is_alphanumeric)
}

fn letter_begins(after: &[u8]) -> bool {
    (1..=4.min(after.len()))
        .find_map(|length| std::str::from_utf8(&after[..length]).ok())
        .and_then(|text| text.chars().next())
        .is_some_and(char::is_alphanumeric)
}
