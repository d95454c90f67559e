//! Findings on a plan: what costs time in it, and what to do.
//!
//! One rule a file; its doc comment is its manual page. A rule looks at an executed plan (ANALYZE) and says how much
//! time its finding concerns; findings below [`MIN_SHARE`] of the whole are not worth a line.

mod bitmap_lossy;
mod expensive_inner;
mod hash_spilled;
mod heap_fetches;
mod jit_time;
mod memoize_evictions;
mod rows_misestimated;
mod scan_discards_rows;
mod sort_spilled;
mod trigger_time;
mod workers_not_launched;

pub(crate) mod columns;

use dbopt_finding::{Code, Severity};
use serde::Serialize;

use crate::account::Accounts;
use crate::tree::plan::Plan;

/// The least share of the statement's time that a finding concerns.
pub(crate) const MIN_SHARE: f64 = 0.01;

/// The share of the statement's time from which a finding is a warning and not a note.
pub(crate) const WARNING_SHARE: f64 = 0.2;

/// How much a finding concerns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Impact {
    /// Time, ms; none with `TIMING OFF`.
    pub ms: Option<f64>,
    /// Share of the statement's time, or of its cost when there is no time, from 0 to 1.
    pub share: f64,
}

/// One finding on a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanFinding {
    /// The rule.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub code: Code,
    /// Warning or note.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub severity: Severity,
    /// The node: positions among the children from the root on. None when the finding is on the statement.
    pub path: Option<Vec<usize>>,
    /// The node, such as `Seq Scan on orders o`.
    pub label: Option<String>,
    /// The table concerned, as far as the plan names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Columns of that table that the finding is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// How much it concerns.
    pub impact: Impact,
    /// What was found, without literals.
    pub message: String,
    /// What to do about it, without literals.
    pub help: String,
}

/// The findings on a plan, the weightiest first. A plan that was not executed has none.
#[must_use]
pub fn findings(plan: &Plan) -> Vec<PlanFinding> {
    if !plan.is_analyzed() {
        return Vec::new();
    }
    let accounts = plan.accounts();
    let mut report = Report { plan, accounts: &accounts, findings: Vec::new() };
    for rule in RULES {
        rule(&mut report);
    }
    let mut findings = report.findings;
    findings.retain(|finding| finding.impact.share >= MIN_SHARE);
    findings.sort_by(|a, b| b.impact.share.total_cmp(&a.impact.share));
    findings
}

const RULES: &[fn(&mut Report<'_>)] = &[
    rows_misestimated::check,
    scan_discards_rows::check,
    sort_spilled::check,
    hash_spilled::check,
    expensive_inner::check,
    trigger_time::check,
    heap_fetches::check,
    bitmap_lossy::check,
    memoize_evictions::check,
    workers_not_launched::check,
    jit_time::check,
];

/// What a rule looks at, and where its findings go.
struct Report<'a> {
    plan: &'a Plan,
    accounts: &'a Accounts<'a>,
    findings: Vec<PlanFinding>,
}

impl<'a> Report<'a> {
    /// A finding on a node.
    fn node(&mut self, code: &'static str, at: usize, impact: Impact, message: String, help: String) {
        let node = self.accounts.node(at);
        self.add(code, impact, message, help);
        let path = self.path(at);
        if let Some(finding) = self.findings.last_mut() {
            finding.path = Some(path);
            finding.label = Some(node.label());
            finding.table = node.relation.as_ref().and_then(|relation| {
                let name = relation.name.as_ref()?;
                Some(relation.schema.as_ref().map_or_else(|| name.clone(), |schema| format!("{schema}.{name}")))
            });
        }
    }

    /// A finding on the statement.
    fn add(&mut self, code: &'static str, impact: Impact, message: String, help: String) {
        let impact = Impact { ms: impact.ms, share: impact.share.clamp(0.0, 1.0) };
        let severity = if impact.share >= WARNING_SHARE { Severity::Warning } else { Severity::Note };
        self.findings.push(PlanFinding {
            code: Code(code),
            severity,
            path: None,
            label: None,
            table: None,
            columns: Vec::new(),
            impact,
            message,
            help,
        });
    }

    fn columns(&mut self, columns: Vec<String>) {
        if let Some(finding) = self.findings.last_mut() {
            finding.columns = columns;
        }
    }

    /// The impact of a time.
    fn time(&self, ms: f64) -> Impact {
        Impact {
            ms: Some(ms),
            share: self.accounts.total_ms().filter(|total| *total > 0.0).map_or(0.0, |all| ms / all),
        }
    }

    /// The impact of a node without its inputs.
    fn own(&self, at: usize) -> Impact {
        let account = self.accounts.account(at);
        Impact { ms: account.exclusive_ms, share: account.share }
    }

    /// The impact of a node with its inputs.
    fn whole(&self, at: usize) -> Impact {
        let account = self.accounts.account(at);
        match account.inclusive_ms {
            Some(ms) => self.time(ms),
            None => {
                let all = self.plan.total_cost();
                Impact { ms: None, share: if all > 0.0 { account.inclusive_cost / all } else { 0.0 } }
            }
        }
    }

    fn path(&self, at: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut at = at;
        while let Some(parent) = self.accounts.account(at).parent {
            path.extend(self.accounts.children(parent).position(|child| child == at));
            at = parent;
        }
        path.reverse();
        path
    }
}

impl Impact {
    /// A part of it.
    fn times(self, part: f64) -> Self {
        Self { ms: self.ms.map(|ms| ms * part), share: self.share * part }
    }

    fn plus(self, other: Self) -> Self {
        Self { ms: self.ms.zip(other.ms).map(|(a, b)| a + b), share: self.share + other.share }
    }
}

/// A memory setting that is at least so many kB, in whole MB from 1 MB on, the way a setting is written.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to integer casts saturate")]
fn setting(kilobytes: f64) -> String {
    if kilobytes <= 1024.0 {
        format!("{}kB", (kilobytes.ceil() as u64).max(64))
    } else {
        format!("{}MB", (kilobytes / 1024.0).ceil() as u64)
    }
}

/// A number for reading: `950`, `12.3 thousand`, `4.5 million`.
fn number(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.1} billion", v / 1e9),
        v if v >= 1e6 => format!("{:.1} million", v / 1e6),
        v if v >= 1e4 => format!("{:.1} thousand", v / 1e3),
        v if v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::PlanFinding;

    /// The findings of one rule on a text plan.
    pub(crate) fn found(code: &str, text: &str) -> Vec<PlanFinding> {
        let (plans, problems) = crate::parse_text(text);
        assert!(problems.is_empty(), "{problems:?}");
        super::findings(&plans[0]).into_iter().filter(|finding| finding.code.0 == code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_rounded_up() {
        assert_eq!([1.0, 65.5, 1024.0, 1025.0, 1e7].map(setting), ["64kB", "66kB", "1024kB", "2MB", "9766MB"]);
        assert_eq!(
            [1.0, 1.5, 9999.0, 12_345.0, 4.5e6].map(number),
            ["1", "1.5", "9999", "12.3 thousand", "4.5 million"]
        );
    }
}
