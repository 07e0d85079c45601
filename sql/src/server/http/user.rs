//! The user of a request.

/// The user; empty if the server requires no login.
#[derive(Clone, Debug)]
pub(super) struct User(pub(super) String);
