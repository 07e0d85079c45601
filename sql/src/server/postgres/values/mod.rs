//! PostgreSQL's types, and values as text and in binary form.

mod array_encoding;
pub(super) mod binary;
pub(super) mod copy_format;
mod numeric_encoding;
pub(super) mod rows;
pub(super) mod text;
mod text_encoding;
pub(super) mod types;
