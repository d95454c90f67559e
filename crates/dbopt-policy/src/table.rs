//! A table of a policy, read key by key.
//!
//! Every read says what the key is for, so that the same few lines of a domain crate read a document, find its faults
//! and describe it to an editor. A read that fails leaves a finding and goes on; what nobody asked for is an unknown key.

use std::cell::RefCell;

use dbopt_finding::{Finding, Severity};

use crate::{
    fault::{Fault, shown},
    log::{Log, Origin},
    shape::{Field, Shape},
    suggest::suggest,
    tree::{Entries, Node, Value as Tree},
    value::{FromValue, Value},
};

/// What all readers of one document share.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) log: RefCell<Log>,
    /// Whether secret references are looked up.
    pub(crate) secrets: bool,
}

/// A table that is being read, or described.
#[derive(Debug)]
pub struct Table<'a> {
    context: &'a Context,
    /// The keys; none while the table is only described.
    entries: Option<&'a Entries>,
    /// Where the table begins.
    origin: Option<&'a Origin>,
    /// The keys that lead here, such as `locks.retry`; empty for the whole document.
    path: String,
    fields: RefCell<Vec<Field>>,
}

impl<'a> Table<'a> {
    /// Reads a key that must be there. `about` says in a sentence what it is for.
    ///
    /// None after a finding. Read all keys before giving up over a missing one, so that all faults are found.
    pub fn required<T: FromValue>(&self, key: &'static str, about: &'static str) -> Option<T> {
        self.field(key, about, true, T::shape());
        match self.node(key) {
            Some(node) => T::from_value(&self.value(key, node)),
            None => {
                self.missing(key, &T::shape());
                None
            }
        }
    }

    /// Reads a key that may be absent. None, too, after a finding.
    pub fn optional<T: FromValue>(&self, key: &'static str, about: &'static str) -> Option<T> {
        self.field(key, about, false, T::shape());
        T::from_value(&self.value(key, self.node(key)?))
    }

    /// Reads a key that has a default.
    pub fn or<T: FromValue>(&self, key: &'static str, about: &'static str, default: T) -> T {
        self.optional(key, about).unwrap_or(default)
    }

