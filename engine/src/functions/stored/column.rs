//! A column of users: stored sets, and single users by their ids.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Int32Array, StructArray, UInt32Array,
    new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, UInt32Type};

use crate::users::FIRST_ASSIGNED_SHARD;
use crate::{Error, Result};

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        // Whether the ids were assigned by the store, or are the keys: these are disjoint users.
        Field::new("given", DataType::Boolean, true),
        Field::new("users", DataType::BinaryView, true),
        Field::new("number", DataType::UInt32, true),
    ])
});

/// The type of a column of users. A row has `users` or a `number`; NULL is no user.
pub fn stored_users_type() -> DataType {
    DataType::Struct(FIELDS.clone())
}

/// Rows of the roll-up as such a column: the stored sets, and their shards.
///
/// # Errors
/// When the columns differ in length.
pub fn stored_users(shards: &Int32Array, users: &BinaryViewArray) -> Result<ArrayRef> {
    let first = FIRST_ASSIGNED_SHARD as i32; // 4096
    let assigned: BooleanArray =
        shards.values().iter().map(|shard| Some(*shard >= first)).collect();
    let numbers = new_null_array(&DataType::UInt32, users.len());
    let columns = vec![Arc::new(assigned) as ArrayRef, Arc::new(users.clone()), numbers];
    Ok(Arc::new(StructArray::try_new(FIELDS.clone(), columns, None)?))
}

/// A column of users.
pub(super) struct UserColumn<'a> {
    assigned: &'a BooleanArray,
    users: &'a BinaryViewArray,
    numbers: &'a UInt32Array,
}

/// Who is in a row.
pub(super) enum RowUsers<'a> {
    Stored(&'a [u8]),
    One(u32),
}

impl<'a> UserColumn<'a> {
    /// A column with one user per row.
    pub(super) fn of_numbers(
        assigned: BooleanArray,
        numbers: UInt32Array,
        empty_state: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let users = new_null_array(&DataType::BinaryView, numbers.len());
        let columns = vec![Arc::new(assigned) as ArrayRef, users, Arc::new(numbers)];
        Ok(Arc::new(StructArray::try_new(FIELDS.clone(), columns, empty_state)?))
    }

    pub(super) fn of(array: &'a ArrayRef) -> Result<Self> {
        let other = || {
            let found = array.data_type();
            Error::internal(format!("a column of type {found} cannot hold stored users"))
        };
        let columns = array.as_struct_opt().ok_or_else(other)?.columns();
        let [assigned, users, numbers] = columns else { return Err(other()) };
        Ok(Self {
            assigned: assigned.as_boolean_opt().ok_or_else(other)?,
            users: users.as_binary_view_opt().ok_or_else(other)?,
            numbers: numbers.as_primitive_opt::<UInt32Type>().ok_or_else(other)?,
        })
    }

    /// Whether the store gave the numbers of a row that is not null, and who is in it.
    pub(super) fn row(&self, row: usize) -> (bool, RowUsers<'a>) {
        let users_of_row = if self.users.is_valid(row) {
            RowUsers::Stored(self.users.value(row))
        } else {
            RowUsers::One(self.numbers.value(row))
        };
        (self.assigned.value(row), users_of_row)
    }
}
