//! Blocks: a stream in pieces of a quarter of a megabyte that end where a record ends.
//!
//! Where a stream is cut depends on the stream alone, never on how many threads read the pieces, so the result does
//! not either. In csvlog a newline ends a record when the number of quotes before it is even; the parity is counted
//! here, which costs little, so that one file can be read by several threads.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr};

use crate::record::clock::Clock;
use crate::record::csv::begins_record;
use crate::record::prefix::Prefix;

/// The size of a block, unless one record is longer.
const BLOCK: usize = 256 << 10;
/// How much of a stream is looked at to tell what it is; also the size of the first block.
const PEEK: usize = 512 << 10;
/// Records longer than this are cut.
const LONGEST_RECORD: usize = 16 << 20;

/// How to find where a record ends.
#[derive(Clone, Debug)]
pub(crate) enum Cut {
    /// At any newline.
    Lines,
    /// At a newline outside quotes.
    Csv,
    /// Before a line that the prefix reads.
    Prefix(Box<Prefix>),
}

/// A stream of blocks.
pub(crate) struct Blocks {
    reader: Box<dyn Read + Send>,
    /// What was read but not handed out; begins with a record.
    rest: Vec<u8>,
    ended: bool,
    /// Why reading broke off.
    failed: Option<io::Error>,
    cut: Cut,
}

impl Blocks {
    /// Begins to read.
    pub(crate) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, rest: Vec::new(), ended: false, failed: None, cut: Cut::Lines }
    }

    /// The first bytes, half a megabyte at most, without taking them.
    pub(crate) fn peek(&mut self) -> &[u8] {
        let mut rest = std::mem::take(&mut self.rest);
        self.fill(&mut rest, PEEK);
        self.rest = rest;
        &self.rest
    }

    /// Reads through another reader from the start; nothing was taken yet.
    pub(crate) fn wrap<R: Read + Send + 'static>(self, wrap: impl FnOnce(Box<dyn Read + Send>) -> R) -> Self {
        let reader = Box::new(io::Cursor::new(self.rest).chain(Rest { reader: self.reader, failed: self.failed }));
        Self::new(Box::new(wrap(reader)))
    }

    /// Sets how records end.
    pub(crate) fn set_cut(&mut self, cut: Cut) {
        self.cut = cut;
    }

    /// Why reading broke off, once it did.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Puts the next block into `block`; false at the end.
    pub(crate) fn next(&mut self, block: &mut Vec<u8>) -> bool {
        block.clear();
        block.append(&mut self.rest);
        let mut wanted = BLOCK;
        loop {
            self.fill(block, wanted);
            if self.ended && block.len() <= LONGEST_RECORD {
                return !block.is_empty();
            }
            let end = self.cut.last(block).or_else(|| {
                let newline = memrchr(b'\n', block).map_or(block.len(), |at| at + 1);
                (block.len() >= LONGEST_RECORD).then_some(newline)
            });
            if let Some(end) = end {
                self.rest.extend_from_slice(&block[end..]);
                block.truncate(end);
                return true;
            }
            wanted = block.len() * 2;
        }
    }

    fn fill(&mut self, block: &mut Vec<u8>, wanted: usize) {
        if self.ended || block.len() >= wanted {
            return;
        }
        let missing = wanted - block.len();
        block.reserve_exact(missing);
        match self.reader.by_ref().take(missing as u64).read_to_end(block) {
            Ok(read) => self.ended = read < missing,
            Err(error) => {
                self.failed = Some(error);
                self.ended = true;
            }
        }
    }
}

/// What follows the bytes that were read: an error that came with them comes now.
struct Rest {
    reader: Box<dyn Read + Send>,
    failed: Option<io::Error>,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.reader.read(buffer),
        }
    }
}

impl Cut {
    /// Where the last record begins that may be incomplete: all before it is whole.
    fn last(&self, block: &[u8]) -> Option<usize> {
        match self {
            Self::Lines => memrchr(b'\n', block).map(|at| at + 1),
            Self::Csv => {
                let mut quotes = memchr_iter(b'"', block).count();
                let mut end = block.len();
                while let Some(newline) = memrchr(b'\n', &block[..end]) {
                    quotes -= memchr_iter(b'"', &block[newline..end]).count();
                    if quotes.is_multiple_of(2) && begins_record(&block[newline + 1..]) {
                        return Some(newline + 1);
                    }
                    end = newline;
                }
                None
            }
            Self::Prefix(prefix) => {
                let mut clock = Clock::default();
                let mut end = block.len();
                while let Some(newline) = memrchr(b'\n', &block[..end]) {
                    let line = &block[newline + 1..end];
                    if line.first() != Some(&b'\t') && prefix.read(line, &mut clock).is_some() {
                        return Some(newline + 1);
                    }
                    end = newline;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &[u8], cut: Cut) -> Vec<Vec<u8>> {
        let mut blocks = Blocks::new(Box::new(io::Cursor::new(text.to_vec())));
        blocks.peek();
        blocks.set_cut(cut);
        let mut all = Vec::new();
        let mut block = Vec::new();
        while blocks.next(&mut block) {
            all.push(std::mem::take(&mut block));
        }
        assert!(all.concat() == text, "nothing is lost");
        all
    }

    #[test]
    fn records_stay_whole() {
        let long = "x".repeat(3_000);
        let text = format!("1 LOG:  a\n\t{long}\n").repeat(500);
        let prefix = Prefix::new("%p ").expect("the prefix is fine");
        let read = blocks(text.as_bytes(), Cut::Prefix(Box::new(prefix)));
        assert!(read.len() > 1);
        assert!(read.iter().all(|block| block.starts_with(b"1 LOG")));
    }

    #[test]
    fn csv_is_cut_outside_quotes() {
        let start = "2024-01-01 00:00:00.000 UTC,\"u\",";
        let text = format!("{start}\"a\n{start}\"\"b\"\"\n{}\"\n", "y".repeat(5_000)).repeat(400);
        let read = blocks(text.as_bytes(), Cut::Csv);
        assert!(read.len() > 1);
        for block in &read {
            assert!(memchr_iter(b'"', block).count().is_multiple_of(2));
        }
    }

    #[test]
    fn a_record_longer_than_a_block_grows_it() {
        let text = format!("1 LOG:  a\n\t{}\n1 LOG:  b\n", "x".repeat(2 * PEEK));
        let prefix = Prefix::new("%p ").expect("the prefix is fine");
        let read = blocks(text.as_bytes(), Cut::Prefix(Box::new(prefix)));
        assert!(!read.is_empty());
        assert!(read[0].len() > 2 * PEEK);
    }
}
