//! Random numbers that can be asked for by position, so that any part of the data can be made
//! alone, in any order, on any thread.
//!
//! The mixing function is the finalizer of SplitMix64 (Steele, Lea, Flood 2014). Only integer
//! arithmetic and exactly rounded floating point is used, so that every machine agrees.

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Scrambles 64 bits. It is a bijection: different inputs have different outputs.
pub(crate) const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The key of one independent family of numbers. `family` is any constant, different for each.
pub(crate) const fn key(seed: u64, family: u64) -> u64 {
    mix(mix(seed.wrapping_add(GAMMA)).wrapping_add(family.wrapping_mul(GAMMA)))
}

/// An infinite sequence of numbers for one position of one family.
pub(crate) struct RandomStream(u64);

impl RandomStream {
    /// The sequence at `position`.
    pub(crate) const fn at(key: u64, position: u64) -> Self {
        Self(mix(key ^ mix(position.wrapping_add(GAMMA))))
    }

    /// The next 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }
}

/// A number in `0..n`, from 64 random bits. `n` is at least 1.
pub(crate) fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

/// A number from 0 (inclusive) to 1 (exclusive), from 64 random bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// A one-to-one shuffling of `0..n`. Neighbours end up far from each other.
#[derive(Clone, Copy)]
pub(crate) struct Shuffle {
    n: u64,
    step: u64,
    shift: u64,
}

impl Shuffle {
    /// A shuffling of `0..n`, with `n` in `1..=2^32`.
    pub(crate) fn new(n: u64, seed: u64) -> Self {
        // A step near n divided by the golden ratio spreads neighbours most evenly. It must have
        // no divisor in common with n, or the shuffling would not be one-to-one.
        let mut step = (n as f64 * 0.618_033_988_749_895) as u64 | 1;
        while gcd(step, n) != 1 {
            step += 1;
        }
        Self { n, step: step % n, shift: below(mix(seed), n) }
    }

    /// The position of `i` after shuffling, both in `0..n`.
    pub(crate) fn position(self, i: u64) -> u64 {
        (i * self.step + self.shift) % self.n
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::{Shuffle, below, unit};

    #[test]
    fn a_shuffle_is_one_to_one() {
        for n in [1, 2, 3, 4, 6, 10, 64, 97, 1000, 4096] {
            let shuffle = Shuffle::new(n, 7);
            let mut seen: Vec<u64> = (0..n).map(|i| shuffle.position(i)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>(), "n = {n}");
        }
    }

    #[test]
    fn numbers_stay_in_range() {
        assert_eq!([below(0, 7), below(u64::MAX, 7), below(u64::MAX, 1)], [0, 6, 0]);
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }
}
