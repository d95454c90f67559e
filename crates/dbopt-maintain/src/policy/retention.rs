//! What may go.

use std::path::PathBuf;
use std::time::Duration;

use dbopt_policy::{Fault, Table, TableSelector};

use super::{DAY, Scope, threshold::Share};
use crate::exempt::Exempt;

/// What may go of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct RetentionRule {
    /// Schema and name of the table.
    pub table: (String, String),
    /// What is older than this may go.
    pub keep: Duration,
    /// How.
    pub by: By,
    /// More rows of a table than this are never deleted in a run: the rule is refused.
    pub most_rows: u64,
    /// More than this share of the rows is never deleted in a run: the rule is refused.
    pub most_share: f64,
    /// How many rows may go with whole partitions.
    pub whole: Whole,
    /// Tables whose rows may go along by a cascade.
    pub cascades: Vec<TableSelector>,
    /// Names of triggers that may fire.
    pub triggers: Vec<String>,
    /// Which rows stay all the same; none by a policy file. Rows only: partitions go as a whole.
    pub exempt: Exempt,
    /// Where what goes is put first.
    pub archive: Option<Archive>,
}

/// How many rows may go at once with whole partitions. Partitions are what large tables have so as to be rid of much at
/// once, so there is no limit but one that the policy gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Whole {
    /// When the partitions that are expired have more rows than this, none of them goes.
    pub most_rows: Option<u64>,
    /// When they have more than this share of the partitioned table's rows, none of them goes.
    pub most_share: Option<f64>,
}

/// How expired rows are recognised and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Row by row.
    Rows {
        /// The column with the time.
        column: String,
    },
    /// Whole partitions, by their bounds.
    Partitions {
        /// The column with the time, where the bounds alone are not to be believed, or rows are to be deleted.
        column: Option<String>,
        /// Whether it is proved that no row of a partition is younger, before it goes.
        prove: bool,
        /// Whether expired rows of the default partition, and of one that holds others too, are deleted.
        rest: bool,
    },
}

/// Where what goes is put first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Archive {
    /// Into a table, by schema and name.
    Table(String, String),
    /// Into files of a folder of this machine.
    Folder(PathBuf),
}

impl RetentionRule {
    pub(super) fn read(table: &Table<'_>, scope: &Scope) -> Option<Self> {
        let selector: Option<TableSelector> = table.required("table", "The table, by its full name.");
        let keep = table.required::<Duration>("keep", "What is older than this may go.");
        let by = by(table);
        let about =
            "When more rows than this would go, none does. Of whole partitions no number is too many when not given.";
        let most_rows = table.or("most_rows", about, 10_000_000);
        let about = "When more than this share of the rows would go, none does. Of whole partitions no share is too large when not given.";
        let most_share = table.or("most_share", about, Share(0.5)).0;
        let rule = Self {
            most_rows,
            most_share,
            whole: Whole {
                most_rows: table.contains("most_rows").then_some(most_rows),
                most_share: table.contains("most_share").then_some(most_share),
            },
            cascades: table.or("cascades", "Tables whose rows may go along by a cascade.", Vec::new()),
            triggers: table.or("triggers", "Names of triggers that may fire.", Vec::new()),
            exempt: Exempt::default(),
            archive: table.optional_section("archive", "Where what goes is put first.", archive),
            table: exact(table, "table", &selector?)?,
            keep: keep?,
            by: by?,
        };
        if matches!(rule.by, By::Partitions { rest: false, .. }) {
            for key in ["cascades", "triggers"].into_iter().filter(|key| table.contains(key)) {
                let fault = Fault::new("bad-value", format!("`{key}` is for rows, and this rule deletes none"));
                table.reject(
                    key,
                    fault.help(
                        "A partition that is dropped fires no triggers, and the server drops none that is referred to.",
                    ),
                );
            }
        }
        if rule.keep.is_zero() {
            table.reject(
                "keep",
                Fault::new("out-of-range", "nothing would be kept").help("Write a time such as `90d`."),
            );
        } else if rule.keep < DAY && rule.archive.is_none() {
            let fault = Fault::new("short-retention", "rows go for good within a day");
            table.warn("keep", fault.help("Check the unit, or give the rule an `archive`."));
        }
        if rule.most_share >= 1.0 {
            let fault = Fault::new("no-limit", "all rows may go at once, as after a slip of a clock or a column");
            table.warn("most_share", fault.help("Write the largest share that can be meant, such as `0.5`."));
        }
        if !scope.contains(&rule.table.0, &rule.table.1) {
            let fault = Fault::new("never-applies", "`tables` and `exclude` leave this table out, so nothing goes");
            table.warn("table", fault.help("Take the table out of `exclude`, or the rule out of the policy."));
        }
        Some(rule)
    }
}

