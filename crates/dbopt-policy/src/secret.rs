//! References to secrets, and the secrets themselves.
//!
//! A policy holds no secret. It says where one is: `env:NAME`, an environment variable, or `file:PATH`, a file
//! relative to the policy that only its owner may read, as `PGPASSFILE` must be
//! (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::{fmt, io::Read, path::PathBuf};

use zeroize::Zeroizing;

use crate::{
    fault::{Fault, shown},
    shape::Shape,
    value::{FromValue, Value},
};

/// Longest secret in a file.
const MOST_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretRef {
    /// The environment variable of this name.
    Env(String),
    /// The file of this path, which only its owner may read; a line end at its end is no part of the secret.
    File(PathBuf),
}

/// A secret. It is wiped when dropped, and shows nothing of itself.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The bytes of the secret.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, if it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl SecretRef {
    /// Reads `env:NAME` or `file:PATH`. The fault never repeats the text, which may be a secret.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let name = |name: &str| {
            let mut letters = name.chars();
            let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
            starts && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        match text.split_once(':') {
            Some(("env", variable)) if name(variable) => Ok(Self::Env(variable.to_owned())),
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => Ok(Self::File(path.into())),
            _ => Err(Fault::new("bad-secret", "this is no reference to a secret")
                .help("Write `\"env:NAME\"` or `\"file:PATH\"`; a policy holds no secret itself.")),
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    ///
    /// When the variable is not set or empty, or the file cannot be read, is empty, or may be read by others.
    pub fn resolve(&self) -> Result<Secret, Fault> {
        match self {
            Self::Env(name) => {
                let value = std::env::var_os(name).map(|value| Zeroizing::new(value.into_encoded_bytes()));
                match value.filter(|value| !value.is_empty()) {
                    Some(value) => Ok(Secret(value)),
                    None => Err(missing(format!("environment variable `{}` is not set", shown(name)))),
                }
            }
            Self::File(path) => from_file(path),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromValue for SecretRef {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let read =
            value.text(&Self::shape()).and_then(|text| Self::parse(text).map_err(|fault| value.reject(fault)).ok());
        let Some(mut read) = read else {
            value.withhold();
            return None;
        };
        if let (Self::File(path), Some(folder)) = (&mut read, value.folder()) {
            *path = folder.join(&*path);
        }
        if value.checks_secrets()
            && let Err(fault) = read.resolve()
        {
            value.reject(fault);
            return None;
        }
        Some(read)
    }

    fn shape() -> Shape {
        Shape::Text {
            what: "a reference to a secret",
            pattern: Some("^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"),
            examples: &["env:DBOPT_KEY", "file:audit.key"],
        }
    }
}

fn from_file(path: &std::path::Path) -> Result<Secret, Fault> {
    let name = shown(&path.display().to_string());
    let failed = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(format!("there is no secret file `{name}`")),
        std::io::ErrorKind::PermissionDenied => {
            missing(format!("secret file `{name}` may not be read: permission denied"))
        }
        _ => missing(format!("could not read secret file `{name}`: {error}")),
    };
    // A pipe is not opened, because that may wait for ever.
    if !path.metadata().map_err(|error| failed(&error))?.is_file() {
        return Err(missing(format!("secret file `{name}` is not a file")));
    }
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if metadata.len() > MOST_BYTES {
        return Err(missing(format!("secret file `{name}` is larger than {} kB", MOST_BYTES / 1024)));
    }
    private(&metadata, &name)?;
    // Room for all of it at once, so that no copy of a part is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize));
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    let end = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line).len());
    let length = end.unwrap_or(bytes.len());
    bytes.truncate(length);
    if bytes.is_empty() {
        return Err(missing(format!("secret file `{name}` is empty")));
    }
    Ok(Secret(bytes))
}

#[cfg(unix)]
fn private(metadata: &std::fs::Metadata, name: &str) -> Result<(), Fault> {
    use std::os::unix::fs::MetadataExt;

    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(Fault::new("open-secret", format!("secret file `{name}` belongs to somebody else")));
    }
    if metadata.mode() & 0o077 != 0 {
        let fault = Fault::new("open-secret", format!("secret file `{name}` can be read or changed by others"));
        return Err(fault.help(format!("Run `chmod 600 {name}`.")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_metadata: &std::fs::Metadata, _name: &str) -> Result<(), Fault> {
    Ok(())
}

fn missing(message: String) -> Fault {
    Fault::new("missing-secret", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_and_printed() {
        for text in ["env:KEY_1", "file:../keys/audit.key"] {
            assert_eq!(SecretRef::parse(text).map(|read| read.to_string()), Ok(text.to_owned()));
        }
        for text in ["hunter2", "env:", "env:A B", "env:1", "file:", "vault:x", ""] {
            let fault = SecretRef::parse(text).expect_err("no reference");
            assert!(text.is_empty() || !fault.to_string().contains(text));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_file_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "hunter2\r\n").expect("written");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
        mode(0o640);
        assert_eq!(SecretRef::File(path.clone()).resolve().expect_err("refused").code, "open-secret");
        mode(0o600);
        let secret = SecretRef::File(path.clone()).resolve().expect("a secret");
        assert_eq!(secret.expose(), b"hunter2");
        assert_eq!(format!("{secret:?}"), "Secret");
        std::fs::write(&path, "\n").expect("written");
        assert_eq!(SecretRef::File(path).resolve().expect_err("refused").code, "missing-secret");
    }
}
