//! Files of a policy: read with a bound, decoded, and joined by their includes.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use dbopt_finding::Finding;

use crate::{
    fault::shown,
    log::{Log, Origin, Source},
    syntax,
    tree::{Entries, Node, Value},
};

/// Most bytes of a document and all that it includes: 10 MB, counted as PostgreSQL counts, 1 MB = 1024 × 1024.
pub const MOST_BYTES: u64 = 10 * 1024 * 1024;
/// How deep includes may be nested.
const DEEPEST: usize = 8;
/// Most files of one document.
const MOST_FILES: usize = 100;
/// Keys that every file of a document may repeat, and its own business.
pub(crate) const HEADER: [&str; 3] = ["policy", "version", "include"];

/// Reads the files of one document into one tree.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) log: Log,
    /// Every file that was read or asked for, for watching.
    pub(crate) files: Vec<PathBuf>,
    /// Whether the first file could not be read at all.
    pub(crate) unreadable: bool,
    bytes: u64,
    /// The files that are being read, each included by the one before: canonical path, and name for people.
    chain: Vec<(PathBuf, String)>,
    done: Vec<PathBuf>,
}

impl Reader {
    /// The tree of a file and of all it includes.
    pub(crate) fn file(&mut self, path: &Path) -> Entries {
        let name = path.display().to_string();
        let Ok(canonical) = self.canonical(path, None, &name) else {
            self.unreadable = true;
            return Entries::new();
        };
        let entries = self.read(path, canonical, name, None);
        self.unreadable = entries.is_none();
        entries.unwrap_or_default()
    }

    /// The tree of a text that is no file.
    pub(crate) fn text(&mut self, bytes: &[u8], name: &str) -> Entries {
        if bytes.len() as u64 > MOST_BYTES {
            self.log.sources.push(Source {
                name: name.to_owned(),
                text: String::new(),
                folder: None,
                included_at: None,
            });
            self.log.push(Some(&Origin { file: 0, span: 0..0 }), too_large());
            return Entries::new();
        }
        let mut entries = self.decoded(bytes.to_vec(), name.to_owned(), None, None);
        if let Some(entry) = entries.remove("include") {
            let finding = Finding::error("bad-include", "only a file can include others");
            self.log.push(Some(&entry.key), finding.help("Write the policy to a file and name that."));
        }
        entries
    }

