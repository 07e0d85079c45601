//! The words around the engine: commands, reports, SQL.
//!

pub mod cli;
pub mod report;
