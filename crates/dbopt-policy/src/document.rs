//! A document of a kind: loaded from a file or a text, or refused with all its findings.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use dbopt_finding::{Finding, Severity};

use crate::{
    fault::shown,
    files::{HEADER, Reader},
    log::{Log, Origin},
    shape::{Field, one_of},
    suggest::suggest,
    table::{Context, Table},
    tree::{Entries, Value},
};

/// A type of policy document. A domain crate implements it for its validated settings.
///
/// ```
/// use std::time::Duration;
/// use dbopt_policy::{Policy, Table};
///
/// struct Probe { target: String, timeout: Duration }
///
/// impl Policy for Probe {
///     const KIND: &'static str = "probe";
///     const ABOUT: &'static str = "How a server is probed.";
///
///     fn read(table: &Table<'_>) -> Option<Self> {
///         let target = table.required("target", "What is probed.");
///         let timeout = table.or("timeout", "How long an answer may take.", Duration::from_secs(2));
///         Some(Self { target: target?, timeout })
///     }
/// }
///
/// let loaded = dbopt_policy::parse::<Probe>("policy = 'probe'\nversion = 1\ntarget = 'db1'", "probe.toml").unwrap();
/// assert_eq!(loaded.policy.timeout, Duration::from_secs(2));
/// let refused = dbopt_policy::parse::<Probe>("policy = 'probe'\nversion = 1\ntimeuot = '2s'", "probe.toml");
/// assert_eq!(refused.err().map(|refused| refused.findings.len()), Some(2));
/// ```
pub trait Policy: Sized {
    /// The kind's name, as in `policy = "run"`.
    const KIND: &'static str;
    /// What it decides, one sentence.
    const ABOUT: &'static str;
    /// The version that is read, as in `version = 1`.
    const VERSION: u32 = 1;

    /// Reads the whole table: all keys first, so that every fault is found, and none after a finding. Besides, this is
    /// run over a table without keys to describe the document; then every optional read gives none.
    fn read(table: &Table<'_>) -> Option<Self>;
}

/// How documents are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether references to secrets are looked up. A machine that only checks policies has no secrets.
    pub secrets: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { secrets: true }
    }
}

/// A document that can be used.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub policy: T,
    /// What is worth saying about it; no errors.
    pub findings: Vec<Finding>,
    /// The file and its includes.
    pub files: Vec<PathBuf>,
}

/// A document that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", summary(findings))]
pub struct Refused {
    /// Why, at least one error.
    pub findings: Vec<Finding>,
    /// The file and its includes, as far as they are known.
    pub files: Vec<PathBuf>,
    /// Whether the file itself could not be opened or read.
    pub unreadable: bool,
}

/// The first error with its place, and how many there are besides.
fn summary(findings: &[Finding]) -> String {
    let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let Some(first) = errors.next() else { return "the policy cannot be used".to_owned() };
    match errors.count() {
        0 => first.to_string(),
        more => format!("{first} (and {more} more)"),
    }
}

/// Loads a document, its includes and looks up its secrets.
///
/// # Errors
///
/// With all findings when there is any error.
pub fn load<T: Policy>(path: impl AsRef<Path>) -> Result<Loaded<T>, Refused> {
    load_with(path, Options::default())
}

/// Loads a document and its includes.
///
/// # Errors
///
/// With all findings when there is any error.
pub fn load_with<T: Policy>(path: impl AsRef<Path>, options: Options) -> Result<Loaded<T>, Refused> {
    let mut reader = Reader::default();
    let entries = reader.file(path.as_ref());
    read(reader, entries, options)
}

/// Reads a document from a text. It touches no file and no environment: the text cannot include others, and secrets
/// are not looked up. `name` stands for the file in findings.
///
/// # Errors
///
/// With all findings when there is any error.
pub fn parse<T: Policy>(text: impl AsRef<[u8]>, name: &str) -> Result<Loaded<T>, Refused> {
    let mut reader = Reader::default();
    let entries = reader.text(text.as_ref(), name);
    read(reader, entries, Options { secrets: false })
}

/// A kind of document, when the type itself is of no interest.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it decides.
    pub about: &'static str,
    /// The version that is read.
    pub version: u32,
    /// Reads a table, and says whether it gave settings.
    read: fn(&Table<'_>) -> bool,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Kind {
    /// The kind of a type.
    #[must_use]
    pub const fn of<T: Policy>() -> Self {
        Self { name: T::KIND, about: T::ABOUT, version: T::VERSION, read: |table| T::read(table).is_some() }
    }

    /// The keys of such a document, besides its header.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let context = Context::default();
        let table = Table::root(&context, None, None);
        (self.read)(&table);
        table.finish()
    }
}

/// What checking a document found.
#[derive(Debug)]
pub struct Checked {
    /// All findings; empty when there is nothing to say.
    pub findings: Vec<Finding>,
    /// Which kind it is, when that is known.
    pub kind: Option<&'static str>,
    /// Whether the file itself could not be opened or read.
    pub unreadable: bool,
}

/// Checks a file that may be of any of some kinds.
#[must_use]
pub fn check(path: &Path, kinds: &[Kind], options: Options) -> Checked {
    let mut reader = Reader::default();
    let entries = reader.file(path);
    check_entries(reader, entries, kinds, options)
}

