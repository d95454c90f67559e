//! What a database says of the columns of a policy.
//!
//! The facts are plain data, so that this crate needs no database: whoever has a session or a snapshot fills them in.

use dbopt_finding::Finding;
use dbopt_policy::Fault;

use super::{
    ColumnRule, EncryptionPolicy,
    column::{IndexRule, weakness},
};

/// What is to be known of a database. Tables and columns that the policy does not name do no harm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabaseFacts {
    /// The tables.
    pub tables: Vec<TableFacts>,
    /// The server's settings.
    pub server: ServerFacts,
}

/// What is to be known of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableFacts {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its columns.
    pub columns: Vec<ColumnFacts>,
    /// The columns of its primary key, and of each unique index without a predicate and of columns that are all `NOT NULL`.
    pub keys: Vec<Vec<String>>,
}

/// What is to be known of a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnFacts {
    /// Its name.
    pub column: String,
    /// Its type, as `format_type` prints it.
    pub data_type: String,
    /// Names of indexes that it is a key of, or in an expression or predicate of; unique ones too.
    pub indexes: Vec<String>,
    /// Names of unique indexes and constraints that it is in; the primary key too.
    pub unique: Vec<String>,
    /// Names of foreign keys that it is in, on either side.
    pub foreign_keys: Vec<String>,
    /// Whether `pg_stats` holds values of it: most common ones, or the bounds of a histogram.
    pub has_statistics: bool,
    /// About how many different values it has, as `pg_stats.n_distinct` says; less than zero is a share of the rows, which
    /// is to be multiplied with their number before.
    pub distinct: Option<f64>,
}

/// Settings that decide what of a statement is logged (<https://www.postgresql.org/docs/current/runtime-config-logging.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `log_statement`.
    pub log_statement: String,
    /// `log_min_duration_statement`, in milliseconds; -1 is off.
    pub log_min_duration_statement: i64,
    /// `log_min_duration_sample`, in milliseconds; -1 is off.
    pub log_min_duration_sample: i64,
    /// `log_min_error_statement`: the statement of an error at least so bad is logged.
    pub log_min_error_statement: String,
    /// `log_parameter_max_length`, in bytes; -1 is without limit, 0 is off.
    pub log_parameter_max_length: i64,
    /// `log_parameter_max_length_on_error`, in bytes; -1 is without limit, 0 is off.
    pub log_parameter_max_length_on_error: i64,
}

/// As PostgreSQL ships.
impl Default for ServerFacts {
    fn default() -> Self {
        Self {
            log_statement: "none".to_owned(),
            log_min_duration_statement: -1,
            log_min_duration_sample: -1,
            log_min_error_statement: "error".to_owned(),
            log_parameter_max_length: -1,
            log_parameter_max_length_on_error: 0,
        }
    }
}

impl ServerFacts {
    /// Which settings put values of statements that succeed into the log, if any do.
    fn logged(&self) -> Vec<&'static str> {
        let mut settings = Vec::new();
        if matches!(self.log_statement.as_str(), "mod" | "all") {
            settings.push("log_statement");
        }
        if self.log_min_duration_statement >= 0 {
            settings.push("log_min_duration_statement");
        }
        if self.log_min_duration_sample >= 0 {
            settings.push("log_min_duration_sample");
        }
        if self.log_parameter_max_length_on_error != 0 {
            settings.push("log_parameter_max_length_on_error");
        }
        settings
    }
}

impl EncryptionPolicy {
    /// What is to be said of a database's columns that the policy encrypts: what is missing, what gives values away, and
    /// what can never work over sealed values.
    #[must_use]
    pub fn review_database(&self, facts: &DatabaseFacts) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in &self.columns {
            let is_it = |table: &&TableFacts| table.schema == rule.schema && table.table == rule.table;
            match facts.tables.iter().find(is_it) {
                Some(table) => Review { rule, table, findings: &mut findings }.column(),
                None => findings.push(
                    Finding::error("missing-table", format!("there is no table `{}`", rule.table_name()))
                        .help("Correct the name, or take the rule out of the policy."),
                ),
            }
        }
        let logged = facts.server.logged();
        if !self.columns.is_empty() && !logged.is_empty() {
            let settings: Vec<_> = logged.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("the server logs values of statements, by {}", settings.join(" and "));
            findings.push(Finding::warning("values-in-logs", message).help(
                "Sealed values do no harm there; whoever writes plain ones should `SET log_statement = 'none'`, and \
                 `log_parameter_max_length = 0` where statements are logged for their duration.",
            ));
        }
        findings
    }
}

