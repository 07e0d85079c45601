//! `COUNT(DISTINCT user)` over rows of the roll-up and rows of events together.
//!
//! In a rewritten query, a column of this type replaces the column of user keys: in a row of the
//! roll-up it holds a stored set ([`stored_users`]), in a row of events the id of its user in the
//! store ([`store_number`]). [`rollup_distinct`] counts the users in such rows.
//!
//! These functions are not registered: they exist only inside plans.

mod column;
mod distinct;
mod number;

#[cfg(test)]
mod tests;

pub use column::{stored_users, stored_users_type};
pub use distinct::rollup_distinct;
pub use number::store_number;
