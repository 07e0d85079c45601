//! The set that a group is counted by.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use crate::Result;
use crate::scan::{UserKeys, scope_values, split_scopes, user_keys};
use crate::users::{Sketch, hash_int, hash_scope};

/// The set that a group is counted by.
pub(crate) trait DistinctState: Clone + Debug + Send + Sync {
    /// What stands for a value in it.
    type Id: Copy + Debug + Default + Send;
    /// What all threads share about the values of a column.
    type Context: Debug + Send + Sync;

    /// Writes the id of each row's value; what those of other rows than `rows` are does not matter.
    ///
    /// # Errors
    /// When there are too many values.
    fn find(
        context: &Self::Context,
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<Self::Id>,
    ) -> Result<()>;

    /// Adds a value. `heap` changes by what [`size`](Self::size) changes.
    ///
    /// # Errors
    /// When there are too many values.
    fn push(&mut self, id: Self::Id, context: &Self::Context, heap: &mut usize) -> Result<()>;

    /// Adds everything in another set.
    ///
    /// # Errors
    /// When it is of another kind, or there are too many values.
    fn absorb(&mut self, other: Self, context: &Self::Context) -> Result<()>;

    /// How many different values are in it.
    ///
    /// # Errors
    /// When it cannot be counted.
    fn count(self, context: &Self::Context) -> Result<u64>;

    /// Heap bytes in use.
    fn size(&self) -> usize;
}

/// An approximate set, of hashes.
impl DistinctState for Sketch {
    type Id = u64;
    type Context = ();

    fn find(
        (): &(),
        values: &ArrayRef,
        rows: Option<&NullBuffer>,
        found: &mut Vec<u64>,
    ) -> Result<()> {
        found.clear();
        let (scopes, values) = split_scopes(values);
        let scopes = scopes.map(|scopes| scope_values(scopes, None, |name| Some(hash_scope(name))));
        match (user_keys(values)?, &scopes) {
            (UserKeys::Ints(ints), None) => found.extend(ints.iter().map(|int| hash_int(*int))),
            (users, scopes) => {
                found.resize(values.len(), 0);
                let wanted = |row| rows.is_none_or(|rows| rows.is_valid(row));
                users.for_each(wanted, |row, key| {
                    found[row] = match scopes.as_ref().and_then(|scopes| scopes[row]) {
                        None => key.hash(),
                        Some(scope) => key.hash_in(scope),
                    };
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, hash: u64, (): &(), heap: &mut usize) -> Result<()> {
        self.insert_counting(hash, heap);
        Ok(())
    }

    fn absorb(&mut self, mut other: Self, (): &()) -> Result<()> {
        if self.size() < other.size() {
            std::mem::swap(self, &mut other);
        }
        self.merge(&other)
    }

    fn count(self, (): &()) -> Result<u64> {
        Ok(self.estimate()?.users)
    }

    fn size(&self) -> usize {
        self.size()
    }
}
