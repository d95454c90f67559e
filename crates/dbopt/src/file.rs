//! Files that the program writes: never over one that it reads, and as a whole or not at all.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::failure::Failure;

/// Refuses to write to a file that is read: by then its content would be gone.
///
/// Device and inode are compared, so that links and other ways to the same file do not help.
pub(crate) fn refuse_inputs(outputs: &[&str], inputs: &[&str]) -> Result<(), Failure> {
    let regular = |name: &str| std::fs::metadata(name).ok().filter(std::fs::Metadata::is_file);
    let same = |one: &str, other: &str| match (regular(one), regular(other)) {
        (Some(one), Some(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => one == other && one != "-",
    };
    let named = |names: &[&'_ str]| names.iter().filter(|name| **name != "-").map(|name| (*name).to_owned()).collect();
    let (outputs, inputs): (Vec<String>, Vec<String>) = (named(outputs), named(inputs));
    for (at, output) in outputs.iter().enumerate() {
        if inputs.iter().any(|input| same(output, input)) {
            let message = format!("`{output}` is an input, which the output would replace");
            return Err(Failure::usage(message).hint("name another file to write to"));
        }
        if outputs[..at].iter().any(|other| same(output, other)) {
            return Err(Failure::usage(format!("`{output}` is given for two outputs")));
        }
    }
    Ok(())
}

/// A file that is being written. It takes its name when it is finished; until then, what had that name stays as it was.
#[derive(Debug)]
pub(crate) struct NewFile {
    to: BufWriter<File>,
    /// The temporary file and the one it becomes; none where writing goes straight to a device or pipe.
    rename: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    /// Begins a file; `mode` are its permissions, less the umask, unless it is there already.
    pub(crate) fn create(name: &str, mode: u32) -> io::Result<Self> {
        let options = |mode| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(mode);
            options
        };
        // A link stays one, to a new file.
        let path = std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
        let existing = match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Some(metadata),
            Ok(_) => return Ok(Self { to: BufWriter::new(options(mode).open(&path)?), rename: None }),
            Err(_) => None,
        };
        if existing.is_some() {
            // Nobody replaces a file that they may not write to.
            OpenOptions::new().append(true).open(&path)?;
        }
        let temporary = temporary(&path);
        let file = match options(mode).create_new(true).open(&temporary) {
            // Whoever may write to a file but not to its folder.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && existing.is_some() => {
                return Ok(Self { to: BufWriter::new(options(mode).truncate(true).open(&path)?), rename: None });
            }
            file => file?,
        };
        let new = Self { to: BufWriter::new(file), rename: Some((temporary, path)) };
        if let Some(existing) = existing {
            let file = new.to.get_ref();
            file.set_permissions(existing.permissions())?;
            // Only a superuser can give files away, and only there it is needed.
            let _ = fchown(file, Some(existing.uid()), Some(existing.gid()));
        }
        Ok(new)
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.to.flush()?;
        if let Some((temporary, path)) = &self.rename {
            self.to.get_ref().sync_data()?;
            std::fs::rename(temporary, path)?;
            self.rename = None;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What was not finished leaves nothing.
impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.rename {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// A name beside the file that nobody else uses.
fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// Refuses a name that is taken, before any work is done for it.
pub(crate) fn refuse_existing(name: &str) -> Result<(), Failure> {
    if Path::new(name).symlink_metadata().is_ok() {
        return Err(taken(name));
    }
    Ok(())
}

/// Writes a file that must not be there yet, as a whole or not at all.
pub(crate) fn write_new(name: &str, text: &str) -> Result<(), Failure> {
    let path = Path::new(name);
    let temporary = temporary(path);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE)?;
        Ok(())
    };
    write().map_err(|error: io::Error| {
        // Nothing more can be done for it when it cannot be removed.
        let _ = std::fs::remove_file(&temporary);
        if error.kind() == io::ErrorKind::AlreadyExists { taken(name) } else { Failure::file("write", name, &error) }
    })
}

fn taken(name: &str) -> Failure {
    Failure::usage(format!("`{name}` is there already, and nothing is written over it")).hint("name another file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_finished_leaves_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        let name = link.display().to_string();
        std::fs::write(&path, "old").expect("written");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let mut new = NewFile::create(&name, 0o600).expect("it may be written");
        new.write_all(b"new").expect("written");
        drop(new);
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "old");
        let mut new = NewFile::create(&name, 0o600).expect("it may be written");
        new.write_all(b"new").expect("written");
        new.finish().expect("it takes its name");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "new");
        assert!(link.is_symlink(), "the link is still one");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }
}