/// Looks at one column.
struct Review<'a> {
    rule: &'a ColumnRule,
    table: &'a TableFacts,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Review<'a> {
    fn column(mut self) {
        let rule = self.rule;
        if let Some(sealed) = self.bytea(&rule.column) {
            self.sealed(sealed);
        }
        if let Some(plain) = &rule.plain {
            match self.find(plain) {
                Some(plain) => self.plain(plain),
                // It is dropped when all is done.
                None => self.note(
                    "no-plain-column",
                    format!("`{}` is gone", self.name(plain)),
                    "Take `plain` out of the rule.",
                ),
            }
        }
        let is_row = |key: &&Vec<String>| key.len() == rule.row.len() && key.iter().all(|name| rule.row.contains(name));
        for name in rule.row.iter().filter(|name| self.find(name).is_none()).collect::<Vec<_>>() {
            self.error("missing-column", format!("there is no column `{}`", self.name(name)), "Correct `row`.");
        }
        if let Some(subject) = rule.subject.as_ref().filter(|name| self.find(name).is_none()) {
            self.error("missing-column", format!("there is no column `{}`", self.name(subject)), "Correct `subject`.");
        }
        if rule.row.iter().all(|name| self.find(name).is_some()) && !self.table.keys.iter().any(|key| is_row(&key)) {
            let message = format!("`row` of `{}` is no key of the table", rule.name());
            self.error(
                "row-not-unique",
                message,
                "Name the columns of the primary key: values of rows with the same `row` can be exchanged.",
            );
        }
        for index in &rule.indexes {
            self.index(index);
        }
    }

    /// A column of sealed values or terms, if it is there and can hold them.
    fn bytea(&mut self, name: &str) -> Option<&'a ColumnFacts> {
        let Some(column) = self.find(name) else {
            let help = format!(
                "Run `ALTER TABLE {} ADD COLUMN {} bytea`.",
                self.rule.table_name(),
                super::column::quoted(name)
            );
            self.error("missing-column", format!("there is no column `{}`", self.name(name)), help);
            return None;
        };
        if column.data_type == "bytea" {
            return Some(column);
        }
        let message =
            format!("`{}` is of type `{}`, and sealed values and terms are `bytea`", self.name(name), column.data_type);
        self.error("wrong-column-type", message, "Add a column of type `bytea`, and name this one as `plain`.");
        None
    }

    /// Two seals of one value differ, so nothing that compares can work.
    fn sealed(&mut self, column: &ColumnFacts) {
        let name = self.name(&column.column);
        for key in &column.foreign_keys {
            let message = format!("`{name}` is in foreign key `{key}`, which no sealed value fulfils");
            self.error("sealed-foreign-key", message, "Refer by another column.");
        }
        for unique in &column.unique {
            let message = format!("`{name}` is unique by `{unique}`, which refuses no sealed value");
            self.error(
                "sealed-unique",
                message,
                "Make a blind index over all of the value unique, with 128 bits or more.",
            );
        }
        for index in column.indexes.iter().filter(|index| !column.unique.contains(index)) {
            let message = format!("`{name}` is indexed by `{index}`, which finds no sealed value");
            self.warning("sealed-indexed", message, "Drop it, and index a column of terms.");
        }
        if column.has_statistics {
            self.statistics(&column.column);
        }
    }

    /// Values stay in whatever was made of them.
    fn plain(&mut self, column: &ColumnFacts) {
        let name = self.name(&column.column);
        for index in &column.indexes {
            let message = format!("plain values of `{name}` are in index `{index}`, too");
            self.warning("plain-indexed", message, "Drop it when values are found by their terms.");
        }
        for key in &column.foreign_keys {
            let message = format!("plain values of `{name}` are in other tables, too, by foreign key `{key}`");
            self.warning("plain-foreign-key", message, "Refer by another column.");
        }
        if column.has_statistics {
            self.statistics(&column.column);
        }
        let distinct = column.distinct.filter(|distinct| *distinct >= 1.0);
        for index in &self.rule.indexes {
            // What the policy says of the number is looked at when it is read.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows, above zero")]
            let distinct = distinct.map(|distinct| distinct as u64);
            let is_told = self.rule.distinct.is_some_and(|said| weakness(index.written, Some(said)).is_some());
            if let Some((fault, _)) = weakness(index.written, distinct).filter(|_| !is_told) {
                self.fault(&index.column, fault);
            }
        }
    }

    fn index(&mut self, index: &IndexRule) {
        let Some(column) = self.bytea(&index.column) else { return };
        if column.indexes.is_empty() {
            let name = self.name(&index.column);
            let help = format!(
                "Run `CREATE INDEX CONCURRENTLY ON {} ({})`.",
                self.rule.table_name(),
                super::column::quoted(&index.column)
            );
            self.warning(
                "terms-not-indexed",
                format!("terms in `{name}` are not indexed, so that each search reads all rows"),
                help,
            );
        }
    }

    fn statistics(&mut self, column: &str) {
        let message = format!("values of `{}` are in the table's statistics", self.name(column));
        let table = self.rule.table_name();
        let help = format!(
            "Run `ALTER TABLE {table} ALTER COLUMN {} SET STATISTICS 0`, and `ANALYZE {table}` when no plain value is left.",
            super::column::quoted(column)
        );
        self.warning("values-in-statistics", message, help);
    }

    fn find(&self, name: &str) -> Option<&'a ColumnFacts> {
        self.table.columns.iter().find(|column| column.column == name)
    }

    fn name(&self, column: &str) -> String {
        format!("{}.{}", self.rule.table_name(), super::column::quoted(column))
    }

    fn fault(&mut self, column: &str, fault: Fault) {
        let finding = Finding::warning(fault.code, format!("`{}`: {}", self.name(column), fault.message));
        self.findings.push(match fault.help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }

    fn error(&mut self, code: &'static str, message: String, help: impl Into<String>) {
        self.findings.push(Finding::error(code, message).help(help));
    }

    fn warning(&mut self, code: &'static str, message: String, help: impl Into<String>) {
        self.findings.push(Finding::warning(code, message).help(help));
    }

    fn note(&mut self, code: &'static str, message: String, help: &str) {
        self.findings.push(Finding::note(code, message).help(help));
    }
}
