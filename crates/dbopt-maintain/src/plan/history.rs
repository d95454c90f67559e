//! How long a piece of work will take, by what took how long before.
//!
//! What the same object took is the best guide; then what others of its kind took on this server, by size. Without either
//! it is a guess by size, at rates of a plain machine, and said to be one.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::work::{Size, Work};

/// What ran before, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What was done and took some time.
    pub done: Vec<Done>,
    /// What was last tried of retention and not done: kind, schema and name of the object.
    pub undone: BTreeSet<(String, String, String)>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What, as in [`Work::kind`].
    pub kind: String,
    /// Schema of the object.
    pub schema: String,
    /// Name of the object.
    pub object: String,
    /// Bytes of its table at the beginning.
    pub table_bytes: i64,
    /// How long it took.
    pub seconds: f64,
    /// When it was over, in microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// What a prediction is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// What the same took before.
    History,
    /// What the like took on this server.
    Rate,
    /// Nothing but size.
    Guess,
}

impl Prediction {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Rate => "rate",
            Self::Guess => "guess",
        }
    }
}

/// A predicted duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// Seconds.
    pub seconds: f64,
    /// What that is known from.
    pub from: Prediction,
}

/// How many of the newest count.
const NEWEST: usize = 5;

impl History {
    /// Predicts how long a piece of work takes.
    pub(super) fn predict(&self, work: &Work, size: &Size) -> Option<Predicted> {
        let (schema, object) = work.names();
        let is_like = |done: &&Done| done.kind == work.kind() && done.table_bytes > 0 && done.seconds > 0.0;
        let is_same = |done: &&Done| done.schema == schema && done.object == object;
        let scaled = |done: &Done| match size.table_bytes {
            0 => None,
            bytes => Some(done.seconds * (bytes as f64 / done.table_bytes as f64)),
        };
        let newest = |same: bool| {
            let like = self.done.iter().filter(is_like).filter(|done| !same || is_same(done));
            median(like.take(NEWEST).filter_map(scaled).collect())
        };
        let known = newest(true).map(|seconds| (seconds, Prediction::History));
        let known = known.or_else(|| newest(false).map(|seconds| (seconds, Prediction::Rate)));
        let known = known.or_else(|| size.guess(work).map(|seconds| (seconds, Prediction::Guess)));
        known.map(|(seconds, from)| Predicted { seconds, from })
    }

    /// When an object was last worked on, by kind and names.
    pub(super) fn last(&self, kind: &str, schema: &str, object: &str) -> Option<i64> {
        let is = |done: &&Done| done.kind == kind && done.schema == schema && done.object == object;
        self.done.iter().filter(is).map(|done| done.at).max()
    }

    /// Whether a piece of retention was last tried without success, so that nothing else can rely on it.
    pub(super) fn is_undone(&self, work: &Work) -> bool {
        let (schema, object) = work.names();
        self.undone.contains(&(work.kind().to_owned(), schema.to_owned(), object.to_owned()))
    }

    /// How many of each kind are known.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for done in &self.done {
            *counts.entry(done.kind.as_str()).or_insert(0) += 1;
        }
        counts
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
