//! The words around the engine: commands, reports, SQL.
//!
//! [`cli`] is the program. [`report`] writes reports in every format, and [`results`] the results
//! of queries. [`accuracy`] measures exact against approximate counting. [`session`] is the one
//! place that makes a DataFusion session with the engine's functions in it, and [`catalog`] puts
//! the tables into it.

pub mod accuracy;
pub mod cancellation;
pub mod catalog;
pub mod cli;
pub mod failure;
pub mod functions;
pub mod question;
pub mod report;
pub mod results;
pub mod script;
pub mod server;
pub mod session;

mod ast;
mod bounded;
mod datafusion_bugs;
mod file_consistency;
