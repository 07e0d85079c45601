//! PostgreSQL's protocol over the real program: by tokio-postgres, by Python's drivers, and
//! byte by byte.

mod access;
mod catalog;
mod hostile;
mod limits;
mod prepared;
mod python;
mod server;
mod stops;
mod texts;
mod wire;
