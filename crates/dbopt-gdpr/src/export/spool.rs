//! What is written before its size is known.
//!
//! An archive has the size of a file before the file, and memory is bounded: what is longer than a little goes to a file without a name
//! in a folder of the caller's, sealed with a key that is nowhere but in this process. So no plain copy of a person's data is left
//! behind, however the export ends.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use dbopt_crypto::{Algorithm, Cell, DataKey, KeyNumber, KeyRing, SealWriter};
use sha2::{Digest as _, Sha256};

/// Bytes that are kept in memory.
const MOST: usize = 1 << 20;

/// The key of one export.
pub(super) struct Sealing<'a> {
    ring: KeyRing,
    folder: &'a Path,
}

impl<'a> Sealing<'a> {
    pub(super) fn new(folder: &'a Path) -> io::Result<Self> {
        let key = DataKey::random().map_err(io::Error::other)?;
        let ring = KeyRing::new().with(KeyNumber::FIRST, Algorithm::default(), true, &key).map_err(io::Error::other)?;
        Ok(Self { ring, folder })
    }

    pub(super) fn spool(&self) -> Spool<'_> {
        Spool { sealing: self, start: Vec::new(), rest: None, size: 0, hash: Sha256::new() }
    }

    /// A file that has no name any more.
    fn file(&self) -> io::Result<File> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(format!(".dbopt-gdpr.{}.{number}", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return fs::remove_file(path).map(|()| file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// One file of the package, while it is written.
pub(super) struct Spool<'a> {
    sealing: &'a Sealing<'a>,
    start: Vec<u8>,
    rest: Option<SealWriter<'a, BufWriter<File>>>,
    size: u64,
    hash: Sha256,
}

/// One file of the package that is whole.
pub(super) struct Spooled<'a> {
    sealing: &'a Sealing<'a>,
    start: Vec<u8>,
    rest: Option<File>,
    pub(super) size: u64,
    /// SHA-256 in hexadecimal.
    pub(super) hash: String,
}

fn cell() -> Cell<'static> {
    Cell::new("package", "file", &[])
}

impl<'a> Spool<'a> {
    pub(super) fn finish(self) -> io::Result<Spooled<'a>> {
        let rest = match self.rest {
            Some(writer) => {
                let mut file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.rewind()?;
                Some(file)
            }
            None => None,
        };
        let hash = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Spooled { sealing: self.sealing, start: self.start, rest, size: self.size, hash })
    }
}

impl Write for Spool<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.rest.is_none() && self.start.len() + bytes.len() > MOST {
            let file = BufWriter::new(self.sealing.file()?);
            self.rest = Some(self.sealing.ring.seal_stream(&cell(), file)?);
        }
        let written = match &mut self.rest {
            Some(rest) => rest.write(bytes)?,
            None => {
                self.start.extend_from_slice(bytes);
                bytes.len()
            }
        };
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Spooled<'_> {
    /// Hands out the bytes.
    pub(super) fn read<T>(self, then: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        match self.rest {
            Some(rest) => {
                let rest = self.sealing.ring.open_stream(&cell(), BufReader::new(rest))?;
                then(&mut self.start.as_slice().chain(rest))
            }
            None => then(&mut self.start.as_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let sealing = Sealing::new(folder.path()).expect("a key");
        for lines in [0_usize, 1, 20_000, 200_000] {
            let mut spool = sealing.spool();
            let expected: String = (0..lines).map(|line| format!("line {line}\n")).collect();
            for line in expected.split_inclusive('\n') {
                spool.write_all(line.as_bytes()).expect("written");
            }
            assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "no name is seen");
            assert!(spool.start.len() <= MOST);
            let spooled = spool.finish().expect("whole");
            assert_eq!(spooled.size, expected.len() as u64);
            let mut read = String::new();
            spooled.read(|from| from.read_to_string(&mut read)).expect("read");
            assert!(read == expected);
        }
    }
}
