//! What somebody approves: a plan as of a time, without its rows.

use std::{fmt, str::FromStr};

use dbopt_crypto::Pseudonym;
use jiff::Timestamp;

use super::Erasure;
use crate::{
    plan::{Plan, StatementKind, Whose},
    walk::Key,
};

/// The context of the digests of plans.
const CONTEXT: &str = "gdpr.plan";

/// A plan that was seen and agreed to. Its text is `TIME/DIGEST`.
///
/// The digest is keyed, because a plan is made of keys of rows, which can be guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The time as of which it was decided what stays.
    pub as_of: Timestamp,
    /// HMAC-SHA-256 of all that the plan would do, under the policy's key.
    pub digest: Pseudonym,
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.as_of, self.digest)
    }
}

/// The text is no approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an approval of the form `TIME/hmac-sha256:KEY:TAG`")]
pub struct ParseApprovalError;

impl FromStr for Approval {
    type Err = ParseApprovalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (time, digest) = text.split_once('/').ok_or(ParseApprovalError)?;
        let as_of = time.parse().map_err(|_| ParseApprovalError)?;
        Ok(Self { as_of, digest: digest.parse().map_err(|_| ParseApprovalError)? })
    }
}

impl Erasure<'_> {
    /// What is to be approved of a plan.
    #[must_use]
    pub fn approval(&self, plan: &Plan) -> Approval {
        let mut bytes = Bytes::default();
        bytes.text(&plan.subject.to_string()).text(&plan.as_of.to_string());
        bytes.count(plan.statements.len());
        for statement in &plan.statements {
            bytes.text(name(statement.kind)).text(&statement.sql).count(statement.parts.len());
            for part in &statement.parts {
                bytes.text(&self.graph.node(part.table).table.to_string()).keys(&part.keys);
            }
            bytes.count(statement.values.len());
            for value in &statement.values {
                bytes.text(&value.column).text(value.how.name());
            }
        }
        let apart = plan.apart.map_or((0, 0), |apart| (apart.statements, apart.rows));
        bytes.count(apart.0).count(apart.1);
        self.frame(plan, &mut bytes);
        Approval { as_of: plan.as_of, digest: self.pseudonyms.pseudonym(CONTEXT, &bytes.0) }
    }

    /// What a plan says beside its statements.
    pub(super) fn frame(&self, plan: &Plan, bytes: &mut Bytes) {
        bytes.count(plan.effects.len());
        for effect in &plan.effects {
            bytes.text(&self.graph.edge(effect.edge).to_string()).text(effect.action.name()).count(effect.rows);
            bytes.count((effect.whose == Whose::Others).into()).count(effect.is_planned.into());
        }
        bytes.count(plan.kept.len());
        for kept in &plan.kept {
            bytes.text(&self.graph.node(kept.table).table.to_string()).text(kept.column.as_deref().unwrap_or_default());
            bytes.count(kept.rows).text(&kept.why);
            bytes.text(&kept.until.map(|day| day.to_string()).unwrap_or_default());
        }
        bytes.count(plan.large_objects.len());
        for objects in &plan.large_objects {
            bytes.text(&objects.column).count(objects.unlinked).count(objects.kept);
        }
        bytes.count(plan.sealed.len());
        for sealed in &plan.sealed {
            bytes.text(&self.graph.node(sealed.table).table.to_string()).text(&sealed.column).count(sealed.rows);
        }
        for key in self.keys {
            bytes.text(key.purpose.as_str()).raw(key.subject.bytes());
        }
    }
}

fn name(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Defer => "defer",
        StatementKind::Change => "change",
        StatementKind::Untie => "untie",
        StatementKind::Delete => "delete",
        StatementKind::Unlink => "unlink",
    }
}

/// Bytes of which no two plans have the same: each part is behind its length.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.0.extend((count as u64).to_be_bytes());
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.extend(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.raw(text.as_bytes())
    }

    pub(super) fn keys(&mut self, keys: &[Key]) -> &mut Self {
        self.count(keys.len());
        for key in keys {
            self.count(key.len());
            for part in key {
                self.text(part);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_read_as_it_is_written() {
        let text = format!("2026-01-01T00:00:00Z/hmac-sha256:k:{}", "0a".repeat(32));
        assert_eq!(text.parse::<Approval>().expect("good").to_string(), text);
        for bad in ["", "2026-01-01T00:00:00Z", "x/hmac-sha256:k:00", &text.replace("0a0a", "0A0a"), &text[1..]] {
            // A year of three digits is none.
            assert_eq!(bad.parse::<Approval>(), Err(ParseApprovalError), "{bad}");
        }
    }
}
