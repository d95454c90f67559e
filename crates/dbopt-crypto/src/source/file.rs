//! A key in a file that only its owner can read.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{KeySource, SourceError};
use crate::key::{Key, MOST_BYTES};

/// A key in a file, in hexadecimal or base64.
///
/// As ssh and libpq do with private keys, the file must belong to this user or root, and nobody else may have any rights on it.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
}

impl FileSource {
    /// The file at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Opens the file and checks it. All checks are on the open file, which cannot be exchanged meanwhile.
    fn open(&self) -> Result<File, SourceError> {
        // Without this flag, opening a pipe would wait for a writer.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path).map_err(|e| self.io(e))?;
        let metadata = file.metadata().map_err(|error| self.io(error))?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile(self.name()));
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SourceError::Permissions { path: self.name(), mode });
        }
        if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(SourceError::Owner(self.name()));
        }
        Ok(file)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn io(&self, source: std::io::Error) -> SourceError {
        SourceError::Io { path: self.name(), source }
    }
}

impl KeySource for FileSource {
    fn load(&self) -> Result<Key, SourceError> {
        // Hexadecimal takes two characters for a byte; beyond that and some white space it is no key file. The buffer
        // never grows, so no copy of the key is left behind unwiped.
        const MOST_TEXT: usize = 2 * MOST_BYTES + 64;
        let mut text = Zeroizing::new(vec![0; MOST_TEXT]);
        let mut file = self.open()?;
        let mut len = 0;
        loop {
            match file.read(&mut text[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io(error)),
            }
        }
        let place = || format!("file `{}`", self.name());
        let key = if len == MOST_TEXT { Err(crate::KeyError::Long) } else { Key::parse(&text[..len]) };
        key.map_err(|error| SourceError::Key { place: place(), error })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TEXT: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

    fn file(mode: u32, text: &str) -> (tempfile::TempDir, FileSource) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("permissions");
        (folder, FileSource::new(path))
    }

    #[test]
    fn an_owner_only_file_is_read() {
        for mode in [0o600, 0o400] {
            let (_folder, source) = file(mode, TEXT);
            assert_eq!(source.load().expect("a key").bytes(), b"0123456789abcdef0123456789abcdef");
        }
    }

    #[test]
    fn a_file_that_others_can_use_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o666] {
            let (_folder, source) = file(mode, TEXT);
            let error = source.load().expect_err("others can use it");
            assert!(matches!(error, SourceError::Permissions { mode: found, .. } if found == mode), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("chmod 600")));
        }
    }

    #[test]
    fn the_file_of_another_user_is_refused() {
        let (_folder, source) = file(0o600, TEXT);
        // Only root can give files away, and root may read everybody's.
        if std::os::unix::fs::chown(&source.path, Some(12345), None).is_ok() {
            assert!(matches!(source.load(), Err(SourceError::Owner(_))));
        }
    }

    #[test]
    fn folders_devices_and_missing_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(FileSource::new(folder.path()).load(), Err(SourceError::NotAFile(_))));
        assert!(matches!(FileSource::new("/dev/zero").load(), Err(SourceError::NotAFile(_))));
        assert!(matches!(FileSource::new(folder.path().join("none")).load(), Err(SourceError::Io { .. })));
    }

    #[test]
    fn errors_do_not_show_the_text() {
        for text in ["not a key at all, but secret", &"secret".repeat(1000)] {
            let (_folder, source) = file(0o600, text);
            let error = source.load().expect_err("no key");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
