//! Looks up the keys of the users in exact sets: the id and the hash of each.

use super::exact::ExactSets;
use super::{UserExpr, approx};
use crate::events::Scan;
use crate::users::Key;
use crate::{Error, Result};

/// A user as counted by exact sets (id) and by sketches (hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedUser {
    /// The number that stands for the user in an exact set of all shards: the key itself where
    /// keys are dense integers, else the rank among all users in the order of their hashes.
    pub number: u32,
    /// The hash that sketches see.
    pub hash: u64,
}

/// All users in some exact sets. It takes 16 bytes for each user whose key is not its own number.
#[derive(Debug)]
pub struct UserDirectory<'a> {
    sets: &'a ExactSets,
    /// By shard and number; empty where keys are their own numbers.
    by_shard: Vec<Vec<CountedUser>>,
}

impl<'a> UserDirectory<'a> {
    /// Looks up the key of every user.
    ///
    /// # Errors
    /// When there are more users than numbers, or a user has no key.
    pub fn of(sets: &'a ExactSets, scan: &Scan) -> Result<Self> {
        let mut scopes = vec![0];
        let mut by_shard = Vec::new();
        for dictionary in sets.dictionaries() {
            let keys = dictionary.keys();
            let mut shard = Vec::with_capacity(dictionary.len() as usize);
            for number in 0..dictionary.len() {
                let (scope, key) =
                    keys.get(number).ok_or_else(|| Error::internal("a number without a key"))?;
                let hash = match scope {
                    0 => key.hash(),
                    scope => key.hash_in(approx::scope_hash(&mut scopes, scan, scope)?),
                };
                shard.push(CountedUser { number: 0, hash });
            }
            by_shard.push(shard);
        }
        // The order of first sight depends on the threads, that of the hashes does not.
        let mut order: Vec<&mut CountedUser> = by_shard.iter_mut().flatten().collect();
        order.sort_unstable_by_key(|user| user.hash);
        for (at, user) in order.into_iter().enumerate() {
            user.number = u32::try_from(at)
                .map_err(|_| Error::limit("more than 4,294,967,296 different users"))?;
        }
        Ok(Self { sets, by_shard })
    }

    /// The users of an expression, in the order of their hashes.
    ///
    /// # Errors
    /// When a user has no key.
    pub fn members(&self, expr: &UserExpr) -> Result<Vec<CountedUser>> {
        let mut users = Vec::new();
        for (shard, by_shard) in self.by_shard.iter().enumerate() {
            for local in self.sets.evaluated(shard, expr).iter() {
                users.push(match self.sets.is_dense() {
                    false => *by_shard
                        .get(local as usize)
                        .ok_or_else(|| Error::internal("a user without a key"))?,
                    true => {
                        let number = ExactSets::dense_key(shard, local);
                        CountedUser { number, hash: Key::Int(number.into()).hash() }
                    }
                });
            }
        }
        users.sort_unstable_by_key(|user| user.hash);
        Ok(users)
    }
}
