//! Where keys are, and what wraps them.

use std::{path::PathBuf, time::Duration};

use dbopt_policy::{Fault, FromValue, SecretRef, Shape, Table, Value};

use crate::{
    CommandService, CommandSource, EnvironmentSource, FileError, FileSource, Key, KeyError, KeyId, KeyProvider,
    KeySource, KeyringFile, LocalProvider, ServiceProvider, SourceError,
};

/// A key-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kek {
    /// Its name, which wrapped keys say.
    pub name: KeyId,
    /// Where it is.
    pub source: KekSource,
}

/// Where a key-encryption key is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KekSource {
    /// In a file that only its owner can use.
    File(PathBuf),
    /// In an environment variable.
    Environment(String),
    /// A program prints it.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// How long it may take.
        longest: Duration,
    },
    /// In a key service that a program talks to, see [`CommandService`].
    Service {
        /// The program and its arguments.
        command: Vec<String>,
        /// How long it may take.
        longest: Duration,
    },
}

impl Kek {
    /// What wraps and unwraps by this key.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn provider(&self) -> Result<Box<dyn KeyProvider>, SourceError> {
        let local = |source: &dyn KeySource| {
            let provider = LocalProvider::new(self.name.clone(), &source.load()?);
            Ok(Box::new(provider) as Box<dyn KeyProvider>)
        };
        match &self.source {
            KekSource::File(path) => local(&FileSource::new(path)),
            KekSource::Environment(name) => local(&EnvironmentSource::new(name)),
            KekSource::Command { command, longest } => {
                let (program, arguments) = split(command)?;
                local(&CommandSource::new(program, arguments).longest(*longest))
            }
            KekSource::Service { command, longest } => {
                let (program, arguments) = split(command)?;
                let service = CommandService::new(program, arguments).longest(*longest);
                Ok(Box::new(ServiceProvider::new(self.name.clone(), service)))
            }
        }
    }
}

fn split(command: &[String]) -> Result<(&String, &[String]), SourceError> {
    command.split_first().ok_or_else(|| SourceError::Other("a command without a program".to_owned()))
}

/// The current key and the previous ones.
pub(super) fn read(table: &Table<'_>) -> Option<Vec<Kek>> {
    let current = one(table);
    let previous = table.sections("previous", "One that wrapped keys before, and unwraps them still.", one);
    let keks: Vec<_> = current.into_iter().chain(previous).collect();
    for (at, kek) in keks.iter().enumerate() {
        if keks[..at].iter().any(|other| other.name == kek.name) {
            let fault = Fault::new("doubled-key", format!("two key-encryption keys have the name `{}`", kek.name));
            table.reject("previous", fault.help("Give each new key a new name, which wrapped keys find it by."));
        }
    }
    (!keks.is_empty()).then_some(keks)
}

fn one(table: &Table<'_>) -> Option<Kek> {
    let name: Option<KeyId> = table.required("name", "Its name, which each wrapped key says; a new key has a new one.");
    let key: Option<LocalKey> = table.optional("key", "The key: a file that only its owner can use, or a variable.");
    let command: Option<Command> =
        table.optional("command", "A program and its arguments, which prints the key; without a shell.");
    let service: Option<Command> = table.optional(
        "service",
        "A program and its arguments, which talks to a key service that the key never leaves; without a shell.",
    );
    let given = ["key", "command", "service"].into_iter().filter(|name| table.contains(name)).count();
    let longest: Option<Duration> = table.optional("longest", "How long the program may take; `10s` when not given.");
    let seconds = longest.unwrap_or(Duration::from_secs(10));
    if given != 1 {
        let message = if given == 0 { "the key-encryption key is nowhere" } else { "the key is in two places" };
        let help = "Write one of `key = \"file:/etc/dbopt/kek.key\"`, `command = [\"pass\", \"show\", \"kek\"]` and `service`.";
        table.reject("name", Fault::new("bad-value", message).help(help));
        return None;
    }
    if longest.is_some() && table.contains("key") {
        table.reject("longest", Fault::new("bad-value", "`longest` is for programs only"));
    }
    let source = match (key, command, service) {
        (Some(LocalKey(source)), ..) => source,
        (_, Some(Command(command)), _) => KekSource::Command { command, longest: seconds },
        (.., Some(Command(command))) => KekSource::Service { command, longest: seconds },
        _ => return None,
    };
    Some(Kek { name: name?, source })
}

/// The path of the key ring, which is looked at when secrets are.
pub(super) fn keyring(table: &Table<'_>) -> Option<PathBuf> {
    let path: KeyringPath =
        table.required("keyring", "The file of wrapped keys, which `dbopt keys` makes and changes.")?;
    if path.is_missing {
        let fault = Fault::new("missing-keys", "there is no such key ring yet");
        table.warn("keyring", fault.help("Run `dbopt keys new` for each purpose."));
    }
    Some(path.path)
}

struct KeyringPath {
    path: PathBuf,
    is_missing: bool,
}

impl FromValue for KeyringPath {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let path = PathBuf::from_value(value)?;
        let mut is_missing = false;
        if value.checks_secrets()
            && let Err(error) = KeyringFile::new(&path).read()
        {
            if !error.is_missing() {
                let is_open = matches!(error, FileError::Source(SourceError::Permissions { .. }));
                let code = if is_open { "open-keys" } else { "bad-keys" };
                let fault = Fault::new(code, error.to_string());
                value.reject(match error.hint() {
                    Some(hint) => fault.help(format!("{}.", sentence(&hint))),
                    None => fault,
                });
                return None;
            }
            is_missing = true;
        }
        Some(Self { path, is_missing })
    }

    fn shape() -> Shape {
        PathBuf::shape()
    }
}

/// A key that is read here. When secrets are looked up, its length and randomness are looked at.
struct LocalKey(KekSource);

impl FromValue for LocalKey {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let reference = SecretRef::from_value(value)?;
        if value.checks_secrets()
            && let Ok(secret) = reference.resolve()
            && let Err(error) = Key::parse(secret.expose())
        {
            let code = match error {
                KeyError::Short => "short-key",
                KeyError::Uniform => "weak-key",
                _ => "bad-key",
            };
            let help = "Make one with `head -c 32 /dev/urandom | base64`.";
            value.reject(Fault::new(code, error.to_string()).help(help));
            return None;
        }
        match reference {
            SecretRef::Env(name) => Some(Self(KekSource::Environment(name))),
            SecretRef::File(path) => Some(Self(KekSource::File(path))),
            _ => {
                value.reject(Fault::new("bad-secret", "a key is in a file or a variable"));
                None
            }
        }
    }

    fn shape() -> Shape {
        SecretRef::shape()
    }
}

/// A program and its arguments.
struct Command(Vec<String>);

impl FromValue for Command {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let command = Vec::<String>::from_value(value)?;
        let is_good = command.first().is_some_and(|program| !program.is_empty())
            && !command.iter().any(|argument| argument.contains('\0'));
        if !is_good {
            value.reject(Fault::new("bad-value", format!("`{}` names no program", value.path())));
        }
        is_good.then_some(Self(command))
    }

    fn shape() -> Shape {
        Vec::<String>::shape()
    }
}

impl FromValue for KeyId {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| Self::new(text).map_err(|error| Fault::new("bad-name", error.to_string())))
    }

    fn shape() -> Shape {
        Shape::Text {
            what: "a name of keys",
            pattern: Some("^[a-z0-9._-]{1,64}$"),
            examples: &["kek-2026", "customer"],
        }
    }
}

/// A hint as a sentence begins.
fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
