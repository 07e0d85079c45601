//! Seeded user numbers for the criterion benches.
//!
//! The benches are under `benches/`; other engines on the same files are under `peers/`.

/// User numbers below `users`, with repeats: multiplicative hashing of a counter, the same for
/// the same arguments on every machine.
pub fn numbers(count: usize, users: u32, seed: u64) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The upper half of a linear congruential generator is the good one.
        (((state >> 32) * u64::from(users)) >> 32) as u32
    };
    (0..count).map(|_| next()).collect()
}
