//! Makes and rotates keys. In earnest this is for `dbopt keys`, on a machine where it is allowed.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use dbopt_crypto::{KekSource, KeyId, KeyKind, Keyring, NewKey};
use jiff::Timestamp;

/// Makes the key-encryption key and the first key of each purpose.
pub(crate) fn init(path: &Path) -> anyhow::Result<()> {
    let policy = crate::policy(path, false)?;
    if let Some(KekSource::File(kek)) = policy.keks.first().map(|kek| &kek.source) {
        fs::create_dir_all(kek.parent().context("a file is in a folder")?)?;
        let mut bytes = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(kek);
        file.with_context(|| format!("cannot make `{}`", kek.display()))?.write_all(text.as_bytes())?;
    }
    let provider = policy.provider()?;
    let mut ring = Keyring::new(KeyId::new("shop")?);
    for key in &policy.keys {
        let new = NewKey::make(ring.place(key.purpose.clone(), key.kind), &provider)?;
        ring = ring.with_new(new, Timestamp::now())?;
    }
    policy.keyring_file().lock()?.create(&ring)?;
    Ok(())
}

/// Makes the next key of all that encrypts. Values under the old one open still, and are sealed anew when they are written.
pub(crate) fn rotate(path: &Path) -> anyhow::Result<()> {
    let policy = crate::policy(path, true)?;
    let (provider, file) = (policy.provider()?, policy.keyring_file().lock()?);
    let mut ring = file.read()?;
    for key in policy.keys.iter().filter(|key| key.kind != KeyKind::Index) {
        let new = NewKey::make(ring.place(key.purpose.clone(), key.kind), &provider)?;
        ring = ring.rotated(new, Timestamp::now())?;
    }
    file.replace(&ring)?;
    Ok(())
}
