//! Plans as they leave the program.

use dbopt_finding::Finding;
use dbopt_plan::{Plan, PlanFinding, PlanSummary};
use schemars::JsonSchema;
use serde::Serialize;

use super::{SCHEMA_VERSION, finding::FindingView};

/// What `dbopt explain` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt plan report")]
pub(crate) struct ExplainView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// The plans, in the input's order.
    pub(crate) plans: Vec<PlanView>,
    /// What to know about the input.
    pub(crate) findings: Vec<FindingView>,
}

/// A plan and what matters in it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct PlanView {
    /// The plan.
    #[serde(flatten)]
    pub(crate) summary: PlanSummary,
    /// What matters most, the weightiest first.
    pub(crate) advice: Vec<PlanFinding>,
}

impl ExplainView {
    /// The view of an input's plans.
    pub(crate) fn new(plans: &[Plan], findings: &[Finding]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            plans: plans
                .iter()
                .map(|plan| PlanView { summary: plan.summary(), advice: dbopt_plan::findings(plan) })
                .collect(),
            findings: findings.iter().map(FindingView::from).collect(),
        }
    }
}
