//! The engine: it makes the numbers.
//!
//! No SQL text, no terminal, no socket and no clock in here; those live in the `headcount`
//! package. The modules stand in the order in which data flows, in three rings:
//!
//! | ring | modules | may know |
//! |---|---|---|
//! | 1 | [`calendar`], [`users`], [`metric`] | nothing but the standard library and their own crates |
//! | 2 | [`storage`], [`events`], [`operators`], [`store`] | ring 1, DataFusion, Arrow, files |
//! | 3 | [`rollup`], [`active`] | rings 1 and 2 |
//!
//! Start reading at [`active`]: it holds the question and the rows that answer it.

pub mod calendar;
pub mod metric;
pub mod users;

pub mod events;
pub mod operators;
pub mod storage;
pub mod store;

pub mod active;
pub mod project;
pub mod rollup;

mod counting_sort;
mod error;
mod nearest;

pub use error::{Error, Kind, Result};
