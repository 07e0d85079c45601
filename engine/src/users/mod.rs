//! Sets of users: exact, approximate, and the numbers that stand for the people in them.
//!
//! * [`Key`] is a user key as it stands in the data, in its one canonical form.
//! * [`IdDictionary`] gives every key a small number, once; [`UserSet`] is a set of such numbers.
//! * [`Bitmap`] is a set as a value of its own, with bytes that say whose numbers are in it.
//! * [`Sketch`] estimates how many keys it has seen.
//!
//! An exact set never hashes, never truncates: two keys are one user only if they are equal.

mod bitmap;
mod fixed_key_table;
mod id_dictionary;
mod key;
mod set;
mod sketch;

pub use bitmap::{Bitmap, Operation, Space};
pub use id_dictionary::{IdDictionary, Keys};
pub use key::{Key, hash_bytes, hash_int, hash_scope, hash_wide, int_of_hash};
pub use set::{SetBuilder, UserSet};
pub use sketch::{DEFAULT_PRECISION, Estimate, PRECISIONS, Sketch};
