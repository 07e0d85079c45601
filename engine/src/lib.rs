//! The engine: reads events, stores them aggregated, and counts users.
//!
//! It does not contain SQL statements (only the expressions of a project file are planned, in `scan`) and
//! does not use a terminal, sockets or a clock; those are in the `headcount` package. The modules are listed in the order in which data flows, in three rings:
//!
//! | ring | modules | may use |
//! |---|---|---|
//! | 1 | [`calendar`], [`users`], [`metric`] | nothing but the standard library and their own crates |
//! | 2 | [`storage`], [`scan`], [`functions`], [`distinct`], [`store`] | ring 1, DataFusion, Arrow, files |
//! | 3 | [`rollup`], [`active`], [`pings`], [`overview`], [`metric_data`], [`outgoing_ping`], [`reconcile`] | rings 1 and 2 |
//!
//! Start reading at [`active`]: it has the arguments of a report and its rows.

pub mod calendar;
pub mod metric;
pub mod users;

pub mod distinct;
pub mod functions;
pub mod scan;
pub mod storage;
pub mod store;

pub mod active;
pub mod metric_data;
pub mod outgoing_ping;
pub mod overview;
pub mod pings;
pub mod project;
pub mod reconcile;
pub mod rollup;
mod words;

mod counting_sort;
mod datafusion_error;
mod error;
mod job;
mod nearest;

pub use error::{Error, Kind, Result};
pub use job::JobContext;
