//! From the text of a statement and its parameters to a plan.

pub(super) mod grammar;
pub(super) mod parameters;
pub(super) mod prepare;
pub(super) mod statement;
mod table_arguments;
