//! PostgreSQL's protocol of the real program: with tokio-postgres, psql, Python's drivers, and raw
//! connections.

mod access;
mod catalog;
mod hostile;
mod limits;
mod memory;
mod prepared;
pub(super) mod psql;
mod python;
mod raw_connection;
pub(super) mod server;
mod stops;
mod texts;
