//! What is still to be done of an erasure that goes in parts.
//!
//! Once a part is committed, the plan that was approved cannot be made again, because its rows are not there to be found. So the record
//! of the beginning has a digest of what concerns no single row, and the sum of keyed digests of the rows; that of each part has the sum of its
//! rows. What is left over is what a new plan has to be: the same rows without those of the parts, no other and none less.
//! Sums are by exclusive or, under a key that nobody outside has, and each row is in one statement once.

use dbopt_crypto::Pseudonym;

use super::{Erasure, approval::Bytes};
use crate::plan::{Plan, Statement};

const FRAME: &str = "gdpr.plan.frame";
const ROW: &str = "gdpr.plan.row";

/// What is still to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remainder {
    /// What the plan says beside its rows.
    pub(super) frame: Pseudonym,
    /// The rows.
    pub(super) rows: Sum,
}

/// A digest of rows in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u8; 32]);

impl Sum {
    /// Adds rows that were not in it, or takes those away that were.
    pub(super) fn toggle(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(one, other)| *one ^= other);
    }

    pub(super) fn text(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..32).map(|at| digit(2 * at)).collect();
        bytes?.try_into().ok().map(Self)
    }
}

impl Erasure<'_> {
    /// What a plan does.
    pub(super) fn remainder(&self, plan: &Plan) -> Remainder {
        let mut bytes = Bytes::default();
        bytes.text(&plan.subject.to_string()).text(&plan.as_of.to_string());
        // The statements come back with the rows; those without have nothing but their text.
        for statement in plan.statements.iter().filter(|statement| statement.parts.is_empty()) {
            bytes.text(&statement.sql);
        }
        self.frame(plan, &mut bytes);
        Remainder { frame: self.pseudonyms.pseudonym(FRAME, &bytes.0), rows: self.sum(&plan.statements) }
    }

    /// The rows of some statements, each with what is done to it.
    pub(super) fn sum(&self, statements: &[Statement]) -> Sum {
        let mut sum = Sum::default();
        for statement in statements {
            for part in &statement.parts {
                for key in &part.keys {
                    let mut bytes = Bytes::default();
                    bytes.text(&statement.sql).text(&self.graph.node(part.table).table.to_string());
                    bytes.keys(std::slice::from_ref(key));
                    let digest = self.pseudonyms.pseudonym(ROW, &bytes.0).to_string();
                    sum.toggle(digest.rsplit(':').next().and_then(Sum::parse).unwrap_or_default());
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_as_it_is_written() {
        let (one, other) = (Sum([7; 32]), Sum([200; 32]));
        assert_eq!(Sum::parse(&one.text()), Some(one));
        let mut both = one;
        both.toggle(other);
        assert!(both != one && both != other);
        both.toggle(one);
        assert_eq!(both, other);
        for bad in ["", "00", &"0".repeat(63), &"x0".repeat(32)] {
            assert_eq!(Sum::parse(bad), None, "{bad}");
        }
    }
}
