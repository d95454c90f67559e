//! The embedded files.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The schema that dbopt keeps its tables in.
pub const SCHEMA: &str = "dbopt";

/// A file of `migrations/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number; migrations are applied in this order. Greater than zero.
    pub number: u32,
    /// What it is about: the file is named `NNNN_name.sql`.
    pub name: &'static str,
    /// Its statements, without transaction control.
    pub sql: &'static str,
}

/// All migrations, by rising number. A test compares this list with the folder.
pub const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "schema", sql: include_str!("../../../migrations/0001_schema.sql") },
    Migration { number: 2, name: "audit", sql: include_str!("../../../migrations/0002_audit.sql") },
    Migration { number: 3, name: "run", sql: include_str!("../../../migrations/0003_run.sql") },
    Migration { number: 4, name: "limit", sql: include_str!("../../../migrations/0004_limit.sql") },
    Migration { number: 5, name: "auth", sql: include_str!("../../../migrations/0005_auth.sql") },
    Migration { number: 6, name: "rows", sql: include_str!("../../../migrations/0006_rows.sql") },
    Migration { number: 7, name: "subject", sql: include_str!("../../../migrations/0007_subject.sql") },
    Migration { number: 8, name: "subject_index", sql: include_str!("../../../migrations/0008_subject_index.sql") },
];

impl Migration {
    /// The names of the tables that it creates.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'static str> {
        self.sql.split("TABLE dbopt.").skip(1).filter_map(|rest| {
            let (name, after) = rest.split_once(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
            (after.starts_with('(') || after.starts_with("PARTITION OF")).then_some(name)
        })
    }

    /// SHA-256 of the file, in lower-case hexadecimal, as `sha256sum` prints it.
    #[must_use]
    pub fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
            .expect("the folder of migrations")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(path).expect("a migration is text"))
            })
            .collect();
        files.sort();
        let embedded: Vec<(String, String)> =
            MIGRATIONS.iter().map(|m| (format!("{:04}_{}.sql", m.number, m.name), m.sql.to_owned())).collect();
        assert_eq!(embedded, files);
    }

    #[test]
    fn each_migration_knows_its_tables() {
        let tables: Vec<Vec<_>> = MIGRATIONS.iter().take(4).map(|migration| migration.tables().collect()).collect();
        let limits = vec!["limit_state", "limit_state_unlogged", "limit_state_durable", "limit_place"];
        assert_eq!(tables, [vec!["migration"], vec!["audit_record"], vec!["run", "journal", "history"], limits]);
    }

    #[test]
    fn numbers_rise() {
        assert!(MIGRATIONS.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(MIGRATIONS.iter().all(|migration| migration.number > 0));
    }

    /// A migration runs inside a transaction of the program, which it must not end, and psql is not there to help it.
    #[test]
    fn migrations_are_plain_statements() {
        for migration in MIGRATIONS {
            for line in migration.sql.lines().map(|line| line.trim_start().to_ascii_uppercase()) {
                let first = line.split(|c: char| !c.is_ascii_alphabetic() && c != '\\').next().unwrap_or_default();
                let banned = ["COMMIT", "ROLLBACK", "ABORT", "SAVEPOINT", "START"].contains(&first);
                assert!(!banned && !first.starts_with('\\'), "{}: {line}", migration.name);
            }
        }
    }

    #[test]
    fn checksums_are_those_of_sha256sum() {
        let migration = Migration { number: 1, name: "abc", sql: "abc" };
        // FIPS 180-2, appendix B.1.
        assert_eq!(migration.checksum(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
