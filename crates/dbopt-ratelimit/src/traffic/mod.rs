//! Samples of traffic, and what rules would have done with them (feature `traffic`).
//!
//! A sample is an access log or a table; [`read`] takes its bytes and gives the requests in the order of their times.
//! [`simulate()`] lets a limiter decide about them in virtual time: the same limiter that a service embeds, with a clock that is set to the
//! time of each request.

mod access;
mod read;
mod simulate;
mod table;

use jiff::Timestamp;

pub use self::{
    read::{Traffic, TrafficFormat, Unread, UnreadableTraffic, read},
    simulate::{Bucket, ClientOutcome, Happening, RuleOutcome, Simulation, simulate},
};
use crate::Request;

/// One request of a sample.
#[derive(Clone, Debug)]
pub struct Hit {
    /// When it came.
    pub at: Timestamp,
    /// Line of the sample, from 1.
    pub line: u64,
    /// What is known of it.
    pub request: Request<'static>,
}
