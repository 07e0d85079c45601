//! PostgreSQL's protocol over the real program: by tokio-postgres, by psql, by Python's drivers, and
//! byte by byte.

mod access;
mod catalog;
mod hostile;
mod limits;
mod prepared;
pub(super) mod psql;
mod python;
pub(super) mod server;
mod stops;
mod texts;
mod wire;
