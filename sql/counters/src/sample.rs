//! A set of users as input of counters.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use engine::rollup::CountedUser;
use engine::users::int_of_hash;

/// Rows that DataFusion hands to an aggregate at a time.
pub(crate) const BATCH: usize = 8192;

/// A set of users in the forms in which counters take them, each user once.
pub struct Sample {
    numbers: Vec<u32>,
    batches: Vec<ArrayRef>,
}

impl Sample {
    /// These users, in this order.
    pub fn of(people: &[CountedUser]) -> Self {
        let batch = |people: &[CountedUser]| -> ArrayRef {
            Arc::new(people.iter().map(|person| int_of_hash(person.hash)).collect::<Int64Array>())
        };
        Self {
            numbers: people.iter().map(|person| person.number).collect(),
            batches: people.chunks(BATCH).map(batch).collect(),
        }
    }

    /// The ids that exact sets take.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// The keys that sketches take, as columns of `Int64` with at most 8192 rows. The key of a user
    /// is the integer whose hash in the engine is the user's: the key in the data, where that is an
    /// integer.
    pub fn batches(&self) -> &[ArrayRef] {
        &self.batches
    }

    /// How many users there are.
    pub fn users(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// Hands every key to a sketch, batch by batch.
    pub(crate) fn each_key(&self, mut take: impl FnMut(i64)) {
        for batch in &self.batches {
            for key in batch.as_primitive::<Int64Type>().values() {
                take(*key);
            }
        }
    }
}
