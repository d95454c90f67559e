//! What is to be done, as data, and the function that does it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::Error;
use crate::hands::Hands;
use crate::report::Effect;

/// One thing to do to one object. It can be printed, compared and refused before anything happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done, in kebab case: `create-index`.
    pub kind: &'static str,
    /// Schema of the object.
    pub schema: String,
    /// Name of the object.
    pub object: String,
    /// The table concerned, in the same schema or another: what is watched for autovacuum and measured.
    pub table: Option<(String, String)>,
    /// The statements, exactly as they are run, in order.
    pub statements: Vec<String>,
    /// The strongest lock that they take on the table.
    pub lock: Lock,
    /// What could go wrong, as a sentence.
    pub risk: &'static str,
    /// Predicted duration in seconds.
    pub seconds: Option<f64>,
    /// Predicted size of the object in bytes afterwards.
    pub bytes: Option<f64>,
    /// Positions of earlier steps of the same run without which this one is not begun.
    pub needs: Vec<usize>,
}

/// A table-level lock (<https://www.postgresql.org/docs/current/explicit-locking.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// None that anybody would wait for.
    None,
    /// Lets reads and writes pass; keeps other DDL and VACUUM out.
    ShareUpdateExclusive,
    /// Lets reads pass, keeps writes out.
    Share,
    /// Keeps everybody out.
    AccessExclusive,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}

/// The future of an action.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Effect, Error>> + 'a>>;

/// A step and the function that does it.
pub trait Action {
    /// The step.
    fn step(&self) -> &Step;

    /// The step, to have its predictions and needs filled in.
    fn step_mut(&mut self) -> &mut Step;

    /// Does it. What concerns the object alone is an [`crate::Outcome`]; an error ends the run.
    ///
    /// An action that can be left half done opens a journal entry first, and closes it when nothing is half done
    /// any more.
    fn run<'a>(&'a mut self, hands: &'a mut Hands<'_>) -> Pending<'a>;
}
