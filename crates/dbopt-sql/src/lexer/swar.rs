//! Runs of bytes, eight at a time in one integer ("SIMD within a register").
//!
//! Tokens are short, so the branch that a loop over bytes mispredicts at its end costs more than the bytes do. The
//! tests on a byte are those of `has_less` and the like in Sean Eron Anderson's "Bit Twiddling Hacks", in the form that
//! lets no carry cross into the next byte, so every byte's answer is exact.

const HIGH: u64 = each(0x80);

const fn each(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// The length of the run of word bytes (letters, digits, `_`, `$`, and all from 0x80 on) that `bytes` begins with.
#[inline]
pub(super) fn word(bytes: &[u8]) -> usize {
    run(bytes, not_word)
}

/// The length of the run of digits that `bytes` begins with.
#[inline]
pub(super) fn digits(bytes: &[u8]) -> usize {
    run(bytes, |chunk| (!digit(chunk & !HIGH) | chunk) & HIGH)
}

/// Where `needle` stands first; like `memchr`, which is not worth a call when the answer is near.
#[inline]
pub(super) fn find(needle: u8, bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(chunk) = bytes.get(from..).and_then(<[u8]>::first_chunk) {
        let found = equal(u64::from_le_bytes(*chunk), needle);
        if found != 0 {
            return Some(from + first(found));
        }
        from += 8;
        if from == 24 {
            break;
        }
    }
    memchr::memchr(needle, &bytes[from..]).map(|at| from + at)
}

/// How many bytes stand before the first that `stops` marks by its high bit.
#[inline]
fn run(bytes: &[u8], stops: impl Fn(u64) -> u64) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let stop = stops(u64::from_le_bytes(*chunk));
        if stop != 0 {
            return at * 8 + first(stop);
        }
    }
    // NUL stops every run, so the zeros behind the last bytes do.
    let last = rest.iter().rev().fold(0, |chunk, byte| chunk << 8 | u64::from(*byte));
    bytes.len() - rest.len() + first(stops(last))
}

/// The index of the lowest byte whose high bit is set, of a number that has one.
#[inline]
fn first(marked: u64) -> usize {
    (marked.trailing_zeros() / 8) as usize
}

/// Marks all bytes that belong to no word.
#[inline]
fn not_word(chunk: u64) -> u64 {
    let low = chunk & !HIGH;
    let folded = low | each(0x20);
    let letter = (folded + each(0x80 - b'a')) & !(folded + each(0x7f - b'z'));
    let underscore = !((low ^ each(b'_')) + each(0x7f));
    let dollar = !((low ^ each(b'$')) + each(0x7f));
    !(chunk | letter | digit(low) | underscore | dollar) & HIGH
}

/// Marks the digits among bytes below 0x80; the other bits mean nothing.
#[inline]
fn digit(low: u64) -> u64 {
    (low + each(0x80 - b'0')) & !(low + each(0x7f - b'9'))
}

/// Marks the bytes that are equal to one.
#[inline]
fn equal(chunk: u64, byte: u8) -> u64 {
    let different = chunk ^ each(byte);
    !(((different & !HIGH) + !HIGH) | different) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            let is_word = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80;
            for length in 1..20 {
                for at in 0..length {
                    let mut text = vec![b'7'; length];
                    text[at] = byte;
                    assert_eq!(word(&text), if is_word { length } else { at }, "{byte} at {at} of {length}");
                    assert_eq!(digits(&text), if byte.is_ascii_digit() { length } else { at }, "{byte} at {at}");
                    let expected = if byte == b'7' { 0 } else { at };
                    assert_eq!(find(byte, &text), Some(expected), "{byte} at {at} of {length}");
                }
            }
        }
        assert_eq!((word(b""), digits(b""), find(b'a', b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")), (0, 0, None));
    }
}
