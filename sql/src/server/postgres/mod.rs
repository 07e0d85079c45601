//! PostgreSQL's protocol: for psql, drivers and BI tools.
//!
//! ```text
//! bytes --> FrameValidator --> Connection: startup, simple and prepared statements --> execution
//!                                |  SET, SHOW, transactions, cursors: handled by the connection
//!                              Session: DataFusion session and settings of the connection
//! ```
//!
//! | folder | what it does |
//! |---|---|
//! | `protocol` | connections, and the messages that they receive and send |
//! | `statements` | from the text of a statement and its parameters to a plan |
//! | [`catalog`] | PostgreSQL's catalog: `pg_catalog` and `information_schema` |
//! | [`dialect`] | PostgreSQL's syntax, operators and functions |
//! | `values` | types, and values as text and in binary form |
//!
//! Statements are rewritten twice: those that read PostgreSQL's catalog to what this server's has
//! ([`catalog`]), and all to DataFusion's syntax and functions with PostgreSQL's meaning ([`dialect`]).
//! Transactions are accepted and have no effect: every statement reads the current version of the store.

mod catalog;
mod dialect;
mod errors;
mod function;
mod pg_server;
mod protocol;
mod session;
mod settings;
mod statements;
mod values;

pub use protocol::serve;
