//! Values that are too large to be sealed at once, as a stream of segments.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015, <https://eprint.iacr.org/2015/189>), in the form
//! of RustCrypto's `StreamBE32`: the nonce of a segment is 19 random bytes, its number, and whether it is the last, so that
//! segments cannot be changed, reordered, repeated or cut off. A stream begins with the same header as a sealed value, of
//! version 2, and the 19 bytes; each segment but the last has 64 KiB, and all have a tag.

use std::{
    fmt,
    io::{self, Read, Write},
};

use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Algorithm, Cell, EnvelopeError, KeyNumber, KeyOwner, KeyRing, OpenError, SealError,
    aead::Cipher,
    cell::Associated,
    envelope::{HEADER_BYTES, NONCE_BYTES, TAG_BYTES, VERSION},
};
use crate::random;

const STREAM_VERSION: u8 = VERSION + 1;
const PREFIX_BYTES: usize = 19;
/// Bytes of the value in each segment but the last.
const SEGMENT_BYTES: usize = 64 * 1024;

/// The nonces of a stream.
struct Nonces {
    prefix: [u8; PREFIX_BYTES],
    segment: u32,
}

impl Nonces {
    /// The nonce of the next segment; none after 2^32 of them, 256 TiB.
    fn next(&mut self, last: bool) -> Option<[u8; NONCE_BYTES]> {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..PREFIX_BYTES].copy_from_slice(&self.prefix);
        nonce[PREFIX_BYTES..NONCE_BYTES - 1].copy_from_slice(&self.segment.to_be_bytes());
        nonce[NONCE_BYTES - 1] = last.into();
        // The greatest number is kept for a last segment, so that every stream can be finished.
        match self.segment.checked_add(1) {
            Some(next) => self.segment = next,
            None if last => {}
            None => return None,
        }
        Some(nonce)
    }
}

/// Seals what is written to it. A stream that was not finished does not open.
#[must_use = "a stream that is not finished does not open"]
pub struct SealWriter<'ring, W> {
    out: W,
    cipher: &'ring Cipher,
    associated: Associated,
    nonces: Nonces,
    /// `buffer.len() <= SEGMENT_BYTES`, with room for a tag.
    buffer: Zeroizing<Vec<u8>>,
}

impl<W: Write> SealWriter<'_, W> {
    /// Seals the last segment and gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let long = || io::Error::other(SealError::Long);
        let nonce = self.nonces.next(last).ok_or_else(long)?;
        let tag = self.cipher.seal(&nonce, &self.associated, &mut self.buffer).ok_or_else(long)?;
        self.buffer.extend_from_slice(&tag);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full segment waits for a byte after it: the last one has to be known as such.
        if self.buffer.len() == SEGMENT_BYTES && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(SEGMENT_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Flushes the segments that are full; the one that is being filled stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens a stream as it is read. Each segment is given out only after it was found genuine, but that the stream is whole is
/// known only at its end: until `read` has given 0, more may be missing.
pub struct OpenReader<'ring, R> {
    from: R,
    cipher: &'ring Cipher,
    associated: Associated,
    nonces: Nonces,
    /// What was read of the segment that comes next: up to a byte more than the longest.
    ahead: Vec<u8>,
    opened: Zeroizing<Vec<u8>>,
    /// How much of `opened` was given out; at most its length.
    given: usize,
    ended: bool,
}

impl<R: Read> OpenReader<'_, R> {
    fn open(&mut self) -> io::Result<()> {
        const SEALED_BYTES: usize = SEGMENT_BYTES + TAG_BYTES;
        let wanted = SEALED_BYTES + 1 - self.ahead.len();
        (&mut self.from).take(wanted as u64).read_to_end(&mut self.ahead)?;
        let last = self.ahead.len() <= SEALED_BYTES;
        let after = if last { Vec::new() } else { self.ahead.split_off(SEALED_BYTES) };
        let rejected = || io::Error::new(io::ErrorKind::InvalidData, OpenError::Rejected);
        let nonce = self.nonces.next(last).ok_or_else(rejected)?;
        let (value, tag) = self.ahead.split_last_chunk::<TAG_BYTES>().ok_or_else(rejected)?;
        self.opened.zeroize();
        self.opened.extend_from_slice(value);
        self.given = 0;
        if self.cipher.open(&nonce, &self.associated, &mut self.opened, tag).is_err() {
            self.opened.clear();
            return Err(rejected());
        }
        self.ahead.clear();
        self.ahead.extend_from_slice(&after);
        self.ended = last;
        Ok(())
    }
}

