//! Free space on the server's disk.
//!
//! PostgreSQL does not tell it to SQL. Where the server is on this machine its folder is looked at; elsewhere only its
//! owner knows, and may say so in the policy.

use std::path::{Path, PathBuf};

use dbopt_pg::Session;

/// Free space in the folder where new indexes of a database go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// The folder.
    pub folder: PathBuf,
    /// What a user other than root may still write there, in bytes.
    pub bytes: u64,
}

/// A tablespace within the data folder has no location of its own. The data folder is shown to members of
/// `pg_read_all_settings` only.
const FOLDER: &str = "
    SELECT coalesce(nullif(pg_catalog.pg_tablespace_location(t.oid), ''),
                    (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory'))
    FROM pg_catalog.pg_tablespace t
    WHERE t.spcname = coalesce(nullif(pg_catalog.current_setting('default_tablespace'), '')::name,
        (SELECT d.spcname FROM pg_catalog.pg_database b JOIN pg_catalog.pg_tablespace d ON d.oid = b.dattablespace
         WHERE b.datname = pg_catalog.current_database()))";

impl FreeSpace {
    /// Looks at it; none where it cannot be seen: the server is reached over TCP, the role may not know the folder, or this
    /// user may not come near it.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn look(session: &Session) -> Result<Option<Self>, dbopt_pg::Error> {
        // A server behind TCP may be elsewhere even at a local address.
        if !session.server().starts_with('/') {
            return Ok(None);
        }
        let rows = session.query(FOLDER, &[]).await?;
        let folder = rows.first().and_then(|row| row.get::<_, Option<String>>(0));
        Ok(folder.map(PathBuf::from).filter(|folder| folder.is_absolute()).and_then(|folder| Self::at(&folder)))
    }

    /// That of a folder of this machine.
    fn at(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        Some(Self { folder: folder.to_owned(), bytes: found.f_bavail.saturating_mul(found.f_frsize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_space_and_no_folder_has_none() {
        assert!(FreeSpace::at(Path::new("/")).is_some());
        assert_eq!(FreeSpace::at(Path::new("/no/such/folder")), None);
    }
}
