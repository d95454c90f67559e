//! Opening: files and streams, decompressed by what their first bytes say.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::model::Compression;
use crate::options::Data;

/// An input ready to be read.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) compression: Option<Compression>,
}

/// The size of an input as it is stored, when it is known before reading.
pub(crate) fn size(data: &Data) -> Option<u64> {
    match data {
        Data::Path(path) => std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len()),
        Data::Stdin | Data::Reader(_) => None,
    }
}

/// Opens an input; bytes read from it as it is stored are added to `done`.
pub(crate) fn open(data: Data, done: &Arc<AtomicU64>) -> io::Result<Opened> {
    let reader: Box<dyn Read + Send> = match data {
        Data::Path(path) => {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
            }
            Box::new(file)
        }
        Data::Stdin => Box::new(io::stdin()),
        Data::Reader(reader) => reader,
    };
    let mut reader = Counted { reader, done: Arc::clone(done) };
    let mut magic = Vec::with_capacity(8);
    reader.by_ref().take(6).read_to_end(&mut magic)?;
    let compression = compression(&magic);
    let whole = Cursor::new(magic).chain(reader);
    Ok(Opened {
        reader: match compression {
            None => Box::new(whole),
            Some(Compression::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(whole))),
            Some(Compression::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(whole))),
            Some(Compression::Lz4) => Box::new(Frames::new(buffered(whole))),
            Some(Compression::Xz) => Box::new(Piecewise(lzma_rust2::XzReader::new(buffered(whole), true))),
            Some(Compression::Zstd) => Box::new(Piecewise(Zstd::new(buffered(whole)))),
        },
        compression,
    })
}

fn buffered<R: Read>(reader: R) -> BufReader<R> {
    BufReader::with_capacity(64 << 10, reader)
}

/// How an input is compressed, by its first six bytes.
fn compression(magic: &[u8]) -> Option<Compression> {
    match magic {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        // A zstd frame, or a skippable one in front of it.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(Compression::Xz),
        _ => None,
    }
}

/// Counts bytes as they are read.
struct Counted<R> {
    reader: R,
    done: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Asks a decoder for little at a time: when its input breaks off, it loses what it had decoded for the call at hand.
struct Piecewise<R>(R);

impl<R: Read> Read for Piecewise<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const PIECE: usize = 4096;
        let piece = buffer.len().min(PIECE);
        self.0.read(&mut buffer[..piece])
    }
}

/// LZ4 frames, one after another: the decoder stops after each.
struct Frames<R: Read> {
    decoder: lz4_flex::frame::FrameDecoder<R>,
}

impl<R: Read> Frames<R> {
    fn new(reader: R) -> Self {
        Self { decoder: lz4_flex::frame::FrameDecoder::new(reader) }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A frame's end reads as 0; the next call begins the next frame, if there is one.
        match self.decoder.read(buffer)? {
            0 => self.decoder.read(buffer),
            read => Ok(read),
        }
    }
}

/// Zstandard frames, one after another; skippable frames are skipped.
struct Zstd<R: Read> {
    state: ZstdState<R>,
}

enum ZstdState<R: Read> {
    Between(Peeked<R>),
    Within(Box<StreamingDecoder<Peeked<R>, FrameDecoder>>),
    Done,
}

impl<R: Read> Zstd<R> {
    fn new(reader: R) -> Self {
        Self { state: ZstdState::Between(Peeked { head: Cursor::new(Vec::new()), reader }) }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            // An error leaves `Done` behind: what follows a broken frame cannot be read.
            match std::mem::replace(&mut self.state, ZstdState::Done) {
                ZstdState::Done => return Ok(0),
                ZstdState::Within(mut decoder) => {
                    let read = decoder.read(buffer)?;
                    if read > 0 {
                        self.state = ZstdState::Within(decoder);
                        return Ok(read);
                    }
                    self.state = ZstdState::Between(decoder.into_inner());
                }
                ZstdState::Between(mut source) => {
                    let head = source.peek()?;
                    if head.is_empty() {
                        return Ok(0);
                    }
                    self.state = if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, length @ ..] = head.as_slice() {
                        let length = u64::from(u32::from_le_bytes(*length.first_chunk().unwrap_or(&[0; 4])));
                        io::copy(&mut source.by_ref().take(8 + length), &mut io::sink())?;
                        ZstdState::Between(source)
                    } else {
                        ZstdState::Within(Box::new(StreamingDecoder::new(source).map_err(io::Error::other)?))
                    };
                }
            }
        }
    }
}

/// A reader whose next few bytes can be looked at.
struct Peeked<R> {
    head: Cursor<Vec<u8>>,
    reader: R,
}

impl<R: Read> Peeked<R> {
    /// The next eight bytes, or fewer at the end. They are read again afterwards.
    fn peek(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(8);
        self.by_ref().take(8).read_to_end(&mut head)?;
        self.head = Cursor::new(head.clone());
        Ok(head)
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.reader.read(buffer),
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(stored: &[u8], expected: Compression, text: &[u8]) {
        for repeated in 1..=2 {
            let data = Data::Reader(Box::new(Cursor::new(stored.repeat(repeated))));
            let mut opened = open(data, &Arc::default()).expect("bytes can be opened");
            assert_eq!(opened.compression, Some(expected));
            let mut read = Vec::new();
            opened.reader.read_to_end(&mut read).expect("the stream is whole");
            assert!(read == text.repeat(repeated), "{expected} {repeated}: {} bytes", read.len());
        }
        let data = Data::Reader(Box::new(Cursor::new(stored[..stored.len() / 2].to_vec())));
        let mut kept = Vec::new();
        let read = open(data, &Arc::default()).expect("bytes can be opened").reader.read_to_end(&mut kept);
        assert!(read.is_err(), "{expected}: a cut stream is an error");
        // The text is one block of LZ4, which decodes as a whole or not at all.
        let least = if expected == Compression::Lz4 { 0 } else { text.len() / 4 };
        assert!(text.starts_with(&kept) && kept.len() >= least, "{expected}: only {} bytes kept", kept.len());
    }

    #[test]
    fn all_compressions_are_told_by_their_first_bytes() {
        // Numbers that do not repeat, so that half of the stored bytes is never the whole stream.
        let text: String = (0_u64..40_000).map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let text = text.as_bytes();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).expect("memory can be written");
        check(&gzip.finish().expect("memory can be written"), Compression::Gzip, text);
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(text).expect("memory can be written");
        check(&bzip2.finish().expect("memory can be written"), Compression::Bzip2, text);
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(text).expect("memory can be written");
        check(&lz4.finish().expect("memory can be written"), Compression::Lz4, text);
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).expect("a preset");
        xz.write_all(text).expect("memory can be written");
        check(&xz.finish().expect("memory can be written"), Compression::Xz, text);
        let zstd = ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest);
        check(&zstd, Compression::Zstd, text);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'][..], &zstd].concat();
        check(&skippable, Compression::Zstd, text);
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        let mut opened = open(Data::Reader(Box::new(&b"BZ plain"[..])), &Arc::default()).expect("bytes can be opened");
        let mut read = String::new();
        opened.reader.read_to_string(&mut read).expect("text");
        assert_eq!((opened.compression, read.as_str()), (None, "BZ plain"));
    }
}
