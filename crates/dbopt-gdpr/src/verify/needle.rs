//! What is looked for: the ways in which a value may have been written.
//!
//! All of them are searched at once, so that their number costs next to nothing. Case needs no needles of its own where it is
//! ASCII's; a name before the address and white space around it are found because a value is found within a longer text.

use std::collections::HashSet;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use unicode_normalization::UnicodeNormalization;

use super::{encode, identifier::Identifier};
use crate::policy::Match;

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Variant {
    /// As it is, in any case, alone or within a text.
    Written,
    /// The same letters, put together of other characters of Unicode.
    Composed,
    /// With escapes of URLs.
    Url,
    /// With escapes of JSON.
    Json,
    /// With characters as HTML and XML have them.
    Html,
    /// With escapes of mail.
    QuotedPrintable,
    /// In another encoding of characters.
    Utf16,
    /// An address with another tag, or with dots elsewhere, where the policy says that it is the same.
    Address,
    /// In base64, alone or within a longer text.
    Base64,
    /// MD5 of it.
    Md5,
    /// SHA-1 of it.
    Sha1,
    /// SHA-256 of it.
    Sha256,
    /// SHA-512 of it.
    Sha512,
}

impl Variant {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Written => "as written",
            Self::Composed => "unicode form",
            Self::Url => "url encoding",
            Self::Json => "json escapes",
            Self::Html => "html entities",
            Self::QuotedPrintable => "quoted-printable",
            Self::Utf16 => "utf-16",
            Self::Address => "same address",
            Self::Base64 => "base64",
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }
}

/// Something to look for.
pub(super) struct Needle {
    /// Index of the identifier.
    pub(super) identifier: usize,
    pub(super) variant: Variant,
    pub(super) bytes: Vec<u8>,
    /// Whether upper and lower case differ.
    pub(super) exact: bool,
    /// Whether it counts within a longer word.
    pub(super) anywhere: bool,
}

/// The needles of some identifiers; none for one that is too short.
pub(super) fn needles(identifiers: &[Identifier], shortest: u32, hashes: bool) -> Vec<Needle> {
    let mut needles = Needles::default();
    for (at, identifier) in identifiers.iter().enumerate() {
        if identifier.value.trim().chars().count() >= shortest.max(1) as usize {
            needles.put_all(at, identifier, hashes);
        }
    }
    needles.list
}

#[derive(Default)]
struct Needles {
    list: Vec<Needle>,
    known: HashSet<(usize, bool, Vec<u8>)>,
}

impl Needles {
    fn put(&mut self, identifier: usize, variant: Variant, bytes: Vec<u8>, exact: bool, anywhere: bool) {
        let plain = if exact { bytes.clone() } else { bytes.to_ascii_lowercase() };
        if !bytes.is_empty() && self.known.insert((identifier, exact, plain)) {
            self.list.push(Needle { identifier, variant, bytes, exact, anywhere });
        }
    }

    fn put_all(&mut self, at: usize, identifier: &Identifier, hashes: bool) {
        let exact = !identifier.ignores(Match::Case);
        let value = bare(identifier);
        let cases = cases(&value, exact);
        for (first, text) in cases.iter().enumerate().map(|(at, text)| (at == 0, text)) {
            for (variant, text) in writings(text) {
                // Which of them is the same but for case of letters beyond ASCII does not matter to a reader.
                self.put(at, variant, text.into_bytes(), exact, false);
            }
            for form in [text.nfc().collect::<String>(), text.nfd().collect()] {
                self.put(at, Variant::Composed, form.into_bytes(), exact, false);
            }
            if first || !exact {
                self.put(at, Variant::Utf16, text.encode_utf16().flat_map(u16::to_le_bytes).collect(), exact, true);
                self.put(at, Variant::Utf16, text.encode_utf16().flat_map(u16::to_be_bytes).collect(), exact, true);
            }
        }
        if hashes {
            let mut whole = cases;
            // A program may have hashed the value as it was given.
            whole.push(identifier.value.to_string());
            for text in &whole {
                self.hashes(at, text.as_bytes());
            }
        }
    }