    /// Reads a key whose value is one of some names.
    pub fn choice<T: Clone>(&self, key: &'static str, about: &'static str, names: &[(&'static str, T)]) -> Option<T> {
        let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        self.field(key, about, false, Shape::OneOf(known));
        self.value(key, self.node(key)?).choice(names)
    }

    /// Reads a key that must be there and whose value is one of some names.
    pub fn required_choice<T: Clone>(
        &self,
        key: &'static str,
        about: &'static str,
        names: &[(&'static str, T)],
    ) -> Option<T> {
        let shape = Shape::OneOf(names.iter().map(|(name, _)| *name).collect());
        self.field(key, about, true, shape.clone());
        match self.node(key) {
            Some(node) => self.value(key, node).choice(names),
            None => {
                self.missing(key, &shape);
                None
            }
        }
    }

    /// Reads a table of its own, such as `[locks]`; an absent one is read as empty, so that defaults stand in one place.
    pub fn section<T>(&self, key: &'static str, about: &'static str, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let empty = Entries::new();
        let node = self.node(key);
        let entries = match node.map(|node| (node, &node.value)) {
            Some((_, Tree::Table(entries))) => Some(entries),
            Some((node, _)) => {
                self.value(key, node).wrong_type(&Shape::Table(Vec::new()));
                Some(&empty)
            }
            None => self.entries.map(|_| &empty),
        };
        let table = self.child(key, entries, node.map(|node| &node.origin));
        let value = read(&table);
        self.field(key, about, false, Shape::Table(table.finish()));
        value
    }

    /// Reads a table of its own that means something by being there. None when it is absent, or after a finding.
    pub fn optional_section<T>(
        &self,
        key: &'static str,
        about: &'static str,
        read: impl FnOnce(&Table<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.entries.is_some() && !self.contains(key) {
            self.field(key, about, false, Shape::Table(Vec::new()));
            return None;
        }
        self.section(key, about, read)
    }

    /// Reads a list of tables, such as `[[window]]`, in their order. Those for which `read` gives nothing are left out;
    /// it has left a finding about them.
    pub fn sections<T>(
        &self,
        key: &'static str,
        about: &'static str,
        mut read: impl FnMut(&Table<'_>) -> Option<T>,
    ) -> Vec<T> {
        let describing = self.child(key, None, None);
        if self.entries.is_none() {
            let _ = read(&describing);
        }
        let shape = Shape::List(Box::new(Shape::Table(describing.finish())));
        self.field(key, about, false, shape.clone());
        let Some(node) = self.node(key) else { return Vec::new() };
        let Tree::List(items) = &node.value else {
            let help = format!("Begin each with `[[{}]]`.", self.path_of(key));
            let fault = Fault::new(
                "wrong-type",
                format!("`{}` is {}, not a list of tables", self.path_of(key), node.value.what()),
            );
            let value = self.value(key, node);
            value.reject(fault.help(help));
            value.withhold();
            return Vec::new();
        };
        let mut values = Vec::new();
        for item in items {
            match &item.value {
                Tree::Table(entries) => {
                    let table = self.child(key, Some(entries), Some(&item.origin));
                    values.extend(read(&table));
                    table.finish();
                }
                _ => self.value(key, item).wrong_type(&Shape::Table(Vec::new())),
            }
        }
        values
    }

    /// Reads a table whose keys are names of the user's, each a table: `[class.batch]`. In the order of the names.
    pub fn named<T>(
        &self,
        key: &'static str,
        about: &'static str,
        read: impl Fn(&str, &Table<'_>) -> Option<T>,
    ) -> Vec<(String, T)> {
        let describing = self.child(key, None, None);
        if self.entries.is_none() {
            let _ = read("", &describing);
        }
        self.field(key, about, false, Shape::Map(Box::new(Shape::Table(describing.finish()))));
        let Some(node) = self.node(key) else { return Vec::new() };
        let Tree::Table(entries) = &node.value else {
            self.value(key, node).wrong_type(&Shape::Table(Vec::new()));
            return Vec::new();
        };
        let mut values = Vec::new();
        for (name, entry) in entries {
            match &entry.node.value {
                Tree::Table(entries) => {
                    let mut table = self.child(key, Some(entries), Some(&entry.key));
                    table.path = format!("{}.{}", self.path_of(key), shown(name));
                    values.extend(read(name, &table).map(|value| (name.clone(), value)));
                    table.finish();
                }
                _ => self.value(name, &entry.node).wrong_type(&Shape::Table(Vec::new())),
            }
        }
        values
    }

    /// Reports a fault of a key's value that only its neighbours show, at the key's value, or at the table when the key
    /// is absent.
    pub fn reject(&self, key: &str, fault: Fault) {
        self.say(key, fault.into());
    }

    /// Reports a choice that is valid and weak, as [`Self::reject`] reports a fault. The document can be used.
    pub fn warn(&self, key: &str, fault: Fault) {
        let mut finding = Finding::from(fault);
        finding.severity = Severity::Warning;
        self.say(key, finding);
    }

    fn say(&self, key: &str, finding: Finding) {
        let origin = self.node(key).map(|node| &node.origin).or(self.origin);
        if self.entries.is_some() {
            self.context.log.borrow_mut().push(origin, finding);
        }
    }

    /// Whether a key is there, read or not.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Whether secret references are to be looked up.
    #[must_use]
    pub fn checks_secrets(&self) -> bool {
        self.entries.is_some() && self.context.secrets
    }

    pub(crate) fn root(context: &'a Context, entries: Option<&'a Entries>, origin: Option<&'a Origin>) -> Self {
        Self { context, entries, origin, path: String::new(), fields: RefCell::default() }
    }

    /// Reports what nobody asked for, and gives the fields that were.
    pub(crate) fn finish(self) -> Vec<Field> {
        let fields = self.fields.take();
        for (name, entry) in self.entries.into_iter().flatten() {
            if fields.iter().any(|field| field.name == name) {
                continue;
            }
            let mut log = self.context.log.borrow_mut();
            log.withhold(&entry.node.origin);
            if log.is_under_broken_header(&entry.key) {
                continue;
            }
            let of = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let finding = Finding::error("unknown-key", format!("unknown key `{}`{of}", shown(name)));
            let known = || fields.iter().map(|field| field.name);
            let finding = match suggest(name, known()) {
                Some(meant) if !self.entries.is_some_and(|entries| entries.contains_key(meant)) => finding
                    .help(format!("Did you mean `{meant}`?"))
                    .fix(dbopt_finding::Span::new(entry.key.span.start, entry.key.span.end), meant),
                _ if fields.is_empty() => finding.help("Nothing is known here."),
                _ => finding.help(format!(
                    "Known here: {}.",
                    known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                )),
            };
            log.push_unread(&entry.key, finding);
        }
        fields
    }

    fn child<'b>(&'b self, key: &str, entries: Option<&'b Entries>, origin: Option<&'b Origin>) -> Table<'b> {
        Table {
            context: self.context,
            entries,
            origin: origin.or(self.origin),
            path: self.path_of(key),
            fields: RefCell::default(),
        }
    }

    fn node(&self, key: &str) -> Option<&'a Node> {
        self.entries?.get(key).map(|entry| &entry.node)
    }

    fn value<'b>(&self, key: &str, node: &'b Node) -> Value<'b>
    where
        'a: 'b,
    {
        Value::new(self.context, node, self.path_of(key))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { shown(key) } else { format!("{}.{}", self.path, shown(key)) }
    }

    fn field(&self, name: &'static str, about: &'static str, required: bool, shape: Shape) {
        self.fields.borrow_mut().push(Field { name, about, required, shape });
    }

    fn missing(&self, key: &'static str, shape: &Shape) {
        let mut log = self.context.log.borrow_mut();
        // What cannot be read as TOML may hold the key.
        if self.entries.is_none() || log.is_broken() {
            return;
        }
        let finding = Finding::error("missing-key", format!("`{}` is missing", self.path_of(key)));
        let help = shape.help().unwrap_or_else(|| format!("Write {}.", shape.what()));
        log.push(self.origin, finding.help(help));
    }
}
