//! Where the files of a package go: into one archive, or into a folder.
//!
//! The archive is `ustar` (POSIX.1-1988, <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>), which everything
//! opens. It says nothing of who made it: owner 0, one time for all files, so that the same files are the same bytes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use jiff::Timestamp;

/// Takes the files of a package, in the order of their names.
pub trait Sink: Send {
    /// Takes a file whole. Names have `/` between their parts, and no part is `.` or `..`.
    ///
    /// # Errors
    /// When it cannot be written, or `content` cannot be read.
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()>;
}

/// A package as one archive.
#[derive(Debug)]
#[must_use = "an archive that is not finished is not whole"]
pub struct Archive<W> {
    to: W,
    time: u64,
}

impl<W: Write> Archive<W> {
    /// Begins an archive of which all files have one time.
    pub fn new(to: W, time: Timestamp) -> Self {
        Self { to, time: u64::try_from(time.as_second()).unwrap_or(0) }
    }

    /// Ends the archive and gives the writer back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        self.to.flush()?;
        Ok(self.to)
    }
}

impl<W: Write + Send> Sink for Archive<W> {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
        self.to.write_all(&header(name, size, self.time)?)?;
        whole(io::copy(content, &mut self.to)?, size)?;
        let beyond = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if beyond > 0 {
            self.to.write_all(&[0; BLOCK][beyond..])?;
        }
        Ok(())
    }
}

fn whole(copied: u64, size: u64) -> io::Result<()> {
    if copied == size { Ok(()) } else { Err(io::Error::other("a file of the package has another size than it had")) }
}

const BLOCK: usize = 512;

fn header(name: &str, size: u64, time: u64) -> io::Result<[u8; BLOCK]> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    if name.len() > 100 {
        return Err(io::Error::other("a name in the package is too long"));
    }
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, &number(size));
    put(136, &number(time));
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

/// A number in eleven octal digits; from 8 GiB on in base 256, as GNU's and BSD's tar read it.
fn number(value: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    if value < 1 << 33 {
        bytes[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    } else {
        bytes[0] = 0x80;
        bytes[4..].copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

/// A package as a folder, which only its owner can read.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }
}

impl Sink for Folder {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        whole(io::copy(content, &mut file)?, size)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_tar_reads_it() {
        let mut archive = Archive::new(Vec::new(), "2026-01-02T03:04:05Z".parse().expect("a time"));
        let long = vec![b'x'; 1_500];
        for (name, content) in [("data/a.csv", b"".as_slice()), ("data/b.csv", b"hello"), ("index.html", &long)] {
            archive.file(name, content.len() as u64, &mut &*content).expect("written");
        }
        let bytes = archive.finish().expect("ended");
        assert_eq!(bytes.len() % BLOCK, 0);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.tar");
        fs::write(&path, bytes).expect("written");
        let tar = |arguments: &[&str]| {
            let mut tar = std::process::Command::new("tar");
            tar.env("TZ", "UTC").args(arguments).arg("-f").arg(&path).current_dir(folder.path());
            let output = tar.output().expect("tar runs");
            assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text")
        };
        insta::assert_snapshot!(tar(&["-tv", "--numeric-owner"]), @"
        -rw------- 0/0               0 2026-01-02 03:04 data/a.csv
        -rw------- 0/0               5 2026-01-02 03:04 data/b.csv
        -rw------- 0/0            1500 2026-01-02 03:04 index.html
        ");
        tar(&["-x"]);
        assert_eq!(fs::read(folder.path().join("index.html")).expect("there"), long);
    }

    #[test]
    fn large_sizes_have_a_form() {
        assert_eq!(&number((1 << 33) - 1)[..11], b"77777777777");
        assert_eq!(number(1 << 33), [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn a_file_that_changes_its_size_is_no_part_of_it() {
        let mut archive = Archive::new(Vec::new(), Timestamp::UNIX_EPOCH);
        assert!(archive.file("a", 3, &mut b"ab".as_slice()).is_err());
    }
}