    fn read(&mut self, path: &Path, canonical: PathBuf, name: String, at: Option<&Origin>) -> Option<Entries> {
        let bytes = match self.bytes(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.unread(at, &name, too_large());
                // It was read, and is bad: an input to mend, not one that is missing.
                return Some(Entries::new());
            }
            Err(error) => {
                self.unread(at, &name, unreadable(&name, &error));
                return None;
            }
        };
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut entries = self.decoded(bytes, name.clone(), Some(folder.clone()), at.cloned());
        self.chain.push((canonical, name));
        for item in self.includes(&mut entries) {
            if let Some(included) = self.include(&folder, &item) {
                merge(&mut entries, included, "", &mut self.log);
            }
        }
        self.done.extend(self.chain.pop().map(|(canonical, _)| canonical));
        Some(entries)
    }

    /// The items of `include`, which is taken out.
    fn includes(&mut self, entries: &mut Entries) -> Vec<(String, Origin)> {
        let Some(entry) = entries.remove("include") else { return Vec::new() };
        let bad = |log: &mut Log, origin: &Origin| {
            let finding = Finding::error("wrong-type", "`include` is not a list of files");
            log.push(Some(origin), finding.help("Write a list such as `include = [\"base.toml\"]`."));
        };
        let Value::List(items) = entry.node.value else {
            bad(&mut self.log, &entry.node.origin);
            return Vec::new();
        };
        let mut names = Vec::new();
        for item in items {
            match item {
                Node { value: Value::Text(name), origin } if !name.contains('\0') => names.push((name, origin)),
                Node { origin, .. } => bad(&mut self.log, &origin),
            }
        }
        names
    }

    fn include(&mut self, folder: &Path, (written, at): &(String, Origin)) -> Option<Entries> {
        let path = folder.join(written);
        let name = path.display().to_string();
        let canonical = self.canonical(&path, Some(at), &name).ok()?;
        // A link to a policy is one, as mounted ConfigMaps are; a link to something else is not.
        if canonical.extension().is_none_or(|extension| extension != "toml") {
            let finding = Finding::error("bad-include", format!("`{}` is no file of TOML", shown(&name)));
            self.log.set_incomplete();
            self.log.push(Some(at), finding.help("Include files whose names end in `.toml`; no other file is opened."));
            return None;
        }
        if let Some(from) = self.chain.iter().position(|(open, _)| *open == canonical) {
            let chain: Vec<_> =
                self.chain[from..].iter().map(|(_, name)| name.as_str()).chain([name.as_str()]).collect();
            let finding =
                Finding::error("cyclic-include", format!("files include each other: `{}`", chain.join("` → `")));
            self.log.push(Some(at), finding.help("Take one of these includes out."));
            return None;
        }
        if self.done.contains(&canonical) {
            return None;
        }
        if self.chain.len() > DEEPEST || self.log.sources.len() >= MOST_FILES {
            let message = format!("includes are more than {DEEPEST} deep or {MOST_FILES} files");
            self.log.push(Some(at), Finding::error("too-many-includes", message));
            return None;
        }
        self.read(&path, canonical, name, Some(at))
    }

    fn canonical(&mut self, path: &Path, at: Option<&Origin>, name: &str) -> Result<PathBuf, ()> {
        self.files.push(path.to_path_buf());
        path.canonicalize().map_err(|error| self.unread(at, name, unreadable(name, &error)))
    }

    /// Reports that a file was not read: at its include, or at the file itself when it is the first.
    fn unread(&mut self, at: Option<&Origin>, name: &str, finding: Finding) {
        self.log.set_incomplete();
        match at {
            Some(at) => self
                .log
                .push(Some(at), Finding { message: format!("{}: `{}`", finding.message, shown(name)), ..finding }),
            None => {
                self.log.sources.push(Source {
                    name: name.to_owned(),
                    text: String::new(),
                    folder: None,
                    included_at: None,
                });
                let file = self.log.sources.len() - 1;
                self.log.push(Some(&Origin { file, span: 0..0 }), finding);
            }
        }
    }

    /// The bytes of a file, or none when there are too many.
    fn bytes(&mut self, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
        // A pipe or a device is not opened, because that may wait for ever.
        if !path.metadata()?.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a file"));
        }
        let left = MOST_BYTES.saturating_sub(self.bytes);
        let mut bytes = Vec::new();
        let read = File::open(path)?.take(left + 1).read_to_end(&mut bytes)?;
        self.bytes += read as u64;
        Ok((read as u64 <= left).then_some(bytes))
    }

    /// Adds a source, and gives its tree.
    fn decoded(
        &mut self,
        bytes: Vec<u8>,
        name: String,
        folder: Option<PathBuf>,
        included_at: Option<Origin>,
    ) -> Entries {
        let file = self.log.sources.len();
        let (text, fault) = decode(bytes);
        self.log.sources.push(Source { name, text, folder, included_at });
        match fault {
            Some(at) => {
                let finding = Finding::error("bad-encoding", "the file is not UTF-8").help("Save it as UTF-8.");
                self.log.push_syntax(&Origin { file, span: at..at }, finding);
                Entries::new()
            }
            None => syntax::parse(file, &mut self.log),
        }
    }
}

/// The text without its byte order mark, and the offset of the first byte that is not UTF-8.
fn decode(bytes: Vec<u8>) -> (String, Option<usize>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text), None),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(at))
        }
    }
}

/// Adds the keys of an included file. Tables are joined key by key; anything else that is there twice is a finding.
fn merge(into: &mut Entries, from: Entries, path: &str, log: &mut Log) {
    for (name, entry) in from {
        let header = path.is_empty() && HEADER.contains(&name.as_str());
        let path = if path.is_empty() { shown(&name) } else { format!("{path}.{}", shown(&name)) };
        match into.get_mut(&name) {
            None => {
                into.insert(name, entry);
            }
            Some(own) => match (&mut own.node.value, entry.node.value) {
                (Value::Table(own), Value::Table(other)) => merge(own, other, &path, log),
                (Value::Text(one), Value::Text(other)) if header && *one == other => {}
                (Value::Integer(one), Value::Integer(other)) if header && *one == other => {}
                _ => {
                    // The other value is read by nobody.
                    log.withhold(&own.node.origin);
                    log.withhold(&entry.node.origin);
                    let finding = Finding::error("duplicate-key", format!("`{path}` is defined twice: here and at"));
                    let help = "Keep one of the two; an include adds keys and replaces none.";
                    log.push_two(&own.key, &entry.key, finding.help(help));
                }
            },
        }
    }
}

fn unreadable(name: &str, error: &std::io::Error) -> Finding {
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    let finding = Finding::error("unreadable-file", format!("could not read the file: {message}"));
    if name.contains('~') { finding.help("`~` is not a folder here; write the whole path.") } else { finding }
}

fn too_large() -> Finding {
    let message = format!("the policy is larger than {} MB", MOST_BYTES / 1024 / 1024);
    Finding::error("policy-too-large", message).help("This is hardly a policy; is it the right file?")
}
