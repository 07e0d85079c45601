//! CSV files by RFC 4180, strictly: a quote that is never closed, text after a closing quote and a
//! row of another length than the header are errors with their line.
//!
//! Readers that accept these find rows where there are none, or one row where there are thousands,
//! and every number after that is wrong. Three liberties are safe and common, so they are allowed:
//! empty lines, a carriage return alone as the end of a line, and quotes inside a field that does
//! not begin with one.

mod dialect;
mod reader;
mod split;

#[cfg(test)]
mod tests;

pub(super) use dialect::Dialect;
pub(super) use reader::CsvFile;
