//! Connections: from bytes to messages and back.

mod connection;
mod copy;
mod cursors;
mod extended_query;
pub(super) mod fake_passwords;
mod frame_validator;
mod serve;
mod session_commands;
mod socket;
mod startup;

pub use serve::serve;
