//! A key in a file that only its owner can read.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{KeySource, MOST_TEXT, SourceError, read};
use crate::key::{Key, KeyError};
use rustix::fs::OFlags;

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
}

/// Opens a file and checks that nobody but its owner can use it. All checks are on the open file, which cannot be
/// exchanged meanwhile.
pub(crate) fn open_private(path: &Path) -> Result<File, SourceError> {
    // Without this flag, opening a pipe would wait for a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| io(path, error))?;
    let metadata = file.metadata().map_err(|error| io(path, error))?;
    if !metadata.is_file() {
        return Err(SourceError::NotAFile(name(path)));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SourceError::Permissions { path: name(path), mode });
    }
    if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(SourceError::Owner(name(path)));
    }
    Ok(file)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn io(path: &Path, source: std::io::Error) -> SourceError {
    SourceError::Io { path: name(path), source }
}

impl KeySource for FileSource {
    fn load(&self) -> Result<Key, SourceError> {
        let text = read(&mut open_private(&self.path)?, MOST_TEXT).map_err(|error| io(&self.path, error))?;
        let place = || format!("file `{}`", name(&self.path));
        let key = text.map_or(Err(KeyError::Long), |text| Key::parse(&text));
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