    fn hashes(&mut self, at: usize, value: &[u8]) {
        let digests: [(Variant, Vec<u8>); 4] = [
            (Variant::Md5, Md5::digest(value).to_vec()),
            (Variant::Sha1, Sha1::digest(value).to_vec()),
            (Variant::Sha256, Sha256::digest(value).to_vec()),
            (Variant::Sha512, Sha512::digest(value).to_vec()),
        ];
        for (variant, digest) in digests {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            self.put(at, variant, hex.into_bytes(), false, true);
            encode::base64(&digest).into_iter().take(1).for_each(|text| self.put(at, variant, text, true, true));
            encode::base64(&digest)
                .into_iter()
                .skip(3)
                .take(1)
                .for_each(|text| self.put(at, variant, text, true, true));
            self.put(at, variant, digest, true, true);
        }
        for text in encode::base64(value) {
            // Fewer letters are found by chance: eight are 48 bits.
            if text.len() >= 8 {
                self.put(at, Variant::Base64, text, true, true);
            }
        }
    }
}

/// The value without what may stand around it.
pub(super) fn bare(identifier: &Identifier) -> String {
    let value = identifier.value.trim();
    let inner = value.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner.trim());
    match inner {
        Some(inner) if identifier.ignores(Match::DisplayName) && !inner.is_empty() => inner.to_owned(),
        _ => value.to_owned(),
    }
}

/// The value, and in other cases: lower, upper, and words that begin with a capital.
fn cases(value: &str, exact: bool) -> Vec<String> {
    let mut cases = vec![value.to_owned()];
    if !exact {
        let mut titled = String::with_capacity(value.len());
        let mut begins = true;
        for letter in value.chars() {
            if begins {
                titled.extend(letter.to_uppercase())
            } else {
                titled.extend(letter.to_lowercase())
            }
            begins = !letter.is_alphanumeric();
        }
        for other in [value.to_lowercase(), value.to_uppercase(), titled] {
            if !cases.contains(&other) {
                cases.push(other);
            }
        }
    }
    cases
}

/// A text as programs write it.
fn writings(text: &str) -> Vec<(Variant, String)> {
    let reserved = |letter: char| !letter.is_ascii_alphanumeric() && !"-._~".contains(letter);
    let sign = |letter: char| matches!(letter, '@' | '+' | '<' | '>' | '&' | '\'' | '"');
    let url = encode::percent(text, reserved);
    let decimal = |code: u32| format!("&#{code};");
    let mut writings = vec![
        (Variant::Written, text.to_owned()),
        // Forms have `+` for a blank; some programs leave `@`, some escape dots, some escape twice.
        (Variant::Url, url.replace("%20", "+")),
        (Variant::Url, encode::percent(text, |letter| reserved(letter) && letter != '@')),
        (Variant::Url, encode::percent(text, |letter| !letter.is_ascii() || letter == ' ')),
        (Variant::Url, encode::percent(text, |letter| letter == '@')),
        (Variant::Url, encode::percent(text, |letter| !letter.is_ascii_alphanumeric())),
        (Variant::Url, encode::percent(&url, |letter| letter == '%')),
        (Variant::Url, url),
        (Variant::Json, encode::json(text, |_| false)),
        (Variant::Json, encode::json(text, |letter| !letter.is_ascii())),
        (Variant::Json, encode::json(text, |letter| !letter.is_ascii() || sign(letter))),
        (Variant::Json, encode::json(text, |letter| !letter.is_ascii() || (sign(letter) && letter != '@'))),
        (Variant::Json, encode::json(text, |_| false).replace('/', "\\/")),
        (Variant::QuotedPrintable, encode::quoted_printable(text, |_| false)),
        (Variant::QuotedPrintable, encode::quoted_printable(text, |letter| letter == '@')),
    ];
    // JSON within a string of JSON.
    let json = writings.iter().filter(|(variant, text)| *variant == Variant::Json && text.contains('\\'));
    let nested: Vec<_> = json.map(|(_, text)| (Variant::Json, text.replace('\\', "\\\\"))).collect();
    writings.extend(nested);
    for is_escaped in [
        |_: char| false,
        |letter: char| !letter.is_ascii(),
        |letter: char| "@'+".contains(letter),
        |letter: char| !letter.is_ascii() || "@'+".contains(letter),
    ] {
        writings.push((Variant::Html, encode::html(text, decimal, is_escaped)));
        writings.push((Variant::Html, encode::html(text, |code| format!("&#x{code:x};"), is_escaped)));
        writings.push((Variant::Html, encode::html(text, |code| format!("&#{code:03};"), is_escaped)));
    }
    // A document within XML or HTML.
    let html = writings.iter().filter(|(variant, text)| *variant == Variant::Html && text.contains('&'));
    let nested: Vec<_> = html.map(|(_, text)| (Variant::Html, text.replace('&', "&amp;"))).collect();
    writings.extend(nested);
    writings
}
