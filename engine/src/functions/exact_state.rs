//! The partial state of one group of `exact_distinct`.
//!
//! Each part of a query assigns its own ids, so a state contains the values:
//!
//! * `1`, then a [written](UserSet::write) set of integers from 0 to 2^32 - 1; or
//! * `2`, then each key as [`Key::write`] has it.

use super::group_sets::GroupSets;
use crate::users::{Key, Keys, UserSet};
use crate::{Error, Result};

/// The state of a group without a value; a key behind it makes it the state of one value.
pub(super) const EMPTY_STATE: &[u8] = &[KEYS];

const SET: u8 = 1;
const KEYS: u8 = 2;

/// Appends the state of a group; `keys` are those of its dictionary, if it has one.
///
/// # Errors
/// When a number of the set has no key.
pub(super) fn write(set: &UserSet, keys: Option<&Keys<'_>>, bytes: &mut Vec<u8>) -> Result<()> {
    let Some(keys) = keys else {
        bytes.push(SET);
        return set.write(bytes);
    };
    bytes.push(KEYS);
    for number in set.iter() {
        let (_, key) = keys.get(number).ok_or_else(|| Error::internal("a number without a key"))?;
        key.write(bytes);
    }
    Ok(())
}

/// Adds everything in a state to a group.
///
/// # Errors
/// When the bytes are no state.
pub(super) fn read(bytes: &[u8], sets: &mut GroupSets, group: usize) -> Result<()> {
    match bytes.split_first() {
        Some((&SET, set)) => sets.insert_set(group, set),
        Some((&KEYS, mut rest)) => {
            while !rest.is_empty() {
                let (key, behind) =
                    Key::read(rest).ok_or_else(|| Error::input("a key is truncated or corrupt"))?;
                sets.insert(group, key)?;
                rest = behind;
            }
            Ok(())
        }
        Some((form, _)) => Err(Error::input(format!("unknown form {form}"))),
        None => Err(Error::input("it is empty")),
    }
}
