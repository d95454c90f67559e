//! One value of a policy, read into a type.

use std::{collections::BTreeMap, num, path::PathBuf};

use dbopt_finding::Finding;

use crate::{
    fault::{Fault, shown},
    log::Source,
    shape::{Shape, one_of},
    suggest::suggest,
    table::Context,
    tree::{Node, Value as Tree},
};

/// A type that a value of a policy can be read into.
pub trait FromValue: Sized {
    /// Reads the value; none after a finding.
    fn from_value(value: &Value<'_>) -> Option<Self>;

    /// What the value may be.
    fn shape() -> Shape;
}

/// A value that is being read.
#[derive(Debug)]
pub struct Value<'a> {
    context: &'a Context,
    node: &'a Node,
    path: String,
}

impl<'a> Value<'a> {
    pub(crate) fn new(context: &'a Context, node: &'a Node, path: String) -> Self {
        Self { context, node, path }
    }

    /// The string it is, or a finding that names the shape which it should have.
    pub fn text(&self, shape: &Shape) -> Option<&'a str> {
        match &self.node.value {
            Tree::Text(text) => Some(text),
            _ => {
                self.wrong_type(shape);
                None
            }
        }
    }

    /// The string it is, parsed.
    pub fn parsed<T>(&self, shape: &Shape, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        parse(self.text(shape)?).map_err(|fault| self.reject(fault)).ok()
    }

    /// The value behind a name.
    pub fn choice<T: Clone>(&self, names: &[(&'static str, T)]) -> Option<T> {
        let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        let text = self.text(&Shape::OneOf(known.clone()))?;
        let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone());
        if found.is_none() {
            let fault = Fault::new("bad-value", format!("`{}` cannot be `{}`", self.path, shown(text)));
            self.reject(fault.help(match suggest(text, known.iter().copied()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => format!("Write {}.", one_of(&known)),
            }));
        }
        found
    }

    /// The whole number it is, when it lies in a range.
    pub fn integer(&self, min: i64, max: i64) -> Option<i64> {
        match self.node.value {
            Tree::Integer(integer) if (min..=max).contains(&integer) => Some(integer),
            Tree::Integer(integer) => {
                let message = format!("`{}` cannot be {integer}", self.path);
                let help = if max == i64::MAX {
                    format!("It is at least {min}.")
                } else {
                    format!("It is from {min} to {max}.")
                };
                self.reject(Fault::new("out-of-range", message).help(help));
                None
            }
            _ => {
                self.wrong_type(&Shape::Integer { min, max });
                None
            }
        }
    }

    /// Its items, when it is a list.
    pub fn items(&self, shape: &Shape) -> Option<Vec<Value<'a>>> {
        match &self.node.value {
            Tree::List(items) => {
                let item = |(at, node)| Self::new(self.context, node, format!("{}[{at}]", self.path));
                Some(items.iter().enumerate().map(item).collect())
            }
            _ => {
                self.wrong_type(shape);
                None
            }
        }
    }

    /// Reports a fault at this value.
    pub fn reject(&self, fault: Fault) {
        self.context.log.borrow_mut().push(Some(&self.node.origin), fault.into());
    }

    /// Reports that this value has another type than the shape.
    pub fn wrong_type(&self, shape: &Shape) {
        let message = format!("`{}` is {}, not {}", self.path, self.node.value.what(), shape.what());
        let finding = Finding::error("wrong-type", message);
        let finding = match shape.help() {
            Some(help) => finding.help(help),
            None => finding,
        };
        self.context.log.borrow_mut().push(Some(&self.node.origin), finding);
        // A number is no secret; any other may have one in it that belongs elsewhere.
        if matches!(self.node.value, Tree::Text(_) | Tree::List(_) | Tree::Table(_)) {
            self.withhold();
        }
    }

    /// Keeps this value's source lines out of all findings: for what should be a reference to a secret and may be the secret.
    pub fn withhold(&self) {
        self.context.log.borrow_mut().withhold(&self.node.origin);
    }

    /// The keys that lead here.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The folder that a relative path in this value starts from; none for a text that is no file.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let folder = |source: &Source| source.folder.clone();
        folder(&self.context.log.borrow().sources[self.node.origin.file])
    }

    /// Whether secret references are to be looked up.
    #[must_use]
    pub fn checks_secrets(&self) -> bool {
        self.context.secrets
    }
}

impl FromValue for bool {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value.node.value {
            Tree::Boolean(boolean) => Some(boolean),
            _ => {
                value.wrong_type(&Self::shape());
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Boolean
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value.node.value {
            Tree::Float(float) if float.is_finite() => Some(float),
            Tree::Float(_) => {
                value.reject(Fault::new("out-of-range", format!("`{}` is not a finite number", value.path)));
                None
            }
            // Whole numbers of a policy are far below 2^53.
            Tree::Integer(integer) => Some(integer as f64),
            _ => {
                value.wrong_type(&Self::shape());
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Number
    }
}

impl FromValue for String {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.text(&Self::shape()).map(str::to_owned)
    }

    fn shape() -> Shape {
        Shape::Text { what: "a string", pattern: None, examples: &[] }
    }
}

/// A path, relative to the file that names it.
impl FromValue for PathBuf {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let text = value.text(&Self::shape())?;
        if text.is_empty() || text.contains('\0') {
            value.reject(Fault::new("bad-path", format!("`{}` is no path of a file", value.path)));
            return None;
        }
        Some(value.folder().map_or_else(|| Self::from(text), |folder| folder.join(text)))
    }

    fn shape() -> Shape {
        Shape::Text { what: "a path", pattern: None, examples: &["state/head.json"] }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let items = value.items(&Self::shape())?;
        let length = items.len();
        let read: Self = items.iter().filter_map(T::from_value).collect();
        (read.len() == length).then_some(read)
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let Tree::Table(entries) = &value.node.value else {
            value.wrong_type(&Self::shape());
            return None;
        };
        let read: Self = entries
            .iter()
            .filter_map(|(name, entry)| {
                let inner = Value::new(value.context, &entry.node, format!("{}.{}", value.path, shown(name)));
                Some((name.clone(), T::from_value(&inner)?))
            })
            .collect();
        (read.len() == entries.len()).then_some(read)
    }

    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }
}

/// Whole numbers by the range of their type, as far as TOML's 64 signed bits reach.
macro_rules! integers {
    ($($type:ty: $min:expr;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value<'_>) -> Option<Self> {
                let max = i64::try_from(<$type>::MAX).unwrap_or(i64::MAX);
                Self::try_from(value.integer($min, max)?).ok()
            }

            fn shape() -> Shape {
                Shape::Integer { min: $min, max: i64::try_from(<$type>::MAX).unwrap_or(i64::MAX) }
            }
        }
    )*};
}

integers! {
    u8: 0;
    u16: 0;
    u32: 0;
    u64: 0;
    usize: 0;
    i32: i32::MIN.into();
    i64: i64::MIN;
}

impl FromValue for num::NonZeroU32 {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        Self::new(u32::try_from(value.integer(1, u32::MAX.into())?).ok()?)
    }

    fn shape() -> Shape {
        Shape::Integer { min: 1, max: u32::MAX.into() }
    }
}

impl FromValue for num::NonZeroU64 {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        Self::new(u64::try_from(value.integer(1, i64::MAX)?).ok()?)
    }

    fn shape() -> Shape {
        Shape::Integer { min: 1, max: i64::MAX }
    }
}
