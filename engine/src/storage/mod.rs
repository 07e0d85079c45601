//! Files in local folders and in object stores. A store is written to a [`Storage`]; event files in
//! object stores are read as [objects](Object).
//!
//! Both kinds of storage are used through `object_store`. Its requests are complete or have not
//! happened, and a commit fails if its version exists already (`If-None-Match`). Folders differ in
//! what is in `local.rs`: files are synced when they are written, and ranges are read directly.

mod block_on;
mod chunks;
mod client;
mod digest;
mod files;
mod local;
mod location;
mod object;
mod object_reader;
mod requests;

#[cfg(test)]
mod tests;

pub(crate) use block_on::block_on;
pub(crate) use chunks::{Chunks, column_ranges, footer};
pub use client::{is_address, use_variables};
pub use digest::Digest;
pub use files::Item;
pub(crate) use files::Staged;
pub use location::Storage;
pub use object::Object;
