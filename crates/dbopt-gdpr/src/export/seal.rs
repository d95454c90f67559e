//! Encryption of a package, in the format of the tool `age` (<https://age-encryption.org/v1>), which opens it without dbopt.

use std::{
    fmt,
    io::{self, Write},
};

use age::{Encryptor, Recipient, secrecy::SecretString, stream::StreamWriter, x25519};

/// For whom a package is sealed.
pub struct Lock(Inner);

enum Inner {
    Recipients(Vec<x25519::Recipient>),
    Passphrase(SecretString),
}

/// A text names no recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// A line is none. It is not shown: it may be a secret key that was taken for one.
    #[error("line {0} is no recipient of the form `age1…`")]
    Line(usize),
    /// There is none.
    #[error("no recipient is named")]
    None,
    /// Nothing is a passphrase that everybody knows.
    #[error("the passphrase is empty")]
    Empty,
}

impl Lock {
    /// For all recipients in a text: one a line, lines that begin with `#` left out.
    ///
    /// # Errors
    /// When a line is no recipient (`age1…`), or there is none.
    pub fn recipients(text: &str) -> Result<Self, RecipientError> {
        let lines =
            text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let one = |(at, line): (usize, &str)| line.parse().map_err(|_| RecipientError::Line(at + 1));
        let recipients = lines.map(one).collect::<Result<Vec<x25519::Recipient>, _>>()?;
        if recipients.is_empty() { Err(RecipientError::None) } else { Ok(Self(Inner::Recipients(recipients))) }
    }

    /// For whoever has a passphrase. Making the key of it takes about a second and up to 256 MiB, here and for whoever opens it.
    ///
    /// # Errors
    /// When it is empty.
    pub fn passphrase(text: &str) -> Result<Self, RecipientError> {
        if text.is_empty() {
            return Err(RecipientError::Empty);
        }
        Ok(Self(Inner::Passphrase(SecretString::from(text.to_owned()))))
    }

    /// Begins a sealed package.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn seal<W: Write>(&self, to: W) -> io::Result<Sealed<W>> {
        let encryptor = match &self.0 {
            Inner::Recipients(all) => {
                Encryptor::with_recipients(all.iter().map(|one| one as &dyn Recipient)).map_err(io::Error::other)?
            }
            Inner::Passphrase(text) => Encryptor::with_user_passphrase(text.clone()),
        };
        encryptor.wrap_output(to).map(Sealed)
    }
}

/// It shows nothing of a passphrase.
impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Inner::Recipients(_) => "Lock::Recipients",
            Inner::Passphrase(_) => "Lock::Passphrase",
        })
    }
}

/// A package that is being sealed.
#[must_use = "what is not finished does not open"]
pub struct Sealed<W: Write>(StreamWriter<W>);

impl<W: Write> Sealed<W> {
    /// Ends it and gives the writer back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> fmt::Debug for Sealed<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn sealed(lock: &Lock) -> Vec<u8> {
        let mut sealed = lock.seal(Vec::new()).expect("begun");
        sealed.write_all(b"hello").expect("written");
        sealed.finish().expect("ended")
    }

    fn opened(bytes: &[u8], identity: &dyn age::Identity) -> Option<String> {
        let decryptor = age::Decryptor::new(bytes).expect("age's format");
        let mut text = String::new();
        decryptor.decrypt(std::iter::once(identity)).ok()?.read_to_string(&mut text).expect("whole");
        Some(text)
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let (one, two, other) =
            (x25519::Identity::generate(), x25519::Identity::generate(), x25519::Identity::generate());
        let text = format!("# Ann\n{}\n\n{}\n", one.to_public(), two.to_public());
        let bytes = sealed(&Lock::recipients(&text).expect("recipients"));
        assert_eq!(opened(&bytes, &one).as_deref(), Some("hello"));
        assert_eq!(opened(&bytes, &two).as_deref(), Some("hello"));
        assert_eq!(opened(&bytes, &other), None);
    }

    #[test]
    fn a_passphrase_opens_it() {
        let bytes = sealed(&Lock::passphrase("correct horse").expect("a passphrase"));
        let right = age::scrypt::Identity::new(SecretString::from("correct horse".to_owned()));
        let wrong = age::scrypt::Identity::new(SecretString::from("battery".to_owned()));
        assert_eq!(opened(&bytes, &right).as_deref(), Some("hello"));
        assert_eq!(opened(&bytes, &wrong), None);
    }

    #[test]
    fn what_is_no_recipient_is_not_shown() {
        let secret = "AGE-SECRET-KEY-1QQPQQPQQPQ";
        let error = Lock::recipients(&format!("#\n{secret}")).expect_err("it is none");
        insta::assert_snapshot!(error, @"line 2 is no recipient of the form `age1…`");
        assert_eq!(Lock::recipients("# nobody\n").map(drop), Err(RecipientError::None));
        assert_eq!(Lock::passphrase("").map(drop), Err(RecipientError::Empty));
    }
}
