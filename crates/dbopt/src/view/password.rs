//! What hashes of passwords cost, as it leaves the program.

use std::time::Duration;

use dbopt_auth::{Calibration, Proposal};
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;

/// What `dbopt password calibrate` answers.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(title = "dbopt password costs")]
pub(crate) struct CalibrateView {
    /// Version of this format.
    pub(crate) schema_version: u32,
    /// How long a hash may take, in milliseconds.
    pub(crate) target_ms: f64,
    /// The most memory of a hash, in bytes.
    pub(crate) most_memory: u64,
    /// Costs of argon2id, least memory first: for each memory the most passes within the time, and no fewer than OWASP asks for.
    pub(crate) proposals: Vec<CostView>,
    /// The one to take: the most memory within the time. None when even the least that is enough takes longer.
    pub(crate) best: Option<CostView>,
}

/// A cost of argon2id.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct CostView {
    /// Memory in kB of 1024 bytes.
    pub(crate) memory_kb: u32,
    /// Passes over it.
    pub(crate) passes: u32,
    /// Lanes.
    pub(crate) lanes: u32,
    /// How long a hash takes on this machine, in milliseconds.
    pub(crate) time_ms: f64,
}

impl CalibrateView {
    /// The view of what was found.
    pub(crate) fn new(target: Duration, most_memory: u64, found: &Calibration) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            target_ms: milliseconds(target),
            most_memory,
            proposals: found.proposals.iter().map(CostView::new).collect(),
            best: found.best.as_ref().map(CostView::new),
        }
    }
}

impl CostView {
    fn new(proposal: &Proposal) -> Self {
        let Proposal { cost, time } = proposal;
        Self { memory_kb: cost.memory(), passes: cost.passes(), lanes: cost.lanes(), time_ms: milliseconds(*time) }
    }
}

/// To a hundredth.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
