//! Names of files for tables, whatever the tables are named.
//!
//! A name of small letters, digits and underscores is kept. Others could leave the folder, be the same where case does not count, or be a
//! device; they lose what is odd and get a part of a hash, so that no two tables share a file.

use sha2::{Digest as _, Sha256};

use crate::policy::TableName;

/// The name of a table's files, without what tells one from the other.
pub(super) fn stem(table: &TableName) -> String {
    let (schema, name) = (&table.schema, &table.name);
    if is_plain(schema) && is_plain(name) && !is_device(schema) {
        return format!("{schema}.{name}");
    }
    let mut hash = Sha256::new();
    hash.update((schema.len() as u64).to_be_bytes());
    hash.update(schema.as_bytes());
    hash.update(name.as_bytes());
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // With a hyphen, which no name that is kept has.
    format!("{}-{}-{hash}", tame(schema), tame(name))
}

fn is_plain(name: &str) -> bool {
    let is_kept = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MOST).contains(&name.len()) && name.bytes().all(is_kept)
}

/// Names before the first dot that Windows keeps for devices.
fn is_device(name: &str) -> bool {
    let is_port = ["com", "lpt"].iter().filter_map(|port| name.strip_prefix(port)).any(|rest| rest.len() == 1);
    matches!(name, "con" | "prn" | "aux" | "nul") || is_port
}

fn tame(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '_' };
    name.chars().take(MOST).map(kept).collect()
}

/// Longest part of a name, so that a path of the archive stays below 100 bytes.
const MOST: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, table: &str) -> String {
        stem(&TableName::new(schema, table))
    }

    #[test]
    fn usual_names_are_kept_and_odd_ones_are_tamed() {
        assert_eq!(name("public", "order_item"), "public.order_item");
        for (schema, table) in
            [("public", "../../etc/passwd"), ("con", "x"), ("com1", "x"), ("public", "."), ("a/b", "ü")]
        {
            let stem = name(schema, table);
            let is_tame = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
            assert!(stem.chars().all(is_tame) && stem.len() <= 76, "{stem}");
        }
    }

    #[test]
    fn no_two_tables_share_a_file() {
        let tables = [
            ("public", "orders"),
            ("public", "Orders"),
            ("public", "ORDERS"),
            ("public", "orders "),
            ("a", "b.c"),
            ("a.b", "c"),
        ];
        let mut stems: Vec<_> = tables.iter().map(|(schema, table)| name(schema, table).to_lowercase()).collect();
        stems.sort();
        stems.dedup();
        assert_eq!(stems.len(), tables.len());
    }
}
