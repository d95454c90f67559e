//! What was read, what was recognised, and what was left out and why.

use std::fmt;

use dbopt_finding::Place;

/// The form of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Server log as text with a `log_line_prefix`.
    Stderr,
    /// `csvlog`.
    Csv,
    /// `jsonlog`.
    Json,
    /// `pg_stat_statements` as CSV with a header.
    PgStatStatements,
    /// SQL statements.
    Sql,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stderr => "stderr",
            Self::Csv => "csvlog",
            Self::Json => "jsonlog",
            Self::PgStatStatements => "pg_stat_statements",
            Self::Sql => "sql",
        })
    }
}

/// How an input was compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// LZ4 frames.
    Lz4,
    /// xz.
    Xz,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        })
    }
}

/// Records of one kind that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why, as a lowercase fragment.
    pub why: &'static str,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Option<Place>,
}

/// What was read of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputCoverage {
    /// The input's name as given.
    pub name: String,
    /// Its form, when it was recognised.
    pub format: Option<Format>,
    /// What wraps each line, such as `syslog`, outermost first; empty when nothing does.
    pub wrappers: Vec<&'static str>,
    /// The `log_line_prefix` given or inferred.
    pub prefix: Option<String>,
    /// Its compression.
    pub compression: Option<Compression>,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Records found: log records, statements or rows.
    pub records: u64,
    /// Records that were understood; those left out on request (dates, databases) count as understood.
    pub recognised: u64,
    /// Records with the duration of a statement.
    pub with_duration: u64,
    /// Left out, by reason.
    pub skipped: Vec<Skipped>,
    /// Whether the input ends within a record, or its decompression broke off.
    pub truncated: bool,
    /// Whether reading was stopped before the end.
    pub interrupted: bool,
}

impl InputCoverage {
    /// Nothing read yet of the input of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            format: None,
            wrappers: Vec::new(),
            prefix: None,
            compression: None,
            bytes: 0,
            lines: 0,
            records: 0,
            recognised: 0,
            with_duration: 0,
            skipped: Vec::new(),
            truncated: false,
            interrupted: false,
        }
    }

    /// Counts records left out.
    pub(crate) fn skip(&mut self, why: &'static str, count: u64, first: Option<Place>) {
        if count == 0 {
            return;
        }
        match self.skipped.iter_mut().find(|skipped| skipped.why == why) {
            Some(skipped) => {
                skipped.count += count;
                if skipped.first.is_none() {
                    skipped.first = first;
                }
            }
            None => self.skipped.push(Skipped { why, count, first }),
        }
    }
}

/// What was read of all inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Input by input, in the order given.
    pub inputs: Vec<InputCoverage>,
}

impl Coverage {
    /// Records found in all inputs.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.inputs.iter().map(|input| input.records).sum()
    }

    /// Records understood in all inputs.
    #[must_use]
    pub fn recognised(&self) -> u64 {
        self.inputs.iter().map(|input| input.recognised).sum()
    }

    /// The share of records that were understood, from 0 to 1; 1 when there are none.
    #[must_use]
    pub fn share_recognised(&self) -> f64 {
        match self.records() {
            0 => 1.0,
            records => self.recognised() as f64 / records as f64,
        }
    }

    /// Bytes read, decompressed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes).sum()
    }
}
