//! What a hash costs.

use std::fmt;

/// The cost of argon2id (RFC 9106): memory, passes over it, and lanes.
///
/// `8 * lanes <= memory <= 4 GiB`, `passes >= 1`, `1 <= lanes <= 16`, and memory times passes is at most 64 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// Why a cost is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCost {
    /// The memory is too little for the lanes, or too much for any service.
    #[error("the memory is not from {least} kB to {} kB", Cost::MOST_MEMORY)]
    Memory {
        /// The least for these lanes, in kB.
        least: u32,
    },
    /// No pass at all.
    #[error("there is no pass over the memory")]
    Passes,
    /// No lane, or more than are of use.
    #[error("the lanes are not from 1 to {}", Cost::MOST_LANES)]
    Lanes,
    /// A hash would take minutes.
    #[error("memory times passes is more than {} kB", Cost::MOST_WORK)]
    Work,
}

impl Cost {
    /// The costs that OWASP names as the least, all about as dear as each other
    /// (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id>).
    pub const OWASP: [Self; 5] = [
        Self { memory: 47_104, passes: 1, lanes: 1 },
        Self { memory: 19_456, passes: 2, lanes: 1 },
        Self { memory: 12_288, passes: 3, lanes: 1 },
        Self { memory: 9_216, passes: 4, lanes: 1 },
        Self { memory: 7_168, passes: 5, lanes: 1 },
    ];

    const MOST_MEMORY: u32 = 4 << 20;
    const MOST_LANES: u32 = 16;
    const MOST_WORK: u64 = 64 << 20;

    /// A cost of so much memory in kB (of 1024 bytes), passes and lanes.
    ///
    /// Lanes are computed one after another here, so that more than one only makes it easier for an attacker with more
    /// processors.
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn new(memory: u32, passes: u32, lanes: u32) -> Result<Self, InvalidCost> {
        if !(1..=Self::MOST_LANES).contains(&lanes) {
            return Err(InvalidCost::Lanes);
        }
        let least = 8 * lanes;
        if !(least..=Self::MOST_MEMORY).contains(&memory) {
            return Err(InvalidCost::Memory { least });
        }
        if passes == 0 {
            return Err(InvalidCost::Passes);
        }
        let cost = Self { memory, passes, lanes };
        if cost.work() > Self::MOST_WORK { Err(InvalidCost::Work) } else { Ok(cost) }
    }

    /// Memory in kB of 1024 bytes, argon2's `m`.
    #[must_use]
    pub const fn memory(&self) -> u32 {
        self.memory
    }

    /// Passes over the memory, argon2's `t`.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes, argon2's `p`.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Whether it is at least one of [`Self::OWASP`].
    #[must_use]
    pub fn is_enough(&self) -> bool {
        Self::OWASP.iter().any(|least| !self.is_below(*least))
    }

    /// Whether it has less memory or fewer passes than another, so that a hash of this cost is to be replaced.
    #[must_use]
    pub const fn is_below(&self, other: Self) -> bool {
        self.memory < other.memory || self.passes < other.passes
    }

    /// kB written, which the time is proportional to.
    #[must_use]
    pub const fn work(&self) -> u64 {
        self.memory as u64 * self.passes as u64
    }
}

/// The second of [`Cost::OWASP`]: 19 MB and 2 passes.
impl Default for Cost {
    fn default() -> Self {
        Self::OWASP[1]
    }
}

/// As a PHC string has it: `m=19456,t=2,p=1`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory, self.passes, self.lanes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_cost_says_why() {
        assert_eq!(Cost::new(7, 1, 1), Err(InvalidCost::Memory { least: 8 }));
        assert_eq!(Cost::new(31, 1, 4), Err(InvalidCost::Memory { least: 32 }));
        assert_eq!(Cost::new(5 << 20, 1, 1), Err(InvalidCost::Memory { least: 8 }));
        assert_eq!(Cost::new(8, 0, 1), Err(InvalidCost::Passes));
        assert_eq!((Cost::new(8, 1, 0), Cost::new(256, 1, 17)), (Err(InvalidCost::Lanes), Err(InvalidCost::Lanes)));
        assert_eq!(Cost::new(4 << 20, 17, 1), Err(InvalidCost::Work));
        assert_eq!(Cost::new(8, u32::MAX, 1), Err(InvalidCost::Work));
    }

    #[test]
    fn owasp_is_enough_and_a_little_less_is_not() {
        for cost in Cost::OWASP {
            assert!(cost.is_enough());
            assert!(!Cost::new(cost.memory - 1, cost.passes, 1).expect("a cost").is_enough(), "{cost}");
        }
        // Twice the memory does not make up for a missing pass below it, but for three.
        assert!(Cost::new(47_104, 1, 1).expect("a cost").is_enough());
        assert!(!Cost::new(40_000, 1, 1).expect("a cost").is_enough());
    }

    proptest! {
        #[test]
        fn a_cost_that_is_below_is_never_enough_for_it(
            (memory, passes) in (8_u32..100_000, 1_u32..20),
            (other, more) in (8_u32..100_000, 1_u32..20),
        ) {
            let (cost, other) = (Cost::new(memory, passes, 1).expect("a cost"), Cost::new(other, more, 1).expect("a cost"));
            // One of two different costs is below the other, and raising a cost never puts it below what it was.
            prop_assert!(cost == other || cost.is_below(other) || other.is_below(cost));
            let raised = Cost::new(memory + 1, passes + 1, 1).expect("a cost");
            prop_assert!(cost.is_below(raised) && !raised.is_below(cost));
            prop_assert!(!cost.is_enough() || raised.is_enough());
        }
    }
}