impl<R: Read> Read for OpenReader<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.given == self.opened.len() {
            if self.ended || bytes.is_empty() {
                return Ok(0);
            }
            self.open()?;
        }
        let given = bytes.len().min(self.opened.len() - self.given);
        bytes[..given].copy_from_slice(&self.opened[self.given..self.given + given]);
        self.given += given;
        Ok(given)
    }
}

impl KeyRing {
    /// Seals a stream for a cell; `out` gets its first bytes at once.
    pub fn seal_stream<W: Write>(&self, cell: &Cell<'_>, mut out: W) -> io::Result<SealWriter<'_, W>> {
        let (number, algorithm, cipher) = self.sealing().map_err(io::Error::other)?;
        let header = header(algorithm, number);
        let associated = cell.associated(&header).ok_or_else(|| io::Error::other(SealError::Long))?;
        let mut prefix = [0; PREFIX_BYTES];
        random::fill(&mut prefix).map_err(io::Error::other)?;
        out.write_all(&header)?;
        out.write_all(&prefix)?;
        // The buffer never grows, so no copy of the value is left behind unwiped.
        let buffer = Zeroizing::new(Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES));
        Ok(SealWriter { out, cipher, associated, nonces: Nonces { prefix, segment: 0 }, buffer })
    }

    /// Opens a stream in the cell where it was sealed, with [`OpenError`]s inside of `io::Error`s of kind `InvalidData`.
    pub fn open_stream<R: Read>(&self, cell: &Cell<'_>, mut from: R) -> io::Result<OpenReader<'_, R>> {
        let invalid = |error: OpenError| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut start = [0; HEADER_BYTES + PREFIX_BYTES];
        let mut read = Vec::with_capacity(start.len());
        (&mut from).take(start.len() as u64).read_to_end(&mut read)?;
        let short = || invalid(EnvelopeError::Short(read.len()).into());
        match read.first() {
            None => return Err(short()),
            Some(&STREAM_VERSION) => {}
            Some(version) => return Err(invalid(EnvelopeError::of_version(*version).into())),
        }
        if read.len() < start.len() {
            return Err(short());
        }
        start.copy_from_slice(&read);
        let [_, algorithm, a, b, c, d, prefix @ ..] = start;
        let algorithm =
            Algorithm::from_byte(algorithm).ok_or_else(|| invalid(EnvelopeError::Algorithm(algorithm).into()))?;
        let number =
            KeyNumber::new(u32::from_be_bytes([a, b, c, d])).ok_or_else(|| invalid(EnvelopeError::Key.into()))?;
        let cipher = self.opening(number, algorithm).map_err(invalid)?;
        let associated = cell.associated(&start[..HEADER_BYTES]).ok_or_else(|| invalid(OpenError::Rejected))?;
        Ok(OpenReader {
            from,
            cipher,
            associated,
            nonces: Nonces { prefix, segment: 0 },
            ahead: Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES + 1),
            opened: Zeroizing::new(Vec::with_capacity(SEGMENT_BYTES)),
            given: 0,
            ended: false,
        })
    }
}

fn header(algorithm: Algorithm, key: KeyNumber) -> [u8; HEADER_BYTES] {
    let mut header = super::envelope::header(KeyOwner::Ring, algorithm, key);
    header[0] = STREAM_VERSION;
    header
}

impl<W> fmt::Debug for SealWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealWriter")
    }
}

impl<R> fmt::Debug for OpenReader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenReader")
    }
}

