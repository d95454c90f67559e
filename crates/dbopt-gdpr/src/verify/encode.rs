//! How programs write a value where it cannot stand as it is.

use base64::{Engine as _, alphabet, engine::GeneralPurpose, engine::general_purpose::NO_PAD};

/// Percent-encoding (RFC 3986), of the characters that `is_escaped` says.
pub(super) fn percent(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    hex_escaped(text, '%', is_escaped)
}

/// Quoted-printable as mail has it (RFC 2045), where `@` may or may not be escaped.
pub(super) fn quoted_printable(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    hex_escaped(text, '=', |letter| letter == '=' || !letter.is_ascii() || is_escaped(letter))
}

fn hex_escaped(text: &str, sign: char, is_escaped: impl Fn(char) -> bool) -> String {
    let mut written = String::with_capacity(text.len() * 3);
    for letter in text.chars() {
        if is_escaped(letter) {
            letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| written.push_str(&format!("{sign}{byte:02X}")));
        } else {
            written.push(letter);
        }
    }
    written
}

/// A string of JSON (RFC 8259) without its quotes: what must be escaped, and what `is_escaped` says besides as `\u`.
pub(super) fn json(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut written = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        match letter {
            '"' | '\\' if !is_escaped(letter) => written.extend(['\\', letter]),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if is_escaped(letter) || letter < ' ' => {
                letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| written.push_str(&format!("\\u{unit:04x}")));
            }
            _ => written.push(letter),
        }
    }
    written
}

/// Characters as numbers in HTML and XML; `&`, `<`, `>` and quotes by their names.
pub(super) fn html(text: &str, number: impl Fn(u32) -> String, is_escaped: impl Fn(char) -> bool) -> String {
    let mut written = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        match letter {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            _ if is_escaped(letter) => written.push_str(&number(u32::from(letter))),
            _ => written.push(letter),
        }
    }
    written
}

/// What is in base64 (RFC 4648), of both alphabets, wherever the bytes begin in what was encoded: the letters that these bytes alone decide.
pub(super) fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut written = Vec::new();
    for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
        let engine = GeneralPurpose::new(alphabet, NO_PAD);
        for before in 0..3 {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(bytes);
            let text = engine.encode(&shifted).into_bytes();
            // Six bits a letter: the first letters have bits of what stands before, the last one maybe of what stands behind.
            let (first, last) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
            written.push(text.get(first..last).unwrap_or_default().to_vec());
        }
    }
    written.dedup();
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_written_as_programs_write_them() {
        let mark = |letter: char| letter == '@';
        assert_eq!(percent("a.b+ü@x", |letter| !letter.is_ascii_alphanumeric() && letter != '.'), "a.b%2B%C3%BC%40x");
        assert_eq!(quoted_printable("ü=@", mark), "=C3=BC=3D=40");
        assert_eq!(json("a\"ü😀@\n", |letter| !letter.is_ascii() || mark(letter)), r#"a\"\u00fc\ud83d\ude00\u0040\n"#);
        assert_eq!(html("<ü@&", |code| format!("&#{code};"), mark), "&lt;ü&#64;&amp;");
    }

    proptest! {
        #[test]
        fn base64_is_found_wherever_it_begins(before in ".{0,7}", value in ".{4,40}", after in ".{0,7}") {
            let whole = format!("{before}{value}{after}");
            for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
                let text = GeneralPurpose::new(alphabet, NO_PAD).encode(&whole);
                let is_there = |part: &Vec<u8>| text.as_bytes().windows(part.len()).any(|window| window == part);
                prop_assert!(base64(value.as_bytes()).iter().any(is_there));
            }
        }
    }
}
