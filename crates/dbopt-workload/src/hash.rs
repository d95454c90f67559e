//! Hashing with a seed that never changes, so that what is chosen by hash is the same in every run and on every host.

/// The hasher of everything whose choice must be repeatable.
pub(crate) fn fixed() -> foldhash::fast::FixedState {
    foldhash::fast::FixedState::with_seed(0x6462_6f70_7421)
}

/// A well-mixed 64-bit value of two words (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.rotate_left(29);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
