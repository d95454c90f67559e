//! The hash behind fingerprints: a chain of folded multiplications, as in wyhash and foldhash, with fixed constants so that
//! it is the same everywhere. It is not meant to withstand somebody who looks for collisions.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const OFFSET: u64 = 0xd6e8_feb8_6659_fd93;

/// State before the first token.
pub(super) const START: u64 = 0x2d35_8dcc_aa6c_78a5;

/// The state after a further value.
#[inline]
pub(super) fn mix(state: u64, value: u64) -> u64 {
    let product = u128::from(state ^ value.wrapping_add(OFFSET)).wrapping_mul(u128::from(MULTIPLIER));
    (product as u64 ^ (product >> 64) as u64).rotate_left(23).wrapping_add(state)
}

/// Keeps a word's further bytes apart from the next word's first ones.
const FURTHER: u64 = 0xa076_1d64_78bd_642f;

/// The state after the bytes of a word that is not empty, folded to lower case where they are ASCII.
///
/// A chunk says its own length, since no byte of a word is zero; so words of up to eight bytes need no more than one
/// multiplication. Always inlined, like [`operator`], since most tokens come through here and a call costs as much again.
#[inline(always)]
pub(super) fn word(state: u64, bytes: &[u8], start: usize, end: usize) -> u64 {
    let mut at = start;
    let mut state = mix(state, folded(bytes, at, (end - at).min(8)));
    while end - at > 8 {
        at += 8;
        state = mix(state ^ FURTHER, folded(bytes, at, (end - at).min(8)));
    }
    state
}

/// Up to eight bytes of a word as a number that does not depend on their case.
#[inline]
fn folded(bytes: &[u8], at: usize, length: usize) -> u64 {
    let chunk = load(bytes, at, length);
    // In a word, 0x20 is set in all bytes but upper-case letters and `_`, and `_` becomes 0x7f, which no word
    // holds; so setting it folds letters and nothing else, as long as all bytes are ASCII.
    if chunk & 0x8080_8080_8080_8080 == 0 { mask(chunk | 0x2020_2020_2020_2020, length) } else { fold_slowly(chunk) }
}

/// The state after an operator, marked by a byte that no operator holds.
#[inline(always)]
pub(super) fn operator(state: u64, mark: u64, text: &[u8], start: usize, end: usize) -> u64 {
    if end - start < 8 {
        mix(state, load(text, start, end - start) << 8 | mark)
    } else {
        bytes(mix(state, mark), text, start, end)
    }
}

/// The state after bytes as they are.
#[inline]
pub(super) fn bytes(state: u64, bytes: &[u8], start: usize, end: usize) -> u64 {
    let mut state = mix(state, !((end - start) as u64));
    let mut at = start;
    while at < end {
        let length = (end - at).min(8);
        state = mix(state, load(bytes, at, length));
        at += length;
    }
    state
}

/// Up to eight bytes as a number, the first the lowest.
#[inline]
fn load(bytes: &[u8], at: usize, length: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => mask(u64::from_le_bytes(*chunk), length),
        None => bytes[at..at + length].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    }
}

/// The lowest `length` bytes of a number, 1 to 8 of them.
#[inline]
fn mask(value: u64, length: usize) -> u64 {
    value & (u64::MAX >> (64 - 8 * length))
}

/// Folds ASCII letters and leaves other bytes, byte by byte; `_` becomes 0x7f as in the fast way.
#[cold]
fn fold_slowly(chunk: u64) -> u64 {
    let folded = chunk.to_le_bytes().map(|byte| if byte < 0x80 && byte != 0 { byte | 0x20 } else { byte });
    u64::from_le_bytes(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> u64 {
        word(START, text.as_bytes(), 0, text.len())
    }

    #[test]
    fn case_folds_and_nothing_else() {
        assert_eq!(of("Orders_Id"), of("orders_id"));
        assert_eq!(of("ÉCLAIR"), of("Éclair"));
        assert_ne!(of("é"), of("É"));
        assert_ne!(of("a_"), of("a"));
        assert_ne!(of("abcdefgh"), of("abcdefg"));
        assert_ne!(of("a0"), of("a_"));
    }

    #[test]
    fn one_long_word_is_not_two_short_ones() {
        let two = word(of("abcdefgh"), b"ijk", 0, 3);
        assert_ne!(of("abcdefghijk"), two);
        let operators = operator(operator(START, 5, b"<", 0, 1), 5, b">", 0, 1);
        assert_ne!(operator(START, 5, b"<>", 0, 2), operators);
        assert_ne!(operator(START, 5, b"<<<<<<<<", 0, 8), operator(START, 5, b"<<<<<<<", 0, 7));
    }

    #[test]
    fn what_follows_does_not_matter() {
        assert_eq!(word(START, b"abc", 0, 3), word(START, b"abcdefghijkl", 0, 3));
    }
}
