//! The file or folder that a package becomes: whole and never over anything, or not at all.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use dbopt_gdpr::export::{Archive, Folder, Lock, Sealed, Sink};
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A package that is being written, beside its place and under a name that begins with a dot. It takes its own name at the end, and what
/// was not finished is removed.
pub(super) struct Package {
    content: Content,
    temporary: Temporary,
}

enum Content {
    Plain(Archive<BufWriter<File>>),
    Sealed(Archive<Sealed<BufWriter<File>>>),
    Folder(Folder),
}

/// Where a package is to go.
pub(super) enum Shape<'a> {
    /// To an archive for somebody.
    Sealed(&'a Lock),
    /// To an archive that anybody can read.
    Plain,
    /// To a folder.
    Folder,
}

impl Package {
    /// Begins a package that will have a name, which must be free.
    pub(super) fn create(path: &Path, shape: &Shape<'_>, as_of: Timestamp) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        name.push(format!(".{}.unfinished", std::process::id()));
        let temporary = Temporary { path: path.with_file_name(name), to: path.to_owned(), is_done: false };
        let file = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(&temporary.path).map(BufWriter::new)
        };
        let content = match shape {
            Shape::Sealed(lock) => Content::Sealed(Archive::new(lock.seal(file()?)?, as_of)),
            Shape::Plain => Content::Plain(Archive::new(file()?, as_of)),
            Shape::Folder => Content::Folder(Folder::create(&temporary.path)?),
        };
        Ok(Self { content, temporary })
    }

    /// The folder that it is in.
    pub(super) fn folder(path: &Path) -> &Path {
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Writes the end, and makes it durable. It has its name only after [`Whole::publish`].
    pub(super) fn finish(self) -> io::Result<Whole> {
        let file = match self.content {
            Content::Plain(archive) => Some(archive.finish()?),
            Content::Sealed(archive) => Some(archive.finish()?.finish()?),
            Content::Folder(_) => None,
        };
        if let Some(file) = file {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        Ok(Whole(self.temporary))
    }
}

impl Sink for Package {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
        match &mut self.content {
            Content::Plain(archive) => archive.file(name, size, content),
            Content::Sealed(archive) => archive.file(name, size, content),
            Content::Folder(folder) => folder.file(name, size, content),
        }
    }
}

/// A package that is whole and has no name yet.
pub(super) struct Whole(Temporary);

impl Whole {
    /// Gives it its name, unless something has taken that meanwhile.
    pub(super) fn publish(mut self) -> io::Result<()> {
        let Temporary { path, to, is_done } = &mut self.0;
        renameat_with(CWD, &*path, CWD, &*to, RenameFlags::NOREPLACE)?;
        *is_done = true;
        File::open(Package::folder(to))?.sync_all()
    }
}

struct Temporary {
    path: PathBuf,
    to: PathBuf,
    is_done: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_done {
            // One of them is what it is; nothing is left to be done where neither can be removed.
            let _ = fs::remove_file(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_leaves_nothing_and_what_is_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("package");
        for shape in [Shape::Plain, Shape::Folder] {
            let mut package = Package::create(&path, &shape, Timestamp::UNIX_EPOCH).expect("begun");
            package.file("data/a.csv", 2, &mut b"ab".as_slice()).expect("written");
            assert!(!path.exists());
            drop(package);
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
            let whole = Package::create(&path, &shape, Timestamp::UNIX_EPOCH).and_then(Package::finish).expect("whole");
            fs::write(&path, "somebody's").expect("written meanwhile");
            assert!(whole.publish().is_err());
            assert_eq!(fs::read_to_string(&path).expect("there"), "somebody's");
            assert!(Package::create(&path, &shape, Timestamp::UNIX_EPOCH).is_err());
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
            fs::remove_file(&path).expect("removed");
        }
    }
}
