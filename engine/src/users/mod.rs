//! Sets of users: exact and approximate, and the ids of their keys.
//!
//! * [`Key`] is a user key in its canonical form.
//! * [`IdDictionary`] assigns every key a dense id, and [`ShardedIds`] does so for many threads;
//!   [`UserSet`] is a set of ids, and [`SetBuilder`] fills one.
//! * [`portable`] has the bytes of a set of ids; a [`ShardBitset`] combines those of a store.
//! * [`Bitmap`] is a set as a value of its own; its bytes say which id space it belongs to.
//! * [`Sketch`] estimates the number of distinct keys; a [`Salt`] hashes keys for sketches that leave the
//!   project.
//!
//! Exact sets compare whole keys: nothing is hashed or truncated.

mod bitmap;
mod fixed_key_table;
mod id_dictionary;
mod key;
pub mod portable;
mod salt;
mod scope_interner;
mod set;
mod shard;
mod sharded_ids;
mod sketch;

pub use bitmap::{Bitmap, Operation, Space};
pub use id_dictionary::{IdDictionary, Keys};
pub use key::{Key, hash_bytes, hash_int, hash_scope, hash_wide, int_of_hash};
pub use salt::Salt;
pub use set::{SetBuilder, UserSet};
pub use shard::{FIRST_ASSIGNED_SHARD, ShardBitset, each_page, shard_ids, shard_of};
pub use sharded_ids::{ID_SHARDS, KeyBatch, ShardedIds};
pub use sketch::{DEFAULT_PRECISION, Estimate, PRECISIONS, Sketch};
