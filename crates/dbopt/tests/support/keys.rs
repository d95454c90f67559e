//! A key ring, its key-encryption key and a policy, for tests.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{Ran, dbopt};

/// 32 bytes that nobody else has, as hexadecimal.
pub(crate) const KEK: &str = "8f3a1c0d5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5";
pub(crate) const OTHER_KEK: &str = "17c0ffee5e7b92a4463f18d0c7e5b1a29d4c6f0b3e8a7512c9d0e4f6a8b1c3d5";

/// A column with plain values beside it, and an index.
pub(crate) const COLUMNS: &str = "[key.customer]\nrotate = '365d'\n[key.lookup]\nalgorithm = 'hmac-sha-256'\nrotate = '365d'\n\
    [[column]]\ntable = 'public.customer'\ncolumn = 'email_sealed'\nplain = 'email'\nkey = 'customer'\nrow = ['id']\ndistinct = 1000000\n\
    [[column.index]]\ncolumn = 'email_term'\nkey = 'lookup'\nform = 'folded'\nbits = 64\nversion = 1\n";

/// A folder with a key-encryption key and a policy.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(COLUMNS)
    }

    pub(crate) fn with(columns: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        place.private("kek", KEK);
        place.policy(&place.kek("kek-1", "kek"), columns);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn private(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("changed");
    }

    pub(crate) fn kek(&self, name: &str, file: &str) -> String {
        format!("name = '{name}'\nkey = 'file:{}'\n", self.path(file).display())
    }

    pub(crate) fn policy(&self, kek: &str, rest: &str) {
        fs::create_dir_all(self.path("ring")).expect("a folder");
        let ring = self.path("ring/shop.keys");
        let text = format!("policy = 'encryption'\nversion = 1\nkeyring = '{}'\n[kek]\n{kek}{rest}", ring.display());
        fs::write(self.path("e.toml"), text).expect("written");
    }

    pub(crate) fn keys(&self, args: &[&str]) -> Ran {
        self.run(&[&["keys"], args].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let policy = self.path("e.toml").display().to_string();
        let ran = dbopt(&[args, &["--policy", &policy]].concat());
        // Whatever it says, no key is in it: neither that of the file nor a wrapped one.
        let ring = fs::read_to_string(self.path("ring/shop.keys")).unwrap_or_default();
        let ring: Value = serde_json::from_str(&ring).unwrap_or_default();
        let wrapped = ring["keys"].as_array().into_iter().flatten().filter_map(|key| key["wrapped"].as_str());
        for secret in wrapped.chain([KEK, OTHER_KEK]) {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "a key was printed");
        }
        ran
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.keys(&[args, &["--format", "json"]].concat()).json()
    }

    /// Has retired keys retired long ago.
    pub(crate) fn age(&self) {
        let path = self.path("ring/shop.keys");
        let mut ring: Value = serde_json::from_slice(&fs::read(&path).expect("a ring")).expect("JSON");
        for key in ring["keys"].as_array_mut().expect("keys") {
            if key["retired"].is_string() {
                key["retired"] = "2026-01-01T00:00:00Z".into();
            }
        }
        fs::write(&path, ring.to_string()).expect("written");
    }
}
