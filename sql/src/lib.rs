//! Commands, reports, SQL and servers around the engine.
//!
//! [`cli`] is the program. [`output`] writes rows and documents in every format; [`report`] has the
//! columns and words of reports, `site` makes the pages of `headcount docs`, and `publish` the dbt package of
//! `headcount publish`. [`accuracy`] compares
//! exact and approximate counting. [`session`] creates DataFusion sessions with the engine's functions, [`catalog`] registers the tables, and
//! [`server`] has the network protocols.

pub mod accuracy;
pub mod cancellation;
pub mod catalog;
pub mod cli;
mod default_schema;
pub mod failure;
pub mod functions;
pub mod output;
pub mod question;
pub mod report;
pub mod script;
pub mod server;
pub mod session;

mod ast;
mod datafusion_bugs;
mod file_consistency;
mod memory;
mod publish;
mod site;
