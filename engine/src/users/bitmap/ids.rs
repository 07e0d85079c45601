//! Sets of ids made into values: the ids of a store, and those of a dictionary.

use roaring::{RoaringBitmap, RoaringTreemap};

use super::{Bitmap, Space};
use crate::users::{FIRST_ASSIGNED_SHARD, Key, Keys, UserSet, portable};
use crate::{Error, Result};

impl Bitmap {
    /// A set of a store, as it is stored in a row of this shard.
    ///
    /// # Errors
    /// When the bytes are not a set.
    pub fn of_stored(space: Space, shard: i64, set: &[u8]) -> Result<Self> {
        if shard < i64::from(FIRST_ASSIGNED_SHARD) {
            return Self::from_bytes(set);
        }
        Ok(Self::of_store_ids(space, portable::decode(set)?))
    }

    /// A set of ids that a store has assigned.
    pub fn of_store_ids(space: Space, ids: RoaringBitmap) -> Self {
        Self::of_numbers(Some(space), RoaringTreemap::from_bitmaps([(1, ids)]))
    }

    /// A set of ids as the set of their keys; without `keys` every id is its own key. The result is
    /// a set of integers or a set of keys.
    ///
    /// # Errors
    /// When an id has no key, or a key is not an integer although all should be.
    pub fn of_ids(set: &UserSet, keys: Option<&Keys<'_>>, integers: bool) -> Result<Self> {
        let Some(keys) = keys else {
            return Ok(match integers {
                true => Self::from(set.to_roaring()),
                false => Self::of_keys(set.iter().map(|id| Key::Int(i64::from(id)))),
            });
        };
        let key = |id: u32| keys.get(id).map(|(_, key)| key);
        let known =
            set.iter().map(|id| key(id).ok_or_else(|| Error::internal("an id without a key")));
        if !integers {
            return Ok(Self::of_keys(known.collect::<Result<Vec<_>>>()?));
        }
        let integers = known.map(|key| match key? {
            Key::Int(int) => Ok(int as u64),
            _ => Err(Error::internal("a non-integer key in a set of integers")),
        });
        let mut integers = integers.collect::<Result<Vec<u64>>>()?;
        integers.sort_unstable();
        Ok(integers.into_iter().collect())
    }
}
