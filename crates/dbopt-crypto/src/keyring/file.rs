//! A key ring in a file that only its owner can use.
//!
//! Readers need no lock, since a new ring takes the place of the old one whole. Who changes a ring holds the lock of a file beside it
//! (`shop.keys.lock`) from before it is read until it is written, so that no change is lost.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{Keyring, json::ParseKeyringError};
use crate::source::{SourceError, open_private, read};

/// A key ring's file.
#[derive(Clone, Debug)]
pub struct KeyringFile {
    path: PathBuf,
}

/// A key ring's file that nobody else changes meanwhile.
#[derive(Debug)]
pub struct LockedKeyring {
    file: KeyringFile,
    /// Holds the lock until it is closed.
    _lock: File,
}

/// Why a key ring was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be opened, or others can use it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It holds no key ring.
    #[error("`{path}` is no key ring: {error}")]
    Parse {
        /// The file.
        path: String,
        /// Why.
        #[source]
        error: ParseKeyringError,
    },
    /// Another program is changing it.
    #[error("key ring `{0}` is being changed by another program")]
    Locked(String),
    /// A new one is there already.
    #[error("`{0}` is there already")]
    Exists(String),
    /// It was not written.
    #[error("could not write key ring `{path}`: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Parse { .. } => {
                Some("restore a copy of it; without it, what its keys have sealed is lost".to_owned())
            }
            _ => None,
        }
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Source(SourceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound)
    }
}

impl KeyringFile {
    /// The file at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it. It must belong to this user or root, and nobody else may have any rights on it.
    pub fn read(&self) -> Result<Keyring, FileError> {
        let failed = |source| SourceError::Io { path: self.name(), source };
        let text = read_all(&mut open_private(&self.path)?).map_err(failed)?;
        Keyring::parse(&text).map_err(|error| FileError::Parse { path: self.name(), error })
    }

    /// Locks it for a change, or says that somebody else has. It need not be there yet.
    pub fn lock(&self) -> Result<LockedKeyring, FileError> {
        // A link is followed, so that it stays one, and whoever comes by another way meets the same lock.
        let file = Self::new(fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()));
        let path = beside(&file.path, ".lock");
        // The lock's file stays where it is: removing it could not be told from somebody else's waiting for it.
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        let lock = lock.map_err(|error| self.unwritten(error))?;
        match lock.try_lock() {
            Ok(()) => Ok(LockedKeyring { file, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FileError::Locked(self.name())),
            Err(TryLockError::Error(error)) => Err(self.unwritten(error)),
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn unwritten(&self, source: io::Error) -> FileError {
        FileError::Write { path: self.name(), source }
    }
}

impl LockedKeyring {
    /// Reads it.
    pub fn read(&self) -> Result<Keyring, FileError> {
        self.file.read()
    }

    /// Writes a new file; refuses when there is one.
    pub fn create(&self, ring: &Keyring) -> Result<(), FileError> {
        match fs::symlink_metadata(&self.file.path) {
            Ok(_) => Err(FileError::Exists(self.file.name())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.replace(ring),
            Err(error) => Err(self.file.unwritten(error)),
        }
    }

    /// Puts a ring in the place of the old one, whole: after a crash one of the two is there. What is returned from is
    /// on the disk.
    pub fn replace(&self, ring: &Keyring) -> Result<(), FileError> {
        self.write(ring).map_err(|error| self.file.unwritten(error))
    }

    fn write(&self, ring: &Keyring) -> io::Result<()> {
        let path = &self.file.path;
        let new = beside(path, ".new");
        // One that a killed program left behind; the lock says that nobody is writing it.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
        let written = file.write_all(ring.to_json().as_bytes()).and_then(|()| file.sync_all());
        let moved = written.and_then(|()| fs::rename(&new, path));
        if moved.is_err() {
            let _ = fs::remove_file(&new);
        }
        moved?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(Keyring::MOST_BYTES);
    let text = read(file, length + 1)?.ok_or_else(|| io::Error::other("it is too large, or is being written to"))?;
    Ok(text.to_vec())
}

/// A file's path with something added to its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::keyring::change::tests::{at, id, ring};

    fn file() -> (tempfile::TempDir, KeyringFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyringFile::new(folder.path().join("shop.keys"));
        (folder, file)
    }

    #[test]
    fn what_is_written_is_read_by_its_owner_alone() {
        let (_folder, file) = file();
        assert!(file.read().expect_err("none yet").is_missing());
        let (first, locked) = (ring(), file.lock().expect("locked"));
        locked.create(&first).expect("written");
        assert_eq!(file.read().expect("a ring"), first);
        assert_eq!(fs::metadata(file.path()).expect("a file").mode() & 0o777, 0o600);
        assert!(matches!(locked.create(&first), Err(FileError::Exists(_))));
        let second = first.with_retired(first.entries()[2].number, at(9)).expect("changed");
        locked.replace(&second).expect("written");
        assert_eq!(locked.read().expect("a ring"), second);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).expect("changed");
        let error = file.read().expect_err("others can read it");
        assert!(matches!(error, FileError::Source(SourceError::Permissions { .. })), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("chmod 600")));
    }

    #[test]
    fn two_do_not_change_it_at_once() {
        let (_folder, file) = file();
        let locked = file.lock().expect("locked");
        assert!(matches!(file.lock(), Err(FileError::Locked(_))));
        drop(locked);
        file.lock().expect("locked");
    }

    #[test]
    fn what_a_killed_writer_left_is_replaced_and_what_others_put_there_is_not_followed() {
        let (folder, file) = file();
        let (ring, locked) = (Keyring::new(id("shop")), file.lock().expect("locked"));
        let new = folder.path().join("shop.keys.new");
        fs::write(&new, "half a ri").expect("written");
        locked.create(&ring).expect("written");
        assert!(!new.exists());
        let other = folder.path().join("other");
        fs::write(&other, "precious").expect("written");
        std::os::unix::fs::symlink(&other, &new).expect("a link");
        locked.replace(&ring).expect("written");
        assert_eq!(fs::read_to_string(other).expect("a file"), "precious");
        assert_eq!(file.read().expect("a ring"), ring);
    }

    #[test]
    fn a_link_stays_one() {
        let (folder, file) = file();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, file.path()).expect("a link");
        fs::write(&target, Keyring::new(id("shop")).to_json()).expect("written");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("changed");
        let locked = file.lock().expect("locked");
        assert!(matches!(KeyringFile::new(&target).lock(), Err(FileError::Locked(_))), "one lock by both ways");
        locked.replace(&ring()).expect("written");
        assert!(fs::symlink_metadata(file.path()).expect("a link").is_symlink());
        assert_eq!(file.read().expect("a ring"), ring_of(&target));
    }

    fn ring_of(path: &Path) -> Keyring {
        Keyring::parse(&fs::read(path).expect("a file")).expect("a ring")
    }

    #[test]
    fn other_files_are_none() {
        let (_folder, file) = file();
        fs::write(file.path(), "hunter2").expect("written");
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).expect("changed");
        let error = file.read().expect_err("no ring").to_string();
        assert!(error.ends_with("is no key ring: it is no JSON (line 1, column 1)"), "{error}");
    }
}
