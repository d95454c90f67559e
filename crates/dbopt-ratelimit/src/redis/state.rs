//! What the script is sent and answers, in bytes.
//!
//! Lua counts in doubles, which are whole up to 2^53. All numbers here stay below that: times of use are counted in
//! nanoseconds for periods up to 2^52 ns (52 days) and in 8 ns above, and no more than 2^52 of these ticks can be used
//! at once, which cuts off bursts that would take more than 52 days (and 417 above) to replenish. Intervals are rounded up
//! to a tick, so that rounding never admits more.

use std::time::Duration;

use crate::{Algorithm, Charge, Wait, Window, WindowState, bucket::Buckets};

/// The most ticks that can be used, and the longest period counted in ns.
const MOST: u64 = 1 << 52;
/// What no window admits.
const TOO_MUCH: u64 = 1 << 53;

/// What is to become of the charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Charge,
    Peek,
    Refund,
}

/// What the script is told of one charge of a request.
pub(super) fn argument(ask: Ask, charge: &Charge<'_>, is_last: bool) -> Vec<u8> {
    let sliding = charge.limit.algorithm() == Algorithm::Sliding;
    let flags = u64::from(sliding) + 2 * u64::from(!is_last) + 4 * u64::from(ask == Ask::Peek);
    let mut bytes = Vec::with_capacity(8 + 24 * charge.limit.windows().len());
    let mut double = |value: f64| bytes.extend_from_slice(&value.to_le_bytes());
    double(exact(flags));
    for window in charge.limit.windows() {
        double(exact(nanos(window.period())));
        let (unit, most) = match charge.limit.algorithm() {
            Algorithm::Gcra => {
                let ticks = Ticks::new(window);
                (ticks.interval, ticks.tolerance)
            }
            Algorithm::Sliding => (1, window.limit().get().into()),
        };
        let cost = unit.saturating_mul(charge.cost.into()).min(TOO_MUCH);
        match ask {
            Ask::Refund => {
                double(-exact(cost));
                double(exact(TOO_MUCH));
            }
            // A gate passes only when nothing is used.
            _ => {
                double(exact(cost));
                double(if charge.cost == 0 { 0.0 } else { exact(most) });
            }
        }
    }
    bytes
}

/// What the script answered to one charge.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) admitted: bool,
    pub(super) windows: Vec<WindowState>,
}

/// Reads an answer. `cost` is what the key was asked for in all by this request, up to this charge. None when the answer is of
/// another form.
pub(super) fn reply(bytes: &[u8], charge: &Charge<'_>, cost: u32) -> Option<Reply> {
    let mark = mark(bytes);
    let mut rest = bytes;
    let now = take_whole(&mut rest)?;
    let mut windows = Vec::with_capacity(charge.limit.windows().len());
    for window in charge.limit.windows() {
        // The period.
        take_whole(&mut rest)?;
        let mut state = match charge.limit.algorithm() {
            Algorithm::Gcra => Ticks::new(window).state(take_whole(&mut rest)?, cost),
            Algorithm::Sliding => take_buckets(&mut rest)?.state(window, now, cost),
        };
        if mark == b'=' {
            state.wait = Wait::None;
        }
        windows.push(state);
    }
    Some(Reply { admitted: mark != b'-', windows })
}

/// What became of a charge: `=` charged, `-` refused, `+` only asked. An answer without a mark is charged; it ends with a
/// whole double, whose last byte is 0 or from 0x3f to 0x43, which no mark is.
pub(super) fn mark(bytes: &[u8]) -> u8 {
    match bytes.last() {
        Some(mark @ (b'-' | b'+')) => *mark,
        _ => b'=',
    }
}

/// A window of gcra in ticks.
struct Ticks {
    /// Nanoseconds of one.
    tick: u64,
    interval: u64,
    tolerance: u64,
    burst: u32,
}

impl Ticks {
    fn new(window: &Window) -> Self {
        let tick = if nanos(window.period()) > MOST { 8 } else { 1 };
        let interval = window.interval().as_u64().div_ceil(tick);
        let burst = (MOST / interval).min(window.burst().get().into());
        let tolerance = burst * interval;
        Self { tick, interval, tolerance, burst: u32::try_from(burst).unwrap_or(u32::MAX) }
    }

    fn state(&self, used: u64, cost: u32) -> WindowState {
        let wait = match cost {
            0 => Wait::of_nanos(used.saturating_mul(self.tick)),
            _ if cost > self.burst => Wait::Never,
            _ => {
                let next = used.saturating_add(self.interval.saturating_mul(cost.into()));
                Wait::of_nanos(next.saturating_sub(self.tolerance).saturating_mul(self.tick))
            }
        };
        WindowState {
            remaining: u32::try_from(self.tolerance.saturating_sub(used) / self.interval).unwrap_or(u32::MAX),
            full_in: Duration::from_nanos(used.saturating_mul(self.tick)),
            wait,
        }
    }
}

/// Takes the buckets of a sliding window.
fn take_buckets(rest: &mut &[u8]) -> Option<Buckets> {
    let newest = take_whole(rest)?;
    let count = take::<1>(rest)?[0];
    let bucket = |rest: &mut &[u8]| {
        let age = take::<1>(rest)?[0];
        Some((newest.saturating_sub(age.into()), u32::from_le_bytes(take(rest)?)))
    };
    (0..count).map(|_| bucket(rest)).collect::<Option<_>>().map(Buckets)
}

fn nanos(period: Duration) -> u64 {
    u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)
}

/// A whole number as a double; above 2^53 the nearest, which only periods are, as names.
#[expect(clippy::cast_precision_loss, reason = "said above")]
fn exact(value: u64) -> f64 {
    value as f64
}

/// Takes a double that is a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn take_whole(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(|bytes| f64::from_le_bytes(bytes) as u64)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}
