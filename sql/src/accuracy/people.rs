//! Users to draw sets from.

use counters::Draw;
use engine::rollup::CountedUser;
use engine::users::hash_int;
use engine::{Error, Result};

/// Everybody, in an order that every draw changes.
pub(super) struct People {
    people: Vec<CountedUser>,
}

impl People {
    /// Users with the keys 0, 1, 2 ..., which are their own numbers.
    pub(super) fn invented(users: u64) -> Result<Self> {
        let users = u32::try_from(users).map_err(|_| {
            Error::limit("the number of synthetic users must be at most 4,294,967,295")
        })?;
        let person = |number: u32| CountedUser { number, hash: hash_int(number.into()) };
        Ok(Self { people: (0..users).map(person).collect() })
    }

    /// The users of a project.
    pub(super) fn real(everybody: &[CountedUser]) -> Self {
        Self { people: everybody.to_vec() }
    }

    /// How many users there are.
    pub(super) fn len(&self) -> u64 {
        self.people.len() as u64
    }

    /// So many different users (at most all of them), each set of them equally likely.
    pub(super) fn draw(&mut self, size: u64, random: &mut Random) -> Draw {
        let size = size.min(self.len()) as usize;
        for at in 0..size {
            let rest = (self.people.len() - at) as u64;
            let other = at + random.below(rest) as usize;
            self.people.swap(at, other);
        }
        Draw::of(&self.people[..size])
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): seeded, and unlike the hash of any key.
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
