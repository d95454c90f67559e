//! The account a server runs under: `initdb` and `postgres` refuse root.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// An unprivileged account to drop to, when this process is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Account {
    /// The account to run a server under: none when this process is unprivileged already, else `postgres`, else
    /// `nobody`.
    ///
    /// # Errors
    /// When this process is root and neither account exists, or the account list cannot be read.
    pub fn for_server() -> Result<Option<Self>, Error> {
        if !is_root().map_err(Error::io("ask for the user id"))? {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
        ["postgres", "nobody"].iter().find_map(|name| Self::parse(&passwd, name)).map(Some).ok_or(Error::NoAccount)
    }

    /// Makes a command run under this account.
    pub fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or folder to this account.
    pub(crate) fn own(self, path: &Path) -> Result<(), Error> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(Error::io(format!("change the owner of {}", path.display())))
    }

    /// Finds an account in the text of `/etc/passwd` (passwd(5)).
    fn parse(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (uid != 0).then_some(Self { uid, gid })
        })
    }
}

/// Whether this process is root, judged by the owner of a file it creates (the standard library has no `geteuid`).
///
/// # Errors
/// When no temporary file can be made.
pub fn is_root() -> io::Result<bool> {
    Ok(tempfile::tempfile()?.metadata()?.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd_lines() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(Account::parse(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::parse(passwd, "root"), None);
        assert_eq!(Account::parse(passwd, "nobody"), None);
        assert_eq!(Account::parse(passwd, "broken"), None);
    }
}
