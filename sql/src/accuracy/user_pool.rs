//! Users to draw sets from.

use counters::Sample;
use engine::rollup::CountedUser;
use engine::users::hash_int;
use engine::{Error, Result};

/// All users, in an order that every draw changes.
pub(super) struct UserPool {
    users: Vec<CountedUser>,
}

impl UserPool {
    /// Users with the keys 0, 1, 2 ..., which are also their ids.
    pub(super) fn synthetic(count: u64) -> Result<Self> {
        let count = u32::try_from(count).map_err(|_| {
            Error::limit("the number of synthetic users must be at most 4,294,967,295")
        })?;
        let person = |number: u32| CountedUser { number, hash: hash_int(number.into()) };
        Ok(Self { users: (0..count).map(person).collect() })
    }

    /// The users of a project.
    pub(super) fn from_users(users: &[CountedUser]) -> Self {
        Self { users: users.to_vec() }
    }

    /// How many users there are.
    pub(super) fn len(&self) -> u64 {
        self.users.len() as u64
    }

    /// Draws `size` distinct users (at most all of them), every set with equal probability.
    pub(super) fn sample(&mut self, size: u64, random: &mut Random) -> Sample {
        let size = size.min(self.len()) as usize;
        for at in 0..size {
            let rest = (self.users.len() - at) as u64;
            let other = at + random.below(rest) as usize;
            self.users.swap(at, other);
        }
        Sample::of(&self.users[..size])
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): seeded, and unrelated to the hash of the keys.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `0..n`; `n` is at least 1.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(bits ^ (bits >> 31)) * u128::from(n)) >> 64) as u64
    }
}
