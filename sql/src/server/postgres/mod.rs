//! PostgreSQL's protocol: for psql, drivers and BI tools.
//!
//! ```text
//! bytes --> FrameValidator --> Connection: startup, simple and prepared statements --> execution
//!                                |  SET, SHOW, transactions, cursors: handled by the connection
//!                              Session: DataFusion session and settings of the connection
//! ```
//!
//! Statements are rewritten twice: those that read PostgreSQL's catalog to what this server's has
//! ([`catalog`]), and all to DataFusion's syntax and functions with PostgreSQL's meaning ([`dialect`]).
//! Transactions are accepted and have no effect: every statement reads the current version of the store.

mod array_encoding;
mod binary;
mod catalog;
mod connection;
mod copy;
mod copy_format;
mod cursors;
mod dialect;
mod errors;
mod extended_query;
mod fake_passwords;
mod frame_validator;
mod function;
mod grammar;
mod numeric_encoding;
mod parameters;
mod pg_server;
mod prepare;
mod rows;
mod serve;
mod session;
mod session_commands;
mod settings;
mod socket;
mod startup;
mod statement;
mod table_arguments;
mod text;
mod text_encoding;
mod types;

pub use serve::serve;
