//! Searches whose answer is a few bytes away, where a call of `memchr` costs more than the search itself.

/// How far the search goes eight bytes at a time, before `memchr` takes over.
const NEAR: usize = 24;

const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// Where a byte stands first.
#[inline]
pub(crate) fn one(needle: u8, bytes: &[u8]) -> Option<usize> {
    match start([needle], bytes) {
        Ok(at) => Some(at),
        Err(from) => memchr::memchr(needle, bytes.get(from..)?).map(|at| from + at),
    }
}

/// Where the first of two different bytes stands.
#[inline]
pub(crate) fn either(a: u8, b: u8, bytes: &[u8]) -> Option<usize> {
    match start([a, b], bytes) {
        Ok(at) => Some(at),
        Err(from) => memchr::memchr2(a, b, bytes.get(from..)?).map(|at| from + at),
    }
}

/// Where the first of three different bytes stands.
#[inline]
pub(crate) fn any(needles: [u8; 3], bytes: &[u8]) -> Option<usize> {
    match start(needles, bytes) {
        Ok(at) => Some(at),
        Err(from) => memchr::memchr3(needles[0], needles[1], needles[2], bytes.get(from..)?).map(|at| from + at),
    }
}

/// Where the first of the bytes stands, if it is near; otherwise where to look further.
#[inline]
fn start<const N: usize>(needles: [u8; N], bytes: &[u8]) -> Result<usize, usize> {
    let near = &bytes[..bytes.len().min(NEAR)];
    let (chunks, _) = near.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let chunk = u64::from_le_bytes(*chunk);
        let found = needles.iter().fold(0, |found, needle| found | equal(chunk, *needle));
        if found != 0 {
            return Ok(at * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    Err(chunks.len() * 8)
}

/// Sets the high bit of each byte of `chunk` that is equal to `byte`, and no other bit.
#[inline]
fn equal(chunk: u64, byte: u8) -> u64 {
    let different = chunk ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    !(((different & LOW) + LOW) | different | LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        for length in 0..80 {
            for at in 0..length {
                for byte in [b'"', b'\\', b'\n', 0xa2] {
                    let mut text = vec![b'#'; length];
                    text[at] = byte;
                    let text = [&text[..], b"\"\\\n"].concat();
                    let expected = |wanted: &[u8]| text.iter().position(|byte| wanted.contains(byte));
                    assert_eq!(one(b'\\', &text), expected(b"\\"), "{byte} at {at} of {length}");
                    assert_eq!(either(b'"', b'\\', &text), expected(b"\"\\"), "{byte} at {at} of {length}");
                    assert_eq!(any(*b"\"\\\n", &text), expected(b"\"\\\n"), "{byte} at {at} of {length}");
                }
            }
        }
        assert_eq!((either(b'a', b'b', b""), any(*b"abc", b"xyz")), (None, None));
    }
}
