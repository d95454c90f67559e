//! What a value may be: the one description behind wrong-type messages and the JSON Schema.

/// The shape of a value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// `true` or `false`.
    Boolean,
    /// A whole number in a range.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number.
    Number,
    /// A string.
    Text {
        /// What it is, with its article: `a duration`.
        what: &'static str,
        /// A regular expression of what it looks like, when one says it.
        pattern: Option<&'static str>,
        /// Some that are right.
        examples: &'static [&'static str],
    },
    /// One of some names.
    OneOf(Vec<&'static str>),
    /// A list.
    List(Box<Shape>),
    /// A table whose keys are known.
    Table(Vec<Field>),
    /// A table whose keys are names of the user's.
    Map(Box<Shape>),
}

impl Shape {
    /// What it is in words, such as `a duration`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Boolean => "`true` or `false`",
            Self::Integer { .. } => "a whole number",
            Self::Number => "a number",
            Self::Text { what, .. } => what,
            Self::OneOf(_) => "a name",
            Self::List(_) => "a list",
            Self::Table(_) | Self::Map(_) => "a table",
        }
    }

    /// A sentence that says how to write it, when there is more to say.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Text { what, examples, .. } if !examples.is_empty() => {
                let examples: Vec<_> = examples.iter().map(|example| format!("`\"{example}\"`")).collect();
                Some(format!("Write {what} such as {}.", examples.join(" or ")))
            }
            Self::OneOf(names) => Some(format!("Write {}.", one_of(names))),
            Self::List(of) => Some(format!("Write a list of which each item is {}.", of.what())),
            _ => None,
        }
    }
}

/// One key of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it is for, one sentence.
    pub about: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it may be.
    pub shape: Shape,
}

/// Names as `` `a`, `b` or `c` ``.
pub(crate) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
