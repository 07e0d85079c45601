//! The users of exact sets by name: what a sketch would have seen of each.

use super::exact::Sets;
use super::{Terms, approx};
use crate::events::Scan;
use crate::users::Key;
use crate::{Error, Result};

/// A user as an exact set and as a sketch know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The number that stands for the user in an exact set of all shards: the key itself where
    /// keys are dense integers, else the place among all users in the order of their hashes.
    pub number: u32,
    /// The hash that sketches see.
    pub hash: u64,
}

/// Everybody in some exact sets. It takes 16 bytes for each user whose key is not its own number.
#[derive(Debug)]
pub struct People<'a> {
    sets: &'a Sets,
    /// By shard and number; empty where keys are their own numbers.
    numbered: Vec<Vec<Person>>,
}

impl<'a> People<'a> {
    /// Looks up the key of every user.
    ///
    /// # Errors
    /// When there are more users than numbers, or a user has no key.
    pub fn of(sets: &'a Sets, scan: &Scan) -> Result<Self> {
        let mut scopes = vec![0];
        let mut numbered = Vec::new();
        for numbering in sets.numberings() {
            let keys = numbering.keys();
            let mut shard = Vec::with_capacity(numbering.len() as usize);
            for number in 0..numbering.len() {
                let (scope, key) =
                    keys.get(number).ok_or_else(|| Error::internal("a number without a key"))?;
                let hash = match scope {
                    0 => key.hash(),
                    scope => key.hash_in(approx::scope_hash(&mut scopes, scan, scope)?),
                };
                shard.push(Person { number: 0, hash });
            }
            numbered.push(shard);
        }
        // The order of first sight depends on the threads, that of the hashes does not.
        let mut order: Vec<&mut Person> = numbered.iter_mut().flatten().collect();
        order.sort_unstable_by_key(|person| person.hash);
        for (at, person) in order.into_iter().enumerate() {
            person.number = u32::try_from(at)
                .map_err(|_| Error::limit("more than 4,294,967,296 different users"))?;
        }
        Ok(Self { sets, numbered })
    }

    /// The users of some terms, in the order of their hashes.
    ///
    /// # Errors
    /// When a user has no key.
    pub fn members(&self, terms: &Terms) -> Result<Vec<Person>> {
        let mut people = Vec::new();
        for (shard, numbered) in self.numbered.iter().enumerate() {
            for local in self.sets.evaluated(shard, terms).iter() {
                people.push(match self.sets.is_dense() {
                    false => *numbered
                        .get(local as usize)
                        .ok_or_else(|| Error::internal("a user without a key"))?,
                    true => {
                        let number = Sets::dense_key(shard, local);
                        Person { number, hash: Key::Int(number.into()).hash() }
                    }
                });
            }
        }
        people.sort_unstable_by_key(|person| person.hash);
        Ok(people)
    }
}
