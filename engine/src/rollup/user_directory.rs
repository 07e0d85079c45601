//! The users behind exact sets, as sketches see them.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{ExactSets, UserExpr};
use crate::distinct::{IdValue, QueryIds};
use crate::users::{ID_SHARDS, Key, UserSet};
use crate::{Error, Result};

/// A user as counted by exact sets (id) and by sketches (hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedUser {
    /// The number that stands for the user in an exact set: the key itself where all keys are small
    /// integers, else the rank among all users in the order of their hashes.
    pub number: u32,
    /// The hash that sketches see.
    pub hash: u64,
}

/// All users in some exact sets. It takes 24 bytes for each user.
#[derive(Debug)]
pub struct UserDirectory<'a> {
    sets: &'a ExactSets,
    /// In the order of their ids.
    users: Vec<(u32, CountedUser)>,
}

impl<'a> UserDirectory<'a> {
    /// Looks up the key of every user in any of the `cells` first cells.
    ///
    /// # Errors
    /// When a user has no key.
    pub fn of(sets: &'a ExactSets, cells: u32) -> Result<Self> {
        Self::hashed(sets, cells, |scope, key| match scope {
            None => key.hash(),
            Some(scope) => key.hash_in(scope),
        })
    }

    /// As [`of`](Self::of), with another hash of a key, given the hash of its scope.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn hashed(
        sets: &'a ExactSets,
        cells: u32,
        hash: impl Fn(Option<u64>, Key<'_>) -> u64 + Sync,
    ) -> Result<Self> {
        let ids = sets.ids().next().ok_or_else(|| Error::internal("sets without ids"))?;
        let shards = (0..ID_SHARDS).into_par_iter();
        let assigned: Vec<Vec<u64>> =
            shards.map(|shard| ids.keys().hashes_by(shard, &hash)).collect::<Result<_>>()?;
        let everybody = sets.evaluated(&vec![vec![(0..cells).collect()]]);
        let user = |id: u32| {
            let user = match QueryIds::value(id) {
                IdValue::Direct(int) => {
                    CountedUser { number: int, hash: hash(None, Key::Int(int.into())) }
                }
                IdValue::Assigned(shard, index) => {
                    let hash = assigned[shard].get(index as usize).copied();
                    let hash = hash.ok_or_else(|| Error::internal("an id without a key"))?;
                    CountedUser { number: 0, hash }
                }
            };
            Ok((id, user))
        };
        let mut users: Vec<_> = everybody.iter().map(user).collect::<Result<_>>()?;
        if !ids.keys().is_empty() {
            // The order of first sight depends on the threads, that of the hashes does not.
            let mut order: Vec<&mut CountedUser> = users.iter_mut().map(|(_, user)| user).collect();
            order.sort_unstable_by_key(|user| user.hash);
            for (number, user) in (0..).zip(order) {
                user.number = number;
            }
        }
        Ok(Self { sets, users })
    }

    /// The users of an expression over these cells, in the order of their hashes.
    ///
    /// # Errors
    /// When a user is not in the directory.
    pub fn members(&self, expr: &UserExpr) -> Result<Vec<CountedUser>> {
        let set: UserSet = self.sets.evaluated(expr);
        let mut known = self.users.iter();
        let user = |id: u32| match known.find(|(at, _)| *at >= id) {
            Some((at, user)) if *at == id => Ok(*user),
            _ => Err(Error::internal("a user without a key")),
        };
        let mut members: Vec<CountedUser> = set.iter().map(user).collect::<Result<_>>()?;
        members.sort_unstable_by_key(|user| user.hash);
        Ok(members)
    }
}
