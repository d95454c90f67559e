//! What was guessed for a first policy, as it leaves the program: names, numbers and shares, never a value of a row.

use dbopt_gdpr::{
    ReferenceKind,
    infer::{Draft, Inferred, Unsampled},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt gdpr init` guessed.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt gdpr init")]
pub(crate) struct GdprInitView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The file that the policy was written to.
    pub(crate) output: Option<String>,
    /// The policy, when it was not written to a file.
    pub(crate) policy: Option<String>,
    /// How long guessing and sampling took, without reading the catalogue.
    pub(crate) seconds: f64,
    /// How many tables there are.
    pub(crate) tables: usize,
    /// How many of them the policy says to be of each class.
    pub(crate) classes: Vec<InitClassView>,
    /// Who the persons are.
    pub(crate) subjects: Vec<InitSubjectView>,
    /// How many references foreign keys declare.
    pub(crate) declared: usize,
    /// References that no foreign key declares.
    pub(crate) references: Vec<InitReferenceView>,
    /// Columns whose sampled values look like data of persons.
    pub(crate) sampled: Vec<InitSampledView>,
    /// Tables of which no values were seen.
    pub(crate) unsampled: Vec<InitUnsampledView>,
    /// What `dbopt gdpr lint` finds of the policy: what could not be guessed.
    pub(crate) left: Vec<FindingView>,
}

/// How many tables are of a class.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct InitClassView {
    /// `owned`, `shared`, `about`, `foreign` or `lookup`.
    pub(crate) class: String,
    /// How many tables.
    pub(crate) tables: usize,
}

/// A table that seems to have a row for each person.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct InitSubjectView {
    /// What such a person is called.
    pub(crate) name: String,
    /// The table.
    pub(crate) table: String,
    /// Columns of its key.
    pub(crate) key: Vec<String>,
    /// Columns that identify a person otherwise.
    pub(crate) identifiers: Vec<String>,
    /// `high`, `medium` or `low`.
    pub(crate) confidence: String,
    /// Why.
    pub(crate) reason: String,
}

/// A reference that seems to be there.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct InitReferenceView {
    /// The table that refers.
    pub(crate) from: String,
    /// Its columns.
    pub(crate) columns: Vec<String>,
    /// The table that is referred to.
    pub(crate) to: String,
    /// The columns that are referred to.
    pub(crate) key: Vec<String>,
    /// `columns`, `type`, `json`, `array` or `identifier`.
    pub(crate) by: String,
    /// `high`, `medium` or `low`.
    pub(crate) confidence: String,
    /// Why.
    pub(crate) reason: String,
    /// Whether the policy has it: it is sure enough, and leads to rows of persons.
    pub(crate) taken: bool,
}

/// A column whose values look like data of persons.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct InitSampledView {
    /// The table.
    pub(crate) table: String,
    /// The column.
    pub(crate) column: String,
    /// What they look like.
    pub(crate) looks_like: String,
    /// How many sampled values do.
    pub(crate) found: u64,
    /// Of how many that are not NULL.
    pub(crate) of: u64,
}

/// A table of which no values were seen.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct InitUnsampledView {
    /// The table.
    pub(crate) table: String,
    /// Why.
    pub(crate) why: String,
}

impl GdprInitView {
    pub(crate) fn new(
        inferred: &Inferred,
        draft: &Draft,
        unsampled: &[Unsampled],
        output: Option<&str>,
        seconds: f64,
    ) -> Self {
        let classes = draft
            .classes
            .iter()
            .map(|count| InitClassView { class: count.class.name().to_owned(), tables: count.tables });
        let subjects = inferred.subjects.iter().map(|subject| InitSubjectView {
            name: subject.name.clone(),
            table: subject.table.to_string(),
            key: subject.key.clone(),
            identifiers: subject.identifiers.iter().map(|identifier| identifier.column.clone()).collect(),
            confidence: subject.confidence.name().to_owned(),
            reason: subject.reason.clone(),
        });
        let references = inferred.references.iter().zip(&draft.taken).map(|(guess, taken)| InitReferenceView {
            from: guess.from.to_string(),
            columns: guess.columns().to_vec(),
            to: guess.to.to_string(),
            key: guess.key.clone(),
            by: by(&guess.kind).to_owned(),
            confidence: guess.confidence.name().to_owned(),
            reason: guess.reason.clone(),
            taken: *taken,
        });
        let sampled = inferred.sampled.iter().map(|sampled| InitSampledView {
            table: sampled.table.to_string(),
            column: sampled.column.clone(),
            looks_like: sampled.what.to_owned(),
            found: sampled.found,
            of: sampled.of,
        });
        let unsampled = unsampled
            .iter()
            .map(|unsampled| InitUnsampledView { table: unsampled.table.to_string(), why: unsampled.why.clone() });
        Self {
            schema_version: SCHEMA_VERSION,
            output: output.map(str::to_owned),
            policy: output.is_none().then(|| draft.text.clone()),
            seconds,
            tables: inferred.graph.nodes.len(),
            classes: classes.collect(),
            subjects: subjects.collect(),
            declared: inferred.graph.edges.len(),
            references: references.collect(),
            sampled: sampled.collect(),
            unsampled: unsampled.collect(),
            left: draft.left.iter().map(FindingView::from).collect(),
        }
    }
}

fn by(kind: &ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Polymorphic { .. } => "type",
        ReferenceKind::Json { .. } => "json",
        ReferenceKind::Array(_) => "array",
        ReferenceKind::Identifier { .. } => "identifier",
        _ => "columns",
    }
}
