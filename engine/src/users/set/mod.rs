//! An exact set of user ids, made to be filled fast.
//!
//! A few users are a short sorted list. A larger set is a list of pages, one for every 65,536 ids:
//! a page is a sorted list while it is sparse and an 8 KiB bitset from then on. Filling a Roaring
//! bitmap value by value costs several times as much, because it searches its containers for every
//! value; the pages are found by index. Ids should therefore be dense (see
//! [`IdDictionary`](super::IdDictionary)): a set takes up to 24 bytes for every page below its
//! largest id, used or not.

mod builder;
mod page;
mod user_set;

pub use builder::SetBuilder;
pub use user_set::UserSet;
