//! What was encrypted, as it leaves the program: numbers and names, never a value or the key of a row.

use std::collections::BTreeMap;

use dbopt_crypto::KeyNumber;
use dbopt_reencrypt::{Counted, Tally};
use dbopt_run::{Report, Step};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, apply::RepairView, finding::FindingView};

/// What `dbopt re-encrypt` did, or with `--dry-run` would do.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt re-encrypt")]
pub(crate) struct ReEncryptView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// Whether nothing was run.
    pub(crate) dry_run: bool,
    /// Number of the run in `dbopt.run`; absent with `--dry-run`.
    pub(crate) run: Option<i64>,
    /// What became of what earlier runs had left half done.
    pub(crate) repairs: Vec<RepairView>,
    /// The tables in order.
    pub(crate) tables: Vec<TableView>,
    /// With `--dry-run`, what is in the columns now.
    pub(crate) counted: Vec<CountedView>,
    /// What to know besides.
    pub(crate) findings: Vec<FindingView>,
}

/// One table.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct TableView {
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) table: String,
    /// What changes it, as it is run.
    pub(crate) statements: Vec<String>,
    /// `done`, `skipped`, `blocked`, `deferred` or `failed`, or `lost` when the run ended before it was over; absent with
    /// `--dry-run`.
    pub(crate) outcome: Option<String>,
    /// Why it was not done.
    pub(crate) reason: Option<String>,
    /// Its size before in bytes, with all that belongs to it.
    pub(crate) bytes_before: Option<i64>,
    /// The same afterwards.
    pub(crate) bytes_after: Option<i64>,
    /// How long it took.
    pub(crate) seconds: Option<f64>,
    /// Its columns.
    pub(crate) columns: Vec<ColumnView>,
}

/// What was done to a column.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ColumnView {
    /// The column.
    pub(crate) column: String,
    /// Plain values that were sealed.
    pub(crate) sealed: u64,
    /// Values that were under other keys and were sealed anew.
    pub(crate) resealed: u64,
    /// Values of which only terms were written.
    pub(crate) terms: u64,
    /// Values that were opened, by the key that they are under.
    pub(crate) verified: Vec<UnderKeyView>,
    /// Values that were opened by the keys of the persons whose they are.
    pub(crate) of_persons: u64,
    /// Keys of persons that were wrapped anew by the active key.
    pub(crate) rewrapped: u64,
    /// Values that do not open, by why.
    pub(crate) unopened: Vec<UnopenedView>,
    /// Values still in plain, under another key or with other terms, in rows that could not be written.
    pub(crate) left: u64,
    /// Whether all of the column was looked at in the end.
    pub(crate) complete: bool,
}

/// Values under a key.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct UnderKeyView {
    /// Number of the key.
    pub(crate) key: u32,
    /// How many values.
    pub(crate) values: u64,
}

/// Values that do not open.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct UnopenedView {
    /// `erased` when their key was destroyed; `unknown-key`, `rejected`, `no-subject` or `malformed`.
    pub(crate) why: String,
    /// How many values.
    pub(crate) values: u64,
}

/// What is in a column, by first bytes.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CountedView {
    /// The column.
    pub(crate) column: String,
    /// Purpose of the keys that are to seal it.
    pub(crate) purpose: String,
    /// Values in plain.
    pub(crate) plain: u64,
    /// Values that are neither sealed nor can be taken for plain ones.
    pub(crate) malformed: u64,
    /// Sealed values by the key that they name.
    pub(crate) keys: Vec<UnderKeyView>,
    /// Its blind indexes.
    pub(crate) indexes: Vec<CountedIndexView>,
    /// Where the policy says whose the values are, what is under keys of persons.
    pub(crate) persons: Option<CountedPersonsView>,
}

/// What is under keys of persons.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CountedPersonsView {
    /// Values under keys that are still there.
    pub(crate) values: u64,
    /// Values whose keys are gone.
    pub(crate) erased: u64,
    /// Keys of persons of the purpose, by the key that wraps them.
    pub(crate) keys: Vec<UnderKeyView>,
}

/// What is in a column of terms.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct CountedIndexView {
    /// The column.
    pub(crate) column: String,
    /// Terms by their version.
    pub(crate) versions: Vec<OfVersionView>,
}

/// Terms of a version.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct OfVersionView {
    /// The version.
    pub(crate) version: u8,
    /// How many terms.
    pub(crate) terms: u64,
}

impl ReEncryptView {
    /// An empty view.
    pub(crate) fn new(dry_run: bool, run: Option<i64>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            dry_run,
            run,
            repairs: Vec::new(),
            tables: Vec::new(),
            counted: Vec::new(),
            findings: Vec::new(),
        }
    }
}

impl TableView {
    /// A table of which nothing was done.
    pub(crate) fn planned(step: &Step) -> Self {
        Self {
            schema: step.schema.clone(),
            table: step.object.clone(),
            statements: step.statements.clone(),
            outcome: None,
            reason: None,
            bytes_before: None,
            bytes_after: None,
            seconds: None,
            columns: Vec::new(),
        }
    }

    /// What became of a table; without a report, the run ended before it was over.
    pub(crate) fn new(step: &Step, report: Option<&Report>, tallies: &[Tally]) -> Self {
        let planned = Self { columns: tallies.iter().map(ColumnView::new).collect(), ..Self::planned(step) };
        match report {
            None => Self { outcome: Some("lost".to_owned()), ..planned },
            Some(report) => Self {
                outcome: Some(report.outcome.word().to_owned()),
                reason: report.outcome.reason().map(str::to_owned),
                bytes_before: report.bytes_before,
                bytes_after: report.bytes_after,
                seconds: Some(report.seconds),
                ..planned
            },
        }
    }
}

impl ColumnView {
    fn new(tally: &Tally) -> Self {
        let unopened = tally.unopened.iter();
        Self {
            column: tally.column.clone(),
            sealed: tally.sealed,
            resealed: tally.resealed,
            terms: tally.terms,
            verified: under(&tally.verified),
            of_persons: tally.of_persons,
            rewrapped: tally.rewrapped,
            unopened: unopened
                .map(|(why, values)| UnopenedView { why: why.name().to_owned(), values: *values })
                .collect(),
            left: tally.left,
            complete: tally.is_complete,
        }
    }
}

impl CountedView {
    /// The view of what was counted.
    pub(crate) fn new(counted: &Counted) -> Self {
        let version = |(version, terms): (&u8, &u64)| OfVersionView { version: *version, terms: *terms };
        let index = |index: &dbopt_reencrypt::CountedIndex| CountedIndexView {
            column: index.column.clone(),
            versions: index.versions.iter().map(version).collect(),
        };
        Self {
            column: counted.column.clone(),
            purpose: counted.purpose.clone(),
            plain: counted.plain,
            malformed: counted.malformed,
            keys: under(&counted.keys),
            indexes: counted.indexes.iter().map(index).collect(),
            persons: counted.persons.as_ref().map(|persons| CountedPersonsView {
                values: persons.values,
                erased: persons.erased,
                keys: under(&persons.keys),
            }),
        }
    }
}

fn under(keys: &BTreeMap<KeyNumber, u64>) -> Vec<UnderKeyView> {
    keys.iter().map(|(key, values)| UnderKeyView { key: key.get(), values: *values }).collect()
}
