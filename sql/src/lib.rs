//! The words around the engine: commands, reports, SQL.
//!
//! [`cli`] is the program, [`report`] writes reports in every format, [`session`] is the one place
//! that makes a DataFusion session with the engine's functions in it.

pub mod cli;
pub mod report;
pub mod session;
