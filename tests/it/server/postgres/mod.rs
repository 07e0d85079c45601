//! PostgreSQL's protocol of the real program: with tokio-postgres, psql, Python's drivers, and raw
//! connections; and the answers of a real PostgreSQL server.

mod access;
mod catalog;
mod clients;
mod dialect;
mod hostile;
mod limits;
mod memory;
mod prepared;
pub(super) mod psql;
mod python;
mod raw_connection;
mod real_postgres;
pub(super) mod server;
mod stops;
mod texts;
mod tools;