fn by(table: &Table<'_>) -> Option<By> {
    let column: Option<String> = table.optional("column", "The column with the time; needed to delete rows.");
    let partitions =
        table.required_choice("by", "What goes: rows, or whole partitions.", &[("rows", false), ("partitions", true)]);
    let prove: Option<bool> =
        table.optional("prove", "Whether it is proved that no row of a partition is younger, before it goes.");
    let rest: Option<bool> = table.optional(
        "rest",
        "Whether expired rows of the default partition, and of one that holds others too, are deleted.",
    );
    if column.as_ref().is_some_and(|column| column.is_empty() || column.len() > LONGEST || column.contains('\0')) {
        table.reject("column", Fault::new("bad-column", "`column` is no name of a column"));
    }
    let need = |why: &str| {
        let fault = Fault::new("missing-key", format!("`column` is missing, which {why} needs"));
        table.reject("column", fault.help("Write the name of the column with the time."));
    };
    if !partitions? {
        for (key, given) in [("prove", prove), ("rest", rest)] {
            if given.is_some() {
                table.reject(key, Fault::new("bad-value", format!("`{key}` is for partitions only")));
            }
        }
        let Some(column) = column else {
            need("`by = \"rows\"`");
            return None;
        };
        return Some(By::Rows { column });
    }
    let (prove, rest) = (prove.unwrap_or(false), rest.unwrap_or(false));
    if column.is_none() && (prove || rest) {
        need(if prove { "`prove`" } else { "`rest`" });
    }
    Some(By::Partitions { column, prove, rest })
}

fn archive(table: &Table<'_>) -> Option<Archive> {
    let into: Option<TableSelector> = table.optional("table", "A table with the same columns.");
    let folder: Option<PathBuf> = table.optional("folder", "A folder of this machine, for files as COPY writes them.");
    match (into, folder) {
        (Some(into), None) => exact(table, "table", &into).map(|(schema, name)| Archive::Table(schema, name)),
        (None, Some(folder)) => {
            if folder.is_relative() {
                let fault = Fault::new("relative-folder", "the folder is another one wherever a run is started");
                table.warn("folder", fault.help("Write its whole path, such as `/var/archive`."));
            }
            Some(Archive::Folder(folder))
        }
        (Some(_), Some(_)) => {
            table.reject("folder", Fault::new("bad-value", "an archive is a table or a folder, not both"));
            None
        }
        (None, None) => {
            if !table.contains("table") && !table.contains("folder") {
                let fault = Fault::new("missing-key", "the archive is nowhere");
                table.reject("table", fault.help("Write `table = \"archive.events\"` or `folder = \"/var/archive\"`."));
            }
            None
        }
    }
}

/// The names of the one table that is meant; what may go is never said by a pattern.
fn exact(table: &Table<'_>, key: &str, selector: &TableSelector) -> Option<(String, String)> {
    let names = selector.exact().map(|(schema, name)| (schema.to_owned(), name.to_owned()));
    if names.is_none() {
        let fault = Fault::new("bad-table", format!("`{selector}` is not one table"));
        table.reject(key, fault.help("Name it: what may go is never said by a pattern."));
    }
    names
}

/// Longest name of a column, in bytes.
const LONGEST: usize = 63;