/// Checks a text that may be of any of some kinds, as [`parse`] does.
#[must_use]
pub fn check_text(text: &[u8], name: &str, kinds: &[Kind]) -> Checked {
    let mut reader = Reader::default();
    let entries = reader.text(text, name);
    check_entries(reader, entries, kinds, Options { secrets: false })
}

fn check_entries(reader: Reader, entries: Entries, kinds: &[Kind], options: Options) -> Checked {
    let unreadable = reader.unreadable;
    let (_, kind, log, _) = read_as(reader, entries, kinds, options, |kind, table| (kind.read)(table).then_some(()));
    Checked { findings: log.finish(), kind: kind.map(|kind| kind.name), unreadable }
}

fn read<T: Policy>(reader: Reader, entries: Entries, options: Options) -> Result<Loaded<T>, Refused> {
    let unreadable = reader.unreadable;
    let (policy, _, log, files) = read_as(reader, entries, &[Kind::of::<T>()], options, |_, table| T::read(table));
    match policy {
        Some(policy) if !log.has_errors() => Ok(Loaded { policy, findings: log.finish(), files }),
        _ => Err(Refused { findings: log.finish(), files, unreadable }),
    }
}

/// Reads the header, and the rest as the kind it names.
fn read_as<T>(
    reader: Reader,
    mut entries: Entries,
    kinds: &[Kind],
    options: Options,
    read: impl FnOnce(&Kind, &Table<'_>) -> Option<T>,
) -> (Option<T>, Option<Kind>, Log, Vec<PathBuf>) {
    let Reader { mut log, files, unreadable, .. } = reader;
    let whole = Origin { file: 0, span: 0..0 };
    // A file of which nothing can be read has no kind to be missed.
    if unreadable || (entries.is_empty() && log.has_errors()) {
        return (None, None, log, files);
    }
    let kind = kind(&mut entries, kinds, &whole, &mut log);
    for name in HEADER {
        entries.remove(name);
    }
    let Some(kind) = kind else { return (None, None, log, files) };
    let context = Context { log: RefCell::new(log), secrets: options.secrets };
    let table = Table::root(&context, Some(&entries), Some(&whole));
    let value = read(&kind, &table);
    table.finish();
    let mut log = context.log.into_inner();
    if value.is_none() && !log.has_errors() {
        log.push(Some(&whole), Finding::error("bad-policy", format!("this is no usable `{}` policy", kind.name)));
    }
    (value, Some(kind), log, files)
}

/// The kind that the header names, if it is one that can be read.
fn kind(entries: &mut Entries, kinds: &[Kind], whole: &Origin, log: &mut Log) -> Option<Kind> {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
    let known = || format!("Write `policy = \"KIND\"`, where KIND is {}.", one_of(&names));
    let kind = match entries.get("policy").map(|entry| (&entry.node.value, &entry.node.origin)) {
        Some((Value::Text(name), origin)) => match kinds.iter().find(|kind| kind.name == name) {
            Some(kind) => Some(*kind),
            None if let [only] = kinds => {
                let message =
                    format!("this is a policy of kind `{}`, and one of kind `{}` is needed", shown(name), only.name);
                let finding = Finding::error("unknown-kind", message);
                let meant = suggest(name, [only.name]).map(|meant| format!("Did you mean `{meant}`?"));
                log.push(Some(origin), Finding { help: meant, ..finding });
                return None;
            }
            None => {
                let finding = Finding::error("unknown-kind", format!("there is no policy `{}` here", shown(name)));
                let help = suggest(name, names.iter().copied());
                log.push(
                    Some(origin),
                    finding.help(help.map_or_else(known, |meant| format!("Did you mean `{meant}`?"))),
                );
                return None;
            }
        },
        Some((value, origin)) => {
            let finding = Finding::error("wrong-type", format!("`policy` is {}, not the name of a kind", value.what()));
            log.push(Some(origin), finding.help(known()));
            None
        }
        None => {
            if !log.is_broken() {
                let finding = Finding::error("missing-key", "`policy` is missing");
                log.push(Some(whole), finding.help(known()));
            }
            None
        }
    };
    // With one kind to be, the rest of the document is worth reading all the same.
    let kind = kind.or(match kinds {
        [only] => Some(*only),
        _ => None,
    })?;
    let right = format!("Write `version = {}`.", kind.version);
    match entries.get("version").map(|entry| (&entry.node.value, &entry.node.origin)) {
        Some((Value::Integer(version), _)) if *version == i64::from(kind.version) => {}
        Some((Value::Integer(version), origin)) => {
            let finding =
                Finding::error("unknown-version", format!("version {version} of `{}` is not known", kind.name));
            log.push(Some(origin), finding.help(format!("This dbopt reads version {}.", kind.version)));
        }
        Some((value, origin)) => {
            let finding = Finding::error("wrong-type", format!("`version` is {}, not a whole number", value.what()));
            log.push(Some(origin), finding.help(right));
        }
        None if log.is_broken() => {}
        None => log.push(Some(whole), Finding::error("missing-key", "`version` is missing").help(right)),
    }
    Some(kind)
}