#[cfg(test)]
mod tests {
    use aead_stream::{NewStream as _, StreamBE32, StreamPrimitive as _};
    use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};

    use super::*;
    use crate::DataKey;

    const CELL: Cell<'static> = Cell::new("public.scan", "image", &["7"]);
    const HEADER: usize = HEADER_BYTES + PREFIX_BYTES;
    const SEALED: usize = SEGMENT_BYTES + TAG_BYTES;

    fn ring() -> KeyRing {
        let key = DataKey::from_bytes(&[3; 32]).expect("a key");
        let one = KeyNumber::new(1).expect("above zero");
        KeyRing::new().with(one, Algorithm::XChaCha20Poly1305, true, &key).expect("a ring")
    }

    fn value(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 251).expect("small")).collect()
    }

    fn seal(value: &[u8]) -> Vec<u8> {
        let ring = ring();
        let mut writer = ring.seal_stream(&CELL, Vec::new()).expect("a stream");
        // Pieces that do not fit the segments.
        for piece in value.chunks(10_007) {
            writer.write_all(piece).expect("written");
        }
        writer.finish().expect("finished")
    }

    fn open(sealed: &[u8], cell: &Cell<'_>) -> io::Result<Vec<u8>> {
        let mut value = Vec::new();
        ring().open_stream(cell, sealed)?.read_to_end(&mut value)?;
        Ok(value)
    }

    #[test]
    fn streams_of_all_lengths_open() {
        for length in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES, 200_000] {
            let sealed = seal(&value(length));
            let segments = length.div_ceil(SEGMENT_BYTES).max(1);
            assert_eq!(sealed.len(), HEADER + length + segments * TAG_BYTES);
            assert_eq!(open(&sealed, &CELL).expect("opened"), value(length), "{length}");
        }
    }

    /// The segments are those of `aead-stream`.
    #[test]
    fn the_construction_is_stream() {
        let sealed = seal(&value(SEGMENT_BYTES + 5));
        let cipher = XChaCha20Poly1305::new_from_slice(&[3; 32]).expect("a key");
        let prefix = sealed[HEADER_BYTES..HEADER].try_into().expect("19 bytes");
        let stream = StreamBE32::from_aead(cipher, &prefix);
        let associated = CELL.associated(&sealed[..HEADER_BYTES]).expect("short");
        let mut opened = Vec::new();
        for (number, last, range) in [(0, false, HEADER..HEADER + SEALED), (1, true, HEADER + SEALED..sealed.len())] {
            let mut segment = sealed[range].to_vec();
            stream.decrypt_in_place(number, last, &associated, &mut segment).expect("opened");
            opened.extend(segment);
        }
        assert_eq!(opened, value(SEGMENT_BYTES + 5));
    }

    #[test]
    fn what_is_not_whole_does_not_open() {
        let sealed = seal(&value(2 * SEGMENT_BYTES + 9));
        let refused = |bytes: &[u8]| open(bytes, &CELL).expect_err("not whole").kind() == io::ErrorKind::InvalidData;
        // Cut off anywhere, at the edges of segments too.
        for end in [0, 3, HEADER, HEADER + 1, HEADER + SEALED, HEADER + 2 * SEALED, sealed.len() - 1] {
            assert!(refused(&sealed[..end]), "{end}");
        }
        // Two segments exchanged, one repeated, one left out, something after the end.
        let (head, rest) = sealed.split_at(HEADER);
        let (first, rest) = rest.split_at(SEALED);
        let (second, last) = rest.split_at(SEALED);
        for parts in [[head, second, first, last], [head, first, first, last], [head, first, last, &[]]] {
            assert!(refused(&parts.concat()));
        }
        assert!(refused(&[&sealed[..], &[0]].concat()));
        for bit in (0..sealed.len() * 8).step_by(39_989) {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(refused(&changed), "{bit}");
        }
        open(&sealed, &Cell::new("public.scan", "image", &["8"])).expect_err("another cell");
        let ring = ring();
        let mut unfinished = Vec::new();
        ring.seal_stream(&CELL, &mut unfinished).expect("a stream").write_all(&value(100)).expect("written");
        assert!(refused(&unfinished));
    }

    #[test]
    fn a_sealed_value_is_no_stream_and_the_reverse() {
        let field = ring().seal(&CELL, b"short").expect("sealed");
        open(&field, &CELL).expect_err("a value");
        assert_eq!(ring().open(&CELL, &seal(b"short")), Err(EnvelopeError::Version(2).into()));
    }
}
