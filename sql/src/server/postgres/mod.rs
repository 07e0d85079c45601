//! PostgreSQL's protocol: for psql, drivers and BI tools.
//!
//! ```text
//! bytes --> FrameValidator --> Connection: startup, simple and prepared statements --> execution
//!                                |  SET, SHOW, transactions, cursors: handled by the connection
//!                              Session: DataFusion session and settings of the connection
//! ```
//!
//! `pg_catalog` comes from a crate ([`catalog`]), whose rules also rewrite syntax that DataFusion
//! does not support ([`rules`]). Its tables are adapted to this server ([`relations`]), correlated
//! scalar subqueries on them are made aggregates ([`scalar_subquery`]), and queries of its empty
//! tables are simplified ([`empty_relations`]). Transactions are accepted and have no effect: every
//! statement reads the current version of the store.

mod ast_rewrite;
mod binary;
mod cancels;
mod catalog;
mod connection;
mod copy;
mod copy_format;
mod cursors;
mod dialect;
mod empty_relations;
mod errors;
mod fake_passwords;
mod frame_validator;
mod numeric_encoding;
mod parameters;
mod pg_server;
mod prepare;
mod rows;
mod rules;
mod scalar_subquery;
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
