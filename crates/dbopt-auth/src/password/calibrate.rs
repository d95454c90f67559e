//! Which cost a hash may have, so that it takes a given time on this machine.
//!
//! As RFC 9106, section 4, has it: first as much memory as may be had, then as many passes as the time allows. The time is
//! measured by the caller, whose machine it is.

use std::time::Duration;

use super::Cost;

/// Memories in kB that are tried: OWASP's, and doublings of the largest.
const MEMORIES: [u32; 10] = [7_168, 9_216, 12_288, 19_456, 47_104, 65_536, 131_072, 262_144, 524_288, 1_048_576];
/// More passes than this say that more memory should be had.
const MOST_PASSES: u32 = 24;

/// A cost, and how long a hash of it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The cost.
    pub cost: Cost,
    /// The time of one hash.
    pub time: Duration,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// For each memory the most passes within the time, and at least as many as OWASP asks for; least memory first.
    pub proposals: Vec<Proposal>,
    /// The one to take: the most memory among those within the time. None when even the least that is enough takes longer.
    pub best: Option<Proposal>,
}

/// Finds the costs of which a hash takes no longer than `target`, with at most so much memory in kB. `measure` says how
/// long a hash of a cost takes.
pub fn calibrate(target: Duration, most_memory: u32, mut measure: impl FnMut(Cost) -> Duration) -> Calibration {
    let mut proposals = Vec::new();
    for memory in MEMORIES.into_iter().filter(|memory| *memory <= most_memory) {
        let cost = |passes| Cost::new(memory, passes, 1).ok();
        let least = (1..=MOST_PASSES).find_map(|passes| cost(passes).filter(Cost::is_enough));
        let Some(least) = least else { continue };
        let time = measure(least);
        let mut proposal = Proposal { cost: least, time };
        // A pass more costs about as much as one of those before, which foretells how many there is time for.
        let pass = (time / least.passes()).max(Duration::from_nanos(1));
        let most = u32::try_from(target.as_nanos() / pass.as_nanos()).unwrap_or(u32::MAX).min(MOST_PASSES);
        // What it foretells is off by what else the machine did meanwhile, in either direction.
        let mut passes = most.max(least.passes() + 1);
        let mut rises = true;
        while (least.passes() + 1..=MOST_PASSES).contains(&passes) {
            let Some(more) = cost(passes) else { break };
            let time = measure(more);
            if time <= target {
                proposal = Proposal { cost: more, time };
                if !rises {
                    break;
                }
                passes += 1;
            } else if proposal.cost == least {
                rises = false;
                passes -= 1;
            } else {
                break;
            }
        }
        let is_late = proposal.time > target;
        proposals.push(proposal);
        // More memory takes longer still, unless it asks for fewer passes.
        if is_late && least.passes() == 1 {
            break;
        }
    }
    let best = proposals.iter().rev().find(|proposal| proposal.time <= target).copied();
    Calibration { proposals, best }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that writes so many kB a millisecond.
    fn machine(rate: u64) -> impl FnMut(Cost) -> Duration {
        move |cost| Duration::from_micros(cost.work() * 1_000 / rate)
    }

    #[test]
    fn the_most_memory_within_the_time_is_best() {
        let found = calibrate(Duration::from_millis(100), 1 << 20, machine(1_000));
        let costs: Vec<_> = found.proposals.iter().map(|proposal| proposal.cost.to_string()).collect();
        assert_eq!(
            costs,
            [
                "m=7168,t=13,p=1",
                "m=9216,t=10,p=1",
                "m=12288,t=8,p=1",
                "m=19456,t=5,p=1",
                "m=47104,t=2,p=1",
                "m=65536,t=1,p=1",
                "m=131072,t=1,p=1"
            ]
        );
        assert_eq!(found.best.map(|best| best.cost.to_string()).as_deref(), Some("m=65536,t=1,p=1"));
    }

    #[test]
    fn memory_is_bounded_and_a_slow_machine_has_no_best() {
        let found = calibrate(Duration::from_millis(100), 20_000, machine(1_000));
        assert_eq!(found.best.map(|best| best.cost.memory()), Some(19_456));
        let slow = calibrate(Duration::from_millis(10), 1 << 20, machine(1_000));
        assert_eq!(slow.best, None);
        assert!(slow.proposals.iter().all(|proposal| proposal.cost.is_enough()));
    }

    /// The first measurement of each memory takes three times as long as it should.
    #[test]
    fn a_hiccup_does_not_make_the_proposals_weak() {
        let mut seen = std::collections::HashSet::new();
        let mut steady = machine(1_000);
        let found = calibrate(Duration::from_millis(100), 20_000, |cost| {
            steady(cost) * if seen.insert(cost.memory()) { 3 } else { 1 }
        });
        let costs: Vec<_> = found.proposals.iter().map(|proposal| proposal.cost.to_string()).collect();
        assert_eq!(costs, ["m=7168,t=13,p=1", "m=9216,t=10,p=1", "m=12288,t=8,p=1", "m=19456,t=5,p=1"]);
    }

    #[test]
    fn nothing_takes_longer_than_it_may_and_all_is_enough() {
        for rate in [300, 777, 5_000, 100_000] {
            for millis in [20, 50, 250, 1_000] {
                let found = calibrate(Duration::from_millis(millis), 1 << 20, machine(rate));
                assert!(found.proposals.iter().all(|proposal| proposal.cost.is_enough()));
                assert!(found.best.is_none_or(|best| best.time <= Duration::from_millis(millis)));
            }
        }
    }
}
