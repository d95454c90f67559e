//! The weighted statements that advice is for.

use dbopt_sql::ir::{Predicate, Statement};

/// Index of a query in the list that was given to the advisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub usize);

/// One class of statements, by a statement that stands for it.
#[derive(Clone, Debug)]
pub struct Query {
    /// Fingerprint in hexadecimal, for reports.
    pub fingerprint: String,
    /// The statement's text to plan: parameters put in where they were logged, `$n` where they are not known.
    pub sql: String,
    /// The same text without literals, to show.
    pub normalized: String,
    /// What the text asks of its tables.
    pub statement: Statement,
    /// Those of its conditions whose literals are the same in every execution that was seen; a partial index may rely
    /// on them.
    pub constants: Vec<Predicate>,
    /// Executions in the workload.
    pub calls: f64,
    /// Milliseconds spent in them, when the workload says so.
    pub total_ms: Option<f64>,
    /// Rows that one execution returned or changed on average, when known.
    pub rows: Option<f64>,
}
