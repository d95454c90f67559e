//! A key service that a program talks to.

use std::{ffi::OsString, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{KeyService, ServiceError, WrappedKey};
use crate::source::{Program, ProgramError};

/// A key service behind a program, so that any service with a client can be used without building it in.
///
/// The program is started without a shell, with one more argument, `encrypt` or `decrypt`. On its standard input it gets the
/// base64 of what to encrypt or decrypt, and it prints the base64 of the result; white space does not matter. What the key
/// belongs to is in the environment, as `DBOPT_KEY_KEYRING`, `DBOPT_KEY_PURPOSE`, `DBOPT_KEY_ALGORITHM` and
/// `DBOPT_KEY_NUMBER`, and must be bound to the result as the service's encryption context. Exit code 0 is success, 75
/// (`EX_TEMPFAIL` of `sysexits.h`) a failure that passes, 65 (`EX_DATAERR`) a result that it did not make, and any other a refusal.
///
/// For AWS KMS, about this:
///
/// ```sh
/// #!/bin/sh -eu
/// context="keyring=$DBOPT_KEY_KEYRING,purpose=$DBOPT_KEY_PURPOSE,number=$DBOPT_KEY_NUMBER"
/// case "$1" in
///     encrypt) base64 -d | aws kms encrypt --key-id alias/shop --plaintext fileb:///dev/stdin \
///         --encryption-context "$context" --query CiphertextBlob --output text ;;
///     decrypt) base64 -d | aws kms decrypt --key-id alias/shop --ciphertext-blob fileb:///dev/stdin \
///         --encryption-context "$context" --query Plaintext --output text ;;
/// esac
/// ```
#[derive(Clone, Debug)]
pub struct CommandService(Program);

impl CommandService {
    /// The program of this name or path, and its arguments. It may take ten seconds for each key.
    #[must_use]
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self(Program::new(program, arguments))
    }

    /// The same, with another time that it may take.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.0.longest = longest;
        self
    }

    fn ask(&self, what: &str, input: &[u8], context: &[(&str, String)]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let mut text = Zeroizing::new(STANDARD.encode(input));
        text.push('\n');
        let names: Vec<_> =
            context.iter().map(|(name, _)| format!("DBOPT_KEY_{}", name.to_ascii_uppercase())).collect();
        let environment: Vec<_> =
            names.iter().zip(context).map(|(name, (_, value))| (name.as_str(), value.as_str())).collect();
        let printed = self.0.run(&[what], &environment, text.as_bytes(), 2 * WrappedKey::MOST_BYTES);
        let mut printed = printed.map_err(|error| match error {
            ProgramError::Code(65) => ServiceError::Rejected,
            ProgramError::Code(75) | ProgramError::Slow(_) | ProgramError::Signal(_) => {
                ServiceError::Unavailable(format!("program `{}`: {error}", self.0.name()))
            }
            error => ServiceError::Refused(format!("program `{}`: {error}", self.0.name())),
        })?;
        printed.retain(|byte| !byte.is_ascii_whitespace());
        let no_base64 = || ServiceError::Refused(format!("program `{}` printed no base64", self.0.name()));
        STANDARD.decode(&*printed).map(Zeroizing::new).map_err(|_| no_base64())
    }
}

impl KeyService for CommandService {
    fn encrypt(&self, key: &[u8], context: &[(&str, String)]) -> Result<Vec<u8>, ServiceError> {
        self.ask("encrypt", key, context).map(|mut sealed| std::mem::take(&mut *sealed))
    }

    fn decrypt(&self, sealed: &[u8], context: &[(&str, String)]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        self.ask("decrypt", sealed, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataKey, KeyId, KeyProvider as _, ProviderError, ServiceProvider, provider::binding::tests::binding};

    /// A service that puts the context in front of the key, and compares it.
    const SCRIPT: &str = r#"
        context="$DBOPT_KEY_KEYRING/$DBOPT_KEY_PURPOSE/$DBOPT_KEY_ALGORITHM/$DBOPT_KEY_NUMBER"
        read -r text
        case "$1" in
            encrypt) { echo "$context"; echo "$text"; } | base64 ;;
            decrypt) both=$(echo "$text" | base64 -d)
                [ "$context" = "$(echo "$both" | head -n 1)" ] || exit 65
                echo "$both" | tail -n 1 ;;
        esac"#;

    fn provider(script: &str) -> ServiceProvider<CommandService> {
        let id = KeyId::new("kms-1").expect("a name");
        ServiceProvider::new(id, CommandService::new("sh", ["-euc", script, "service"]))
    }

    #[test]
    fn a_program_wraps_and_unwraps() {
        let provider = provider(SCRIPT);
        let key = DataKey::random().expect("a key");
        let wrapped = provider.wrap(&binding(1), &key).expect("wrapped");
        assert_eq!(provider.unwrap(&binding(1), &wrapped).expect("unwrapped").bytes(), key.bytes());
        assert!(matches!(provider.unwrap(&binding(2), &wrapped), Err(ProviderError::Rejected(_))));
    }

    #[test]
    fn failures_are_told_apart() {
        let key = DataKey::random().expect("a key");
        let error = |script: &str| provider(script).wrap(&binding(1), &key).expect_err("no key").to_string();
        assert_eq!(
            error("exit 75"),
            "key service `kms-1` gave no key: it cannot be reached: program `sh`: it ended with exit code 75"
        );
        assert_eq!(
            error("echo hunter2; exit 1"),
            "key service `kms-1` gave no key: it refuses: program `sh`: it ended with exit code 1"
        );
        assert_eq!(
            error("echo hunter2!"),
            "key service `kms-1` gave no key: it refuses: program `sh` printed no base64"
        );
    }
}
